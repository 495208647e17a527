#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""A backup that has not the whole table asks for it, and says when it has.

    client --packets--> master --messages, HELLOs--> tap, backup, more of them
                               <--(JOIN)--
"""

import re
import socket
import struct
import time

import lib
import wire
from lib import Crowd, HOLE, HOLE6, VIP, VIP6, World, check, equal, soon
from wire import Asker, Record, Speaker

DNS, DNS6 = f'{VIP}:53', f'[{VIP6}]:53'
GROUP6 = 'ff02::51'


def serve(world):
    world.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                  f'-A -u {DNS6} -s rr', f'-a -u {DNS6} -r [{HOLE6}]:53 -m')


class Late(World):
    """A World with a service; the daemons are started by the test."""

    def make(self):
        super().make()
        serve(self)

    def master_of(self, count, *options, dst=DNS):
        """A master that has so many flows that it never told; gives them."""
        self.master.start('master', *options)
        return self.burst(count, dst)


class Several(Crowd):
    """The same with more backups, of which none is started."""

    def make(self):
        super().make()
        serve(self)


def test_late():
    """A backup that starts late gets what it has missed"""
    with Late() as w:
        w.master.start('master')
        flows = w.burst(500)
        for flow in flows[:100]:
            flow.send(times=5)
        soon(lambda: w.master.count('master.records') >= 100, 'they are told')
        w.backup.start('backup')
        w.in_sync()
        equal(w.missing(flows), 0)
        equal(w.backup.ready_value('connections_here'), 500)
        equal(w.backup.ready_value('connections_there'), 500)
        equal(w.backup.ready_value('missing'), 0)
        equal(w.master.count('master.walk.passes'), 1)
        equal(w.master.count('master.walk.passed'), 500)
        equal(w.differ(), [])


def test_inet6():
    """So it does in a group of IPv6"""
    with Late() as w:
        where = '--mcast-group', GROUP6
        flows = w.master_of(100, *where) + w.burst(100, DNS6)
        w.backup.start('backup', *where)
        w.in_sync()
        equal(w.missing(flows), 0)
        equal(w.backup.count('backup.ask_errors'), 0)


def test_ports():
    """So it does with four threads, each of which joins"""
    with Late() as w:
        w.sysctl(sync_ports=4)
        flows = w.master_of(500)
        w.backup.start('backup')
        w.in_sync()
        equal(w.missing(flows), 0)
        equal(w.backup.ready_value('connections_here'), 500)
        equal(w.backup.ready_value('connections_there'), 500)
        counts = w.master.counts()
        for number in range(4):
            check(counts[f'master.{number}.records'], 'all by the others')
        # All four JOINs are of one moment.
        check(w.master.count('master.walk.passes') <= 2,
              f"{w.master.count('master.walk.passes')} passes")


def test_again():
    """One that restarts gets it again"""
    with Late() as w:
        w.sysctl(sync_threshold='0 0')
        w.start()
        flows = w.burst(300)
        soon(lambda: not w.missing(flows), 'they are told')
        for _ in range(3):
            w.backup.stop('backup')
            equal(w.backup.ready(), 'off')
            w.backup.start('backup')
            # All of it is told: 300 updates.
            w.in_sync()
            equal(w.backup.count('backup.records'), 300)
            equal(w.missing(flows), 0)


def test_cut():
    """So does one that was cut off for longer than is remembered"""
    with Late() as w:
        w.sysctl(sync_repair=256, sync_threshold='0 0')
        w.start()
        w.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root',
                     'netem', 'loss', '100%')
        flows = []
        for _ in range(60):
            flows += w.burst(10)
            time.sleep(1)
        equal(w.backup.ready(), 'stale')
        equal(w.missing(flows), 600)
        w.master.run('tc', 'qdisc', 'delete', 'dev', 'sync', 'root')
        soon(lambda: w.backup.ready() != 'stale', 'it hears again', 2)
        w.in_sync()
        equal(w.missing(flows), 0)
        check(w.backup.count('backup.restarts'), 'no restart')


def test_silent():
    """A connection that never reached the threshold is told after a while"""
    with Late() as w:
        w.start()
        flows = w.burst(50)
        time.sleep(8)
        equal(w.missing(flows), 50)
        # The walk takes a while to come to all of them.
        time.sleep(22)
        equal(w.missing(flows), 0)


def test_silent_off():
    """Unless sync_silent is 0"""
    with Late() as w:
        w.master.sysctl(sync_silent=0)
        w.start()
        flows = w.burst(50)
        # Half of the timeout, then the lease of what is told is due.
        time.sleep(60)
        equal(w.missing(flows), 50)
        equal(w.master.count('master.records'), 0)


def test_stock():
    """Of a master that does not number its messages nothing is known"""
    with Late() as w:
        w.master.sysctl(sync_repair=0)
        w.start()
        equal(w.backup.ready(), 'stale')
        flow = w.flow('udp', dst=DNS)
        flow.send(times=5)
        soon(lambda: not w.missing([flow]), 'it arrives')
        equal(w.backup.ready(), 'unknown')
        check(w.backup.ready_value('heard_ms') == -1, 'heard')
        equal(w.backup.count('backup.asked'), 0)


def test_stale():
    """A master that is not heard any more"""
    with Late() as w:
        w.start()
        w.master.stop('master')
        equal(w.master.ready(), 'off')
        soon(lambda: w.backup.ready() == 'stale', 'stale', 6)
        w.master.start('master')
        equal(w.master.ready(), 'master')
        w.in_sync()


def test_progress():
    """How far it is can be seen, and in sync it is at the end only"""
    with Late() as w:
        flows = w.master_of(2000)
        w.master.sysctl(sync_pace=1000)
        w.backup.start('backup')
        seen = []
        start = time.monotonic()
        while w.backup.ready() != 'in-sync':
            check(time.monotonic() < start + 10, 'never in sync')
            seen.append(w.backup.ready())
            time.sleep(0.02)
        equal(w.missing(flows), 0)
        took = time.monotonic() - start
        # And a second until the next HELLO, unless the first is heard
        check(1.8 < took < 3.5, f'{took:.2f} s at 1000/s')
        words = [re.fullmatch(r'joining (\d+) %', text) for text in seen
                 if text != 'stale']
        check(all(words), f'{seen}')
        parts = [int(word[1]) for word in words]
        equal(parts, sorted(parts))
        # A HELLO each 100 ms
        check(len(set(parts)) >= 15 and parts[-1] >= 85, f'{parts}')
        # The first of them says that the pass has begun
        equal(w.backup.count('backup.asked'), 1)


def test_remembered():
    """A pass tells no more in 250 ms than the master remembers, so that what
    is lost of it can be asked for
    """
    with Late() as w:
        w.master.sysctl(sync_repair=256)
        flows = w.master_of(2000, '--sync-maxlen', '204')
        w.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root', 'netem',
                     'limit', '10000', 'loss', '5%')
        start = time.monotonic()
        w.backup.start('backup')
        w.in_sync(within=30)
        took = time.monotonic() - start
        check(took > 1.8, f'{took:.2f} s for 2000, at 1024/s')
        equal(w.missing(flows), 0)
        check(w.backup.count('backup.repaired'), 'nothing was lost')
        equal(w.backup.count('backup.restarts'), 0)


def test_live():
    """During a pass what changes is told at once"""
    with Late() as w:
        w.master_of(3000)
        w.master.sysctl(sync_pace=1000, sync_threshold='0 0')
        w.backup.start('backup')
        soon(lambda: w.backup.conns(), 'it begins')
        for _ in range(50):
            start = time.monotonic()
            flow, = w.burst(1)
            soon(lambda flow=flow: w.backup.conn(flow), 'it arrives')
            check(time.monotonic() - start < 0.06, 'it waits')
        check(w.backup.ready().startswith('joining'), w.backup.ready())
        w.in_sync()
        equal(w.differ(), [])


def test_changes():
    """What comes and goes during a pass is right in the end"""
    with Late() as w:
        flows = w.master_of(1500)
        w.sysctl(expire_nodest_conn=1)
        w.service(f'-A -u {VIP}:54 -s rr', f'-a -u {VIP}:54 -r {HOLE}:54 -m')
        gone = w.burst(500, f'{VIP}:54')
        w.master.sysctl(sync_pace=1000, sync_threshold='0 0')
        w.backup.start('backup')
        soon(lambda: len(w.backup.conns()) > 700, 'half is told')
        w.master.ipvsadm(f'-d -u {VIP}:54 -r {HOLE}:54')
        for flow in gone:
            flow.send()
        more = w.burst(300)
        w.in_sync()
        equal(w.missing(flows + more), 0)
        soon(lambda: len(w.backup.conns()) == 1800, 'the rest goes', 2)
        equal(w.differ(), [])


def test_loss():
    """A join under 5 % loss is whole"""
    with Late() as w:
        flows = w.master_of(2000, '--sync-maxlen', '204')
        for ns in w.master, w.backup:
            ns.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root', 'netem',
                   'limit', '10000', 'loss', '5%', 'duplicate', '2%',
                   'delay', '3ms', '2ms')
        w.master.sysctl(sync_pace=5000)
        w.backup.start('backup')
        w.in_sync(within=30)
        equal(w.missing(flows), 0)
        equal(w.differ(), [])
        check(w.backup.count('backup.repaired'), 'nothing was lost')


def test_together():
    """Several backups that start at once cause one pass"""
    with Several(4) as w:
        w.master.start('master')
        flows = w.burst(300)
        for ns in w.backups:
            ns.start('backup')
        for ns in w.backups:
            w.in_sync(ns)
            equal(w.missing(flows, ns), 0)
        # Started while commands take their time: two at most.
        passes = w.master.count('master.walk.passes')
        check(passes <= 2, f'{passes} passes')
        equal(w.master.count('master.walk.passed'), 300 * passes)


def test_meanwhile():
    """Who comes during a pass gets the next one"""
    with Several(2) as w:
        w.master.start('master')
        w.master.sysctl(sync_pace=1000)
        flows = w.burst(1500)
        w.backup.start('backup')
        soon(lambda: len(w.backup.conns()) > 500, 'a third is told')
        for ns in w.more:
            ns.start('backup')
        left = set(w.backups)
        start = time.monotonic()
        while left:
            check(time.monotonic() < start + 20, 'never in sync')
            for ns in list(left):
                if ns.ready() == 'in-sync':
                    # Not before it is true
                    equal(w.missing(flows, ns), 0)
                    left.discard(ns)
            time.sleep(0.01)
        equal(w.master.count('master.walk.passes'), 2)
        for ns in w.backups:
            equal(ns.count('backup.restarts'), 0)


def test_meanwhile_slow():
    """So it does on a link on which messages queue up"""
    with Several(2) as w:
        w.master.start('master')
        # About 250 connections a second, so that each pass is marked long
        # before it is sent
        w.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root',
                     'netem', 'rate', '100kbit', 'limit', '2')
        flows = w.burst(1000)
        w.backup.start('backup')
        soon(lambda: len(w.backup.conns()) > 100, 'some are told')
        for ns in w.more:
            ns.start('backup')
            time.sleep(0.3)
        left = set(w.backups)
        start = time.monotonic()
        while left:
            check(time.monotonic() < start + 60, 'never in sync')
            for ns in list(left):
                if ns.ready() == 'in-sync':
                    missing = w.missing(flows, ns)
                    equal(missing, 0, f'{ns.name} says in sync, missing')
                    left.discard(ns)
            time.sleep(0.01)


def test_dies():
    """A master that dies in mid-join, and another that takes over"""
    with Several(1) as w:
        other, = w.more
        w.master.start('master')
        flows = w.burst(1500)
        other.start('backup')
        w.in_sync(other)
        w.master.sysctl(sync_pace=1000)
        other.sysctl(sync_pace=1000)
        w.backup.start('backup')
        soon(lambda: len(w.backup.conns()) > 500, 'a third is told')
        w.master.ip('link set sync down')       # a dead machine
        soon(lambda: w.backup.ready() == 'stale', 'stale', 5)
        check(w.missing(flows), 'it was through already')
        other.stop('backup')
        other.start('master')
        soon(lambda: w.backup.ready() != 'stale', 'the other is heard', 2)
        check(w.backup.ready().startswith('joining'), w.backup.ready())
        w.in_sync()
        equal(w.missing(flows), 0)
        equal(w.backup.ready_value('connections_here'), 1500)
        equal(w.backup.ready_value('connections_there'), 1500)


def test_restarts():
    """A master that restarts is another instance, and is joined anew"""
    with Late() as w:
        w.start()
        flows = w.burst(200)
        for _ in range(3):
            w.master.stop('master')
            w.master.start('master')
            flows += w.burst(50)
            soon(lambda: not w.missing(flows), 'all are there', 5)
            w.in_sync()
            soon(lambda: w.backup.ready_value('connections_there') ==
                 len(flows), 'the master says so', 3)
            equal(w.backup.ready_value('connections_here'), len(flows))


def test_two_masters():
    """A backup of two masters has both tables"""
    with Several(1) as w:
        other, = w.more
        w.master.start('master')
        here = w.burst(300)
        # The other's came by sync, from one that is dead by now.
        speaker = Speaker(w.master)
        other.start('backup')
        there = [Record('udp', f'10.1.77.7:{port}', DNS, f'{HOLE}:53',
                        timeout=300) for port in range(1, 201)]
        for seq in range(10):
            speaker.say(1 + seq, *there[seq * 20:seq * 20 + 20])
        soon(lambda: len(other.conns()) >= 200, 'it has them')
        other.stop('backup')
        w.master.stop('master')
        time.sleep(5)
        other.start('master')
        w.master.start('master')
        w.backup.start('backup')
        w.in_sync()
        have = {c.key() for c in w.backup.conns()}
        check(have >= {r.flow() for r in there}, 'those of the other')
        check(have >= {f.key() for f in here}, 'those of the first')
        equal(w.backup.ready_value('connections_there'),
              w.backup.ready_value('connections_here'))
        # When one of them dies, the other counts alone.
        other.stop('master')
        soon(lambda: w.backup.ready_value('connections_there') ==
             len(w.master.conns()), 'one is forgotten', 6)
        equal(w.backup.ready(), 'in-sync')


def both(world):
    """Both directors are master and backup both."""
    for ns in world.master, world.backup:
        ns.start('master')
        ns.start('backup')


def test_both():
    """Two directors that are both: each has all, and nothing goes round"""
    with Late() as w:
        w.sysctl(sync_threshold='0 0')
        both(w)
        for ns in w.directors:
            w.in_sync(ns)
        here = w.burst(200)
        there = [w.flow('udp', dst=DNS, via=w.backup) for _ in range(100)]
        for flow in there:
            flow.send()
        for ns in w.directors:
            soon(lambda ns=ns: len(ns.conns()) == 300, 'it has all')
        time.sleep(1)
        before = [ns.count('master.records') for ns in w.directors]
        equal(before, [200, 100])
        # Longer than sync_silent, shorter than a lease
        time.sleep(60)
        equal([ns.count('master.records') for ns in w.directors], before)
        for ns, other, flows in ((w.master, w.backup, there),
                                 (w.backup, w.master, here)):
            equal(ns.ready(), 'in-sync')
            equal(ns.ready_value('connections_here'), len(flows))
            equal(ns.ready_value('connections_there'), len(flows))


def test_both_restart():
    """One of the two restarts: its own come back to it, none is lost"""
    with Late() as w:
        w.sysctl(sync_threshold='0 0')
        both(w)
        for ns in w.directors:
            w.in_sync(ns)
        flows = w.burst(200)
        there = [w.flow('udp', dst=DNS, via=w.backup) for _ in range(100)]
        for flow in there:
            flow.send()
        for ns in w.directors:
            soon(lambda ns=ns: len(ns.conns()) == 300, 'it has all')
        for _ in range(2):
            w.backup.stop('master')
            w.backup.stop('backup')
            time.sleep(10)
            w.backup.start('master')
            w.backup.start('backup')
            for ns in w.directors:
                w.in_sync(ns, 15)
                equal(w.missing(flows + there, ns), 0)
            time.sleep(15)
            before = [ns.count('master.records') for ns in w.directors]
            time.sleep(20)
            equal([ns.count('master.records') for ns in w.directors], before)


def test_flood():
    """A flood of JOINs: a pass at a time, and updates go on"""
    with Late() as w:
        w.sysctl(sync_threshold='0 0')
        ear = w.tap()
        w.start()
        flows = w.burst(1000)
        soon(lambda: not w.missing(flows), 'all arrive')
        last = ear.read(control=True)[-1]
        w.master.sysctl(sync_pace=2000)
        asker = Asker(w.backup, last)
        start = time.monotonic()
        count = 0
        while time.monotonic() - start < 5:
            for _ in range(20):
                # Each wants what is told from now on.
                asker.join(last.seq + 1, last.seq)
                count += 1
            for m in ear.read(control=True):
                last = m
            flow, = w.burst(1)
            soon(lambda flow=flow: w.backup.conn(flow), 'it arrives', 0.2)
        check(count > 500, f'only {count} JOINs')
        passes = w.master.count('master.walk.passes')
        # Half a second each
        check(2 <= passes <= 12, f'{passes} passes')
        told = w.master.count('master.records')
        check(told <= 1000 + 5 * 2000 * 1.1 + 500, f'{told} records')
        w.in_sync()
        equal(w.differ(), [])


def test_mute():
    """A master that hears no JOIN is asked again, and progress is 0"""
    with Late() as w:
        w.backup.start('backup')
        speaker = Speaker(w.master)
        for _ in range(50):
            speaker.hello(0, interval=100)
            time.sleep(0.1)
        joins = speaker.heard(wire.JOIN)
        check(4 <= len(joins) <= 6, f'{len(joins)} JOINs in 5 s')
        equal({(m.says['since'], m.seq, m.ttl) for m in joins}, {(1, 0, 255)})
        equal(w.backup.ready(), 'joining 0 %')
        # A pass that began too early does not do.
        speaker.hello(5, start=0, done=0, progress=1000)
        time.sleep(0.2)
        check(w.backup.ready() != 'in-sync', 'in sync')


def test_count():
    """A table that does not agree in number is asked for again"""
    with Late() as w:
        w.backup.start('backup')
        speaker = Speaker(w.master)
        speaker.hello(0, interval=100)
        soon(lambda: speaker.heard(wire.JOIN), 'a JOIN')
        seq = 0
        for _ in range(3):
            # It has a thousand, and tells of one.
            seq += 1
            speaker.say(seq, Record('udp', '10.1.77.7:1', DNS, f'{HOLE}:53',
                                    timeout=300))
            speaker.hello(seq, conns=1000, start=seq, done=seq,
                          progress=1000)
            time.sleep(0.3)
        equal(w.backup.count('backup.restarts'), 2)
        equal(len(speaker.heard(wire.JOIN)), 2)
        equal(w.backup.ready(), 'in-sync')


def unreachable(message):
    """An ICMP error: nobody listens to what a Tap has heard."""
    udp = struct.pack('!4H', message.sport, message.port, 8, 0)
    sent = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 0, 0, 1, 17, 0,
                       socket.inet_aton(message.source),
                       socket.inet_aton(wire.GROUP)) + udp
    words = struct.unpack(f'!{len(sent) // 2}H', sent)
    total = 0x0303 + sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack('!BBHI', 3, 3, total ^ 0xffff, 0) + sent


def test_icmp():
    """Errors that the network returns do not make a master deaf"""
    with World() as w:
        ear = w.tap()
        w.start()
        hello, *_ = soon(lambda: ear.read(control=True), 'a HELLO')
        asker = Asker(w.backup, hello)
        with w.backup, socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                     socket.IPPROTO_ICMP) as sock:
            for _ in range(1000):
                sock.sendto(unreachable(hello), (w.master.sync, 0))
        time.sleep(2)
        before = w.master.count('master.joins')
        # More than one has to fit.
        with lib.undisturbed():
            for _ in range(20):
                asker.join(1, hello.seq)
        soon(lambda: w.master.count('master.joins') == before + 20,
             'all requests are read')


if __name__ == '__main__':
    lib.main()
