#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is lost on the way is asked for and told again.

    client --packets--> master ==(loss, delay, doubles)==> backup
                                <--(requests)--

The link is spoilt with netem, in both directions. Where a certain message has
to be lost, or come late, a Speaker is the master. Time is real here.
"""

import time

import lib
import wire
from lib import Crowd, HOLE, VIP, World, check, equal, soon, stays
from wire import Asker, Record, Speaker

DNS, WEB = f'{VIP}:53', f'{VIP}:80'


def spoil(ns, what, device='sync'):
    ns.run('tc', 'qdisc', 'replace', 'dev', device, 'root', 'netem', 'limit',
           '100000', *what.split())


def mend(ns, device='sync'):
    ns.run('tc', 'qdisc', 'delete', 'dev', device, 'root')


def announce(world):
    """The first packet of a flow announces it; services on all directors."""
    world.sysctl(sync_threshold='0 0')
    world.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                  f'-A -t {WEB} -s rr', f'-a -t {WEB} -r {HOLE} -m')


class Link(World):
    """A World where the first packet of a flow announces it."""

    def make(self):
        super().make()
        announce(self)


def lossy(percent):
    """Loss, doubles and delays that reorder: at rest the tables agree."""
    with Link() as w:
        # Five records to a message, so that there is much to lose
        w.start('--sync-maxlen', '204')
        spoil(w.master, f'loss {percent}% duplicate 5% delay 4ms 4ms')
        spoil(w.backup, f'loss {percent}%')
        flows = w.burst(3000)
        # At 1 % it may take more.
        soon(lambda: w.backup.count('backup.repaired') or
             flows.extend(w.burst(10)), 'something is lost', 20)
        talks = [w.flow('tcp') for _ in range(600)]
        for flow in talks:
            flow.open()
        # What is lost of an older state must not come back. These last for a
        # minute at least: none may end before all have come.
        for flow in talks[::2]:
            w.reply(flow, 'FA')
        for flow in talks[::3]:
            flow.send('FA')
        soon(lambda: not w.master.count('master.waiting'), 'all are sent')
        w.in_sync(within=30)
        soon(lambda: not w.missing(flows + talks) and
             not w.backup.ready_value('missing'), 'all arrive', 10)
        wrong = w.differ()
        check(not wrong, f'{len(wrong)} differ, as {wrong[:1]}')
        equal(len(w.backup.conns()), len(flows) + 600)
        for name in 'repaired', 'again', 'late':
            check(w.backup.count(f'backup.{name}'), f'nothing {name}')
        equal(w.backup.count('backup.restarts'), 0)
        # What was told more often than it changed
        more = w.master.count('master.repaired')
        check(more <= len(flows + talks) * (percent / 100 + 0.05) * 4,
              f'{more} records were told again')


def test_last():
    """That the very last message is lost is noticed"""
    with Link() as w:
        w.start()
        spoil(w.master, 'loss 100%')
        flow, = w.burst(1)
        soon(lambda: w.master.count('master.messages') == 1, 'it is sent')
        mend(w.master)
        soon(lambda: not w.missing([flow]), 'it arrives', 5)
        equal(w.master.count('master.repaired'), 1)
        equal(w.backup.count('backup.repaired'), 1)
        w.in_sync()


def test_quick():
    """A loss is made up for in a fraction of a second"""
    with Link() as w:
        w.start()
        took = []
        for _ in range(5):
            spoil(w.master, 'loss 100%')
            before = w.master.count('master.messages')
            lost, = w.burst(1)
            soon(lambda before=before:
                 w.master.count('master.messages') > before, 'it is sent')
            mend(w.master)
            start = time.monotonic()
            w.burst(1)      # shows that there is a gap
            soon(lambda lost=lost: not w.missing([lost]), 'it arrives', 5)
            took.append(time.monotonic() - start)
        # Twice the machine may have stood still meanwhile.
        check(sorted(took)[2] < 0.4, f'after {took}')


def test_doubles():
    """What comes twice is applied once"""
    with Link() as w:
        spoil(w.master, 'duplicate 100%')
        w.start('--sync-maxlen', '204')
        flows = w.burst(500)
        soon(lambda: not w.missing(flows), 'all arrive')
        soon(lambda: w.backup.count('backup.again') ==
             w.master.count('master.messages'), 'each comes twice')
        for name in 'records', 'created':
            equal(w.backup.count(f'backup.{name}'), 500, name)
        equal(w.master.count('master.nacks'), 0, 'requests for messages')
        equal(w.backup.rejects(), {})


def test_reordered():
    """What is only out of order is not asked for"""
    with Link() as w:
        w.start('--sync-maxlen', '44')
        asked = w.backup.count('backup.asked')
        # Within the time that a gap is left alone
        spoil(w.master, 'delay 3ms 3ms')
        flows = []
        for _ in range(20):
            flows += w.burst(20)
            time.sleep(0.05)
        soon(lambda: not w.missing(flows), 'all arrive')
        check(w.backup.count('backup.late') > 20, 'all came in order')
        # Of what was asked for all the same the first words come too late
        rejects = w.backup.rejects()
        again = w.master.count('master.repaired')
        check(rejects.pop('order', 0) <= again, f'{again} told again')
        equal(rejects, {})
        few = w.backup.count('backup.asked') - asked
        check(few <= w.backup.count('backup.late') / 10,
              f'asked {few} times')


def test_crowd():
    """Ten backups that lose the same are told once, and ask about once each"""
    with Crowd(9) as w:
        announce(w)
        for ns in w.backups:
            ns.start('backup')
        w.master.start('master', '--sync-maxlen', '204')
        for ns in w.backups:
            w.in_sync(ns, 30)
        spoil(w.master, 'loss 10%')
        flows = w.burst(2000)
        for ns in w.backups:
            soon(lambda ns=ns: not w.missing(flows, ns),
                 f'all arrive at {ns.name}', 30)
        mend(w.master)
        lost = w.backup.count('backup.repaired')
        check(lost > 10, f'only {lost} messages were lost')
        more = w.master.count('master.records') - 2000
        nacks = w.master.count('master.nacks')
        # A tenth is lost, and a tenth of that again
        check(more <= 2000 * 0.1 * 3, f'{more} records were told again')
        # As who asks first is answered before most others ask
        check(nacks <= lost * 6, f'{nacks} requests for {lost} messages')
        for ns in w.backups:
            w.in_sync(ns)
            equal(ns.count('backup.restarts'), 0)


def test_crowd_apart():
    """Ten backups that lose different messages: each loss is made up for"""
    with Crowd(9) as w:
        announce(w)
        for ns in w.backups:
            ns.start('backup')
        w.master.start('master', '--sync-maxlen', '204')
        for ns in w.backups:
            w.in_sync(ns, 30)
        for i in range(len(w.backups)):
            spoil(w.hub, 'loss 3%', f'port{i + 1}')
        flows = w.burst(2000)
        for ns in w.backups:
            soon(lambda ns=ns: not w.missing(flows, ns),
                 f'all arrive at {ns.name}', 30)
        # A quarter of the messages is lost to somebody.
        more = w.master.count('master.records') - 2000
        check(0 < more <= 2000, f'{more} records were told again')


def test_drowning():
    """A backup that loses most does not slow the others"""
    with Crowd(1) as w:
        announce(w)
        for ns in w.backups:
            ns.start('backup')
        w.master.start('master')
        for ns in w.backups:
            w.in_sync(ns)
        spoil(w.hub, 'loss 90%', 'port2')
        delays = []
        for _ in range(40):
            w.burst(50)
            flow, = w.burst(1)
            start = time.monotonic()
            soon(lambda flow=flow: not w.missing([flow]), 'it arrives')
            delays.append(time.monotonic() - start)
        median = sorted(delays)[len(delays) // 2]
        check(median < 0.2, f'{median:.3f} s to the other')
        mend(w.hub, 'port2')
        w.in_sync(w.more[0], 20)
        soon(lambda: len(w.more[0].conns()) == 40 * 51, 'it has all', 20)


def test_flood():
    """A flood of NACKs, each of all that is remembered, stops nothing"""
    with Link() as w:
        ear = w.tap()
        w.start('--sync-maxlen', '60')
        flows = []
        for _ in range(20):
            flows += w.burst(100)
            soon(lambda: not w.missing(flows), 'all arrive')
        last = ear.read(control=True)[-1]
        w.master.sysctl(sync_pace=2000)
        asker = Asker(w.backup, last)
        before = w.master.count('master.records')
        start = time.monotonic()
        delays = []
        for _ in range(15):
            for _ in range(20):
                asker.nack(last.seq, (1, last.seq))
            flow, = w.burst(1)
            sent = time.monotonic()
            soon(lambda flow=flow: w.backup.conn(flow), 'it arrives', 10)
            delays.append(time.monotonic() - sent)
        check(w.master.count('master.nacks') > 200, 'they were not read')
        median = sorted(delays)[len(delays) // 2]
        check(median < 0.3, f'{median:.3f} s to the backup')
        told = w.master.count('master.records') - before
        most = (time.monotonic() - start) * 2000 * 1.1 + 200
        check(told <= most, f'{told} records, {most:.0f} are allowed')
        w.in_sync()
        equal(w.differ(), [])


def test_beyond():
    """More is lost than the master remembers: the table is told anew"""
    with Link() as w:
        w.sysctl(sync_repair=256)
        w.start()
        spoil(w.master, 'loss 100%')
        flows = w.burst(1000)
        soon(lambda: not w.master.count('master.waiting') and
             w.master.count('master.records') == 1000, 'all are sent')
        mend(w.master)
        soon(lambda: not w.missing(flows), 'all arrive', 10)
        w.in_sync()
        check(w.backup.count('backup.restarts'), 'no restart')
        check(w.master.count('master.walk.passes') >= 2, 'no second pass')
        equal(w.differ(), [])


class Heard(World):
    """A World with a Speaker instead of a master."""

    def make(self):
        super().make()
        self.backup.start('backup')
        self.speaker = Speaker(self.master)

    def record(self, port, state=wire.TCP_ESTABLISHED, **more):
        return Record('tcp', f'10.1.77.7:{port}', WEB, f'{HOLE}:80',
                      state=state, timeout=300, **more)

    def asked(self):
        """The ranges of a NACK."""
        message, *_ = soon(lambda: self.speaker.heard(wire.NACK), 'a NACK')
        return message.says['ranges']

    def read(self, count):
        soon(lambda: self.backup.count('backup.messages') == count and
             not self.backup.unread(), 'it is read')


def test_request():
    """How a gap is asked for, and what ends that"""
    with Heard() as w:
        # All at once: the first request is to know of both gaps.
        with lib.undisturbed():
            for seq in 1, 2, 4, 7:
                w.speaker.say(seq, w.record(seq))
        start = time.monotonic()
        message, *_ = soon(lambda: w.speaker.heard(wire.NACK), 'a NACK')
        # The pauses between requests grow to a second.
        check(time.monotonic() - start < 0.9, 'it takes long')
        equal((message.ttl, message.source, message.seq, message.syncid),
              (255, w.backup.sync, 7, 0))
        equal(message.says['ranges'], [(3, 3), (5, 6)])
        # What comes late need not be asked for.
        w.speaker.say(5, w.record(5))
        w.read(5)
        w.speaker.heard()
        equal(w.asked(), [(3, 3), (6, 6)])
        w.speaker.say(8, w.record(3), w.record(6))
        w.speaker.fill(8, (3, 3), (6, 6))
        w.read(7)
        w.speaker.heard()
        equal(w.backup.ready_value('missing'), 0)
        equal(w.backup.count('backup.repaired'), 2)
        stays(lambda: not w.speaker.heard(wire.NACK), 'silence', 1.5)
        equal(len(w.backup.conns()), 7)


def test_patience():
    """Who is not answered asks less and less often"""
    with Heard() as w:
        w.speaker.say(1, w.record(1))
        w.speaker.say(3, w.record(3))
        end = time.monotonic() + 8
        times = []
        while time.monotonic() < end:
            times += [m.time for m in w.speaker.heard(wire.NACK)]
            time.sleep(0.01)
        gaps = [b - a for a, b in zip(times, times[1:])]
        # Twelve times; eight, did the pauses grow beyond a second
        check(9 <= len(times) <= 13, f'asked {len(times)} times')
        # Where the machine stood still one is longer.
        check(min(gaps[:2]) < 0.2 and 0.8 < sorted(gaps[-5:])[2] < 1.6,
              f'pauses of {gaps}')
        equal(w.backup.ready(), 'stale')


def test_lagging():
    """What is missed for long is a lag"""
    with Heard() as w:
        # Not stale before a minute without another
        hello = {'progress': 1000, 'start': 1, 'interval': 20000}
        w.speaker.hello(0, done=0, **hello)
        soon(lambda: w.backup.ready() == 'in-sync', 'in sync')
        w.speaker.say(1, w.record(1))
        w.speaker.say(3, w.record(3))
        w.speaker.hello(3, done=0, conns=3, **hello)
        soon(lambda: w.backup.ready() == 'lagging', 'lagging', 2)
        equal(w.backup.ready_value('missing'), 1)
        check(w.backup.ready_value('lag_ms') > 200, 'no lag')
        w.speaker.say(2, w.record(2))
        soon(lambda: w.backup.ready() == 'in-sync', 'in sync', 2)
        equal(w.backup.ready_value('lag_ms'), 0)


def test_fill_lost():
    """A FILL that is lost, or whose repair is, is asked for again"""
    with Heard() as w:
        w.speaker.say(1, w.record(1))
        w.speaker.say(3, w.record(3))
        equal(w.asked(), [(2, 2)])
        w.speaker.say(4, w.record(2))       # and the FILL is lost
        equal(w.asked(), [(2, 2)])
        # Message 5 tells it again and is lost, the FILL is not.
        w.speaker.fill(5, (2, 2))
        soon(lambda: w.asked() == [(5, 5)], 'what it promised is missed')
        equal(w.backup.ready_value('missing'), 1)
        w.speaker.say(5, w.record(2))
        soon(lambda: not w.backup.ready_value('missing'), 'it is there')


def test_order():
    """An older message does not overwrite what a newer one has told"""
    with Heard() as w:
        w.speaker.say(1, w.record(1))
        w.speaker.say(3, w.record(2, wire.TCP_CLOSE, flags=wire.INACTIVE))
        w.speaker.say(2, w.record(2), w.record(3))
        w.read(3)
        equal(w.backup.state(w.record(2)), 'CLOSE')
        check(w.backup.conn(w.record(3)), 'what else it tells is lost')
        equal(w.backup.rejects(), {'order': 1})
        equal(w.backup.count('backup.late'), 1)
        equal(w.backup.ready_value('missing'), 0)
        # The very same once more
        w.speaker.say(2, w.record(2), w.record(3))
        w.read(4)
        equal(w.backup.count('backup.again'), 1)
        equal(w.backup.count('backup.records'), 4)


def test_order_streams():
    """There is no older and newer between two masters"""
    with Heard() as w:
        other = Speaker(w.master, instance=0x5678)
        w.speaker.say(1000, w.record(1, wire.TCP_CLOSE, flags=wire.INACTIVE))
        other.say(1, w.record(1))
        w.read(2)
        equal(w.backup.state(w.record(1)), 'ESTABLISHED')
        w.speaker.say(1001, w.record(1, wire.TCP_CLOSE, flags=wire.INACTIVE))
        w.read(3)
        equal(w.backup.state(w.record(1)), 'CLOSE')
        equal(w.backup.rejects(), {})


def wrap(first):
    """Numbers that go through 0, or through the sign's change."""
    with Heard() as w:
        def seq(n):
            return (first + n) & 0xffffffff
        w.speaker.hello(seq(0), oldest=seq(0), progress=wire.NO_PASS)
        join, *_ = soon(lambda: w.speaker.heard(wire.JOIN), 'a JOIN')
        equal(join.says['since'], seq(1))
        for n in 1, 2, 4, 5:
            w.speaker.say(seq(n), w.record(n))
        equal(w.asked(), [(seq(3), seq(3))])
        w.speaker.say(seq(3), w.record(3), w.record(5, wire.TCP_FIN_WAIT))
        w.speaker.hello(seq(5), oldest=seq(1), start=seq(1), done=seq(5),
                        progress=1000, conns=5, interval=20000)
        soon(lambda: w.backup.ready() == 'in-sync', 'in sync', 2)
        equal(w.backup.rejects(), {'order': 1})
        equal(w.backup.ready_value('missing'), 0)
        equal(w.backup.ready_value('connections_there'), 5)
        equal(len(w.backup.conns()), 5)


def test_gaps():
    """More gaps than a backup keeps apart cost repairs, and lose nothing"""
    with Heard() as w:
        for seq in range(1, 402, 2):
            w.speaker.say(seq, w.record(seq))
        w.read(201)
        equal(len(w.backup.conns()), 201)
        asked = set()

        def all_asked():
            for m in w.speaker.heard(wire.NACK):
                check(len(m.says['ranges']) <= 64, 'too many ranges')
                for first, last in m.says['ranges']:
                    asked.update(range(first, last + 1))
            return asked >= set(range(2, 401, 2))
        soon(all_asked, 'all are asked for')
        w.speaker.fill(401, (2, 400))
        soon(lambda: not w.backup.ready_value('missing'), 'none is missed')


if __name__ == '__main__':
    lib.main(*((f'At {percent} % loss, with doubles and out of order, all '
                'arrive', lambda percent=percent: lossy(percent))
               for percent in (1, 5, 20)),
             *((f'Numbers wrap, from {first:#x}',
                lambda first=first: wrap(first))
               for first in (0xfffffffd, 0x7ffffffd, 0x90000000)))
