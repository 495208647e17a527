#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""When a master announces a connection.

    client --packets at set times--> master --messages--> tap, backup
                                       |
                                     HOLE

The packets of a flow are numbered from 1; a rule is checked by the numbers of
those that made the master announce. Hours of a guest's clock pass in seconds
here; a machine without time travel skips these tests.
"""

import time

import lib
from lib import HOLE, VIP, World, check, equal

DNS = f'{VIP}:53'
WALK = 16       # seconds in which the master looks at every connection once


class Clock(World):
    """A World with a tap on what the master says, whose walk leaves to
    packets what nobody was told of.
    """

    def __init__(self, threshold='3 50', refresh=0, retries=0, udp=300,
                 silent=0, repair=65536):
        super().__init__()
        self.rules = {'sync_threshold': threshold,
                      'sync_refresh_period': refresh,
                      'sync_retries': retries, 'sync_silent': silent,
                      'sync_repair': repair}
        self.udp = udp
        self.ear = None

    def make(self):
        if not lib.time_travels():
            lib.skip('needs a guest with time-travel=inf-cpu')
        super().make()
        self.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m',
                     f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        for director in self.directors:
            director.run('ipvsadm', '--set', '0', '0', str(self.udp))
        self.sysctl(**self.rules)
        self.start()
        self.ear = self.tap()

    def told(self, flow):
        """Messages since the last call that tell of a flow."""
        time.sleep(0.1)
        return [m for m in self.ear.read()
                if any(r.flow() == flow.key() for r in m.records)]

    def announcers(self, flow, sent, first=1):
        """Numbers of the packets, sent at these times, that announced."""
        numbers = []
        for m in self.told(flow):
            before = [i for i, when in enumerate(sent, first)
                      if when <= m.time]
            numbers.append(before[-1])
        return numbers

    def udp_run(self, times, gap):
        """Send packets of a new UDP flow; which ones announced it?"""
        flow = self.flow('udp', dst=DNS)
        return self.announcers(flow, flow.send(times=times, gap=gap))

    def tcp_run(self, segments, gap=0.2):
        """The same for segments of a new TCP flow."""
        flow = self.flow('tcp')
        sent = []
        for what in segments.split():
            sent += flow.send(what)
            time.sleep(gap)
        return self.announcers(flow, sent)


def test_threshold():
    """At the threshold, then whenever the period has passed"""
    with Clock() as w:
        equal(w.udp_run(160, 0.1), [3, 53, 103, 153])


def test_threshold_once():
    """With period 0 once, at the threshold"""
    with Clock('5 0') as w:
        equal(w.udp_run(200, 0.1), [5])


def test_threshold_zero():
    """Threshold 0 is reached by the first packet"""
    with Clock('0 50') as w:
        equal(w.udp_run(120, 0.1), [1, 50, 100])


def test_threshold_least():
    """The shortest period"""
    with Clock('1 2') as w:
        equal(w.udp_run(10, 0.1), [1, 3, 5, 7, 9])


def test_threshold_live():
    """A new threshold counts from the next packet"""
    with Clock('100 200') as w:
        flow = w.flow('udp', dst=DNS)
        sent = flow.send(times=10, gap=0.1)
        w.sysctl(sync_threshold='3 50')
        time.sleep(0.1)
        sent += flow.send(times=50, gap=0.1)
        equal(w.announcers(flow, sent), [11, 53])


def test_handshake():
    """A step into ESTABLISHED waits for the threshold"""
    with Clock() as w:
        equal(w.tcp_run('S A A A A'), [3])


def test_handshake_refresh():
    """So it does with a refresh period"""
    with Clock('5 50', refresh=100) as w:
        equal(w.tcp_run('S A A A A A A'), [5])


def test_syn_again():
    """A retransmitted SYN does not carry past the threshold"""
    with Clock() as w:
        equal(w.tcp_run('S S S A A' + ' A' * 55), [4, 53])


def test_syn_often():
    """Nor do many, beyond the period"""
    with Clock() as w:
        equal(w.tcp_run('S ' * 60 + 'A ' * 50), [61, 103])


def test_syn_refresh():
    """Nor does it with a refresh period"""
    with Clock(refresh=100) as w:
        equal(w.tcp_run('S S S S A A A A'), [5])


def test_opening():
    """An opening connection is not announced, whatever the count"""
    with Clock('1 2') as w:
        equal(w.tcp_run('S S S S'), [])


def test_turn():
    """Leaving ESTABLISHED is announced at once"""
    for rules in {}, {'refresh': 1000}:
        with Clock(**rules) as w:
            equal(w.tcp_run('S A A FA'), [3, 4])
            equal(w.tcp_run('S A A R'), [3, 4])
            # Once, not again and again.
            equal(w.tcp_run('S A A FA A A A A'), [3, 4])


def test_turn_below():
    """Even if it was not announced before"""
    for rules in {}, {'refresh': 1000}:
        with Clock('100 200', **rules) as w:
            equal(w.tcp_run('S A FA A'), [3])
            equal(w.tcp_run('S A R A'), [3])


def test_turn_back():
    """A port used again is a new connection, with a count of its own"""
    with Clock() as w:
        equal(w.tcp_run('S A A FA R S A A A'), [3, 4, 5, 8])


def test_period_restarts():
    """A state announced does not put off the period"""
    with Clock() as w:
        equal(w.tcp_run('S A A FA' + ' A' * 52), [3, 4, 53])


def test_refresh():
    """Then when the refresh period has passed"""
    with Clock(refresh=10) as w:
        equal(w.udp_run(351, 0.1), [3, 103, 203, 303])


def test_refresh_sparse():
    """By the first packet after it"""
    with Clock(refresh=10) as w:
        equal(w.udp_run(9, 7), [3, 5, 7, 9])


def test_refresh_idle():
    """Without packets there is nothing to refresh"""
    with Clock(refresh=10) as w:
        flow = w.flow('udp', dst=DNS)
        sent = flow.send(times=4)
        time.sleep(100)
        equal(len(w.announcers(flow, sent)), 1)


def retries(number, want):
    with Clock(refresh=80, retries=number) as w:
        equal(w.udp_run(130, 1), want)


def test_retries_0():
    """No retries"""
    retries(0, [3, 83])


def test_retries_1():
    """One retry, after an eighth of the period"""
    retries(1, [3, 13, 93, 103])


def test_retries_2():
    """Two retries"""
    retries(2, [3, 13, 23, 103, 113, 123])


def test_retries_3():
    """Three retries"""
    retries(3, [3, 13, 23, 33, 113, 123])


def test_retries_only():
    """Without a refresh period there are no retries"""
    with Clock(refresh=0, retries=3) as w:
        equal(w.udp_run(120, 1), [3, 53, 103])


def test_retries_turn():
    """A new state has retries of its own"""
    with Clock(refresh=80, retries=1) as w:
        equal(w.tcp_run('S A A A' + ' A' * 11 + ' FA' + ' A' * 12, gap=1),
              [3, 13, 16, 26])


def test_retries_lost():
    """What was lost is there after a retry"""
    with Clock(refresh=80, retries=1, repair=0) as w:
        w.master.run('tc', 'qdisc', 'add', 'dev', 'sync', 'root', 'netem',
                     'loss', '100%')
        flow = w.flow('udp', dst=DNS)
        flow.send(times=3)
        time.sleep(5)
        w.master.run('tc', 'qdisc', 'del', 'dev', 'sync', 'root')
        time.sleep(2)
        flow.send()
        time.sleep(0.1)
        equal(w.backup.state(flow), None, 'lost')
        time.sleep(4)
        flow.send()
        time.sleep(0.1)
        equal(w.backup.state(flow), 'UDP', 'after the retry')


def gaps(w, flow):
    times = [m.time for m in w.told(flow)]
    return [late - soon for soon, late in zip(times, times[1:])]


def test_half():
    """Before half of the timeout has passed since the last time"""
    for refresh in 0, 100000:
        with Clock('3 0', refresh=refresh, udp=60) as w:
            flow = w.flow('udp', dst=DNS)
            flow.send(times=200, gap=1)
            found = gaps(w, flow)
            check(len(found) >= 5 and max(found) <= 30 and
                  min(found) >= 15, f'refresh {refresh}: gaps {found}')


def test_half_first():
    """Not before the first time"""
    with Clock('100 200', udp=60) as w:
        equal(w.udp_run(50, 1), [])


def test_silent():
    """The walk tells what packets have not after sync_silent"""
    for silent in 10, 20:
        with Clock('200 400', udp=300, silent=silent) as w:
            first, *others = w.udp_run(100, 1)
            # It comes by within the time of a walk over the table.
            check(silent <= first <= silent + 20, f'{silent}: by {first}')
            equal(others, [], 'again')


def test_half_late():
    """By each packet that comes later than that"""
    with Clock('3 0', udp=60) as w:
        flow = w.flow('udp', dst=DNS)
        sent = flow.send(times=3)
        for gap in 31, 40, 59, 50:
            time.sleep(gap)
            sent += flow.send()
        equal(w.announcers(flow, sent)[1:], [4, 5, 6, 7])


def test_half_unattended():
    """Even if the packet that restarts the timer is the last for long"""
    with Clock('3 0', udp=60) as w:
        for wait in 5, 20, 28:
            flow = w.flow('udp', dst=DNS)
            flow.send(times=3)
            time.sleep(wait)
            flow.send()
            time.sleep(50)
            found = gaps(w, flow)
            check(found and max(found) <= 30 + WALK,
                  f'packet after {wait} s: gaps {found}')
            for director in w.directors:
                equal(director.state(flow), 'UDP', director.name)


def test_half_long():
    """The same for a connection whose timeout is long"""
    with Clock() as w:
        flow = w.flow('tcp')
        flow.open()
        time.sleep(300)
        flow.send('A')
        time.sleep(890)
        found = gaps(w, flow)
        check(found and max(found) <= 450 + WALK, f'gaps {found}')
        for director in w.directors:
            equal(director.state(flow), 'ESTABLISHED', director.name)


def test_half_idle():
    """A connection without packets is not announced again, it expires"""
    with Clock('3 0', udp=60) as w:
        flow = w.flow('udp', dst=DNS)
        flow.send(times=3)
        time.sleep(70)          # timers of a minute are not exact
        equal(len(w.told(flow)), 1)
        for director in w.directors:
            equal(director.state(flow), None, director.name)


def test_half_state():
    """Half of the timeout of the state it is in"""
    with Clock('3 0') as w:
        flow = w.flow('tcp')
        flow.open()
        time.sleep(1)
        flow.send('FA')         # CLOSE_WAIT: 60 s
        for _ in range(90):
            time.sleep(1)
            flow.send('A')
        found = gaps(w, flow)[1:]
        check(len(found) >= 2 and max(found) <= 30, f'gaps {found}')


def test_day():
    """One packet a minute for a day: never gone from the backup"""
    with Clock() as w:
        flow = w.flow('tcp')
        flow.open()
        for minute in range(24 * 60):
            time.sleep(30)
            equal(w.backup.state(flow), 'ESTABLISHED', f'minute {minute}')
            time.sleep(30)
            flow.send('A')
        count = len(w.told(flow))
        check(count < 24 * 60 / 4, f'{count} announcements')


def persistent(w):
    for director in w.directors:
        director.ipvsadm(f'-A -t {VIP}:81 -s rr -p 120',
                         f'-a -t {VIP}:81 -r {HOLE} -m')
    return 'tcp', f'{lib.GHOST}:0', f'{VIP}:81'


def test_template_held():
    """A template lives on at the backup as long as what it controls"""
    with Clock() as w:
        template = persistent(w)
        flow = w.flow('tcp', dst=f'{VIP}:81')
        flow.open()
        for second in range(0, 3600, 10):
            time.sleep(10)
            if second % 60 == 50:
                flow.send('A')
            for director in w.directors:
                equal(director.state(template), 'ASSURED',
                      f'{director.name} after {second} s')


def template_run(w, number, gap):
    """Open so many connections of one client; how often was their
    template announced?
    """
    template = persistent(w)
    for _ in range(number):
        w.flow('tcp', dst=f'{VIP}:81').open()
        time.sleep(gap)
    return len([r for r in w.ear.records() if r.flow() == template and
                r.flags & lib.wire.TEMPLATE])


def test_template():
    """A template is announced with each connection it controls"""
    with Clock() as w:
        count = template_run(w, 10, 5)
        check(10 <= count <= 20, f'{count} times')


def test_template_refresh():
    """With a refresh period it is not"""
    with Clock(refresh=30) as w:
        count = template_run(w, 10, 5)
        # New, assured, and once in 30 s.
        check(2 <= count <= 4, f'{count} times')


if __name__ == '__main__':
    lib.main()
