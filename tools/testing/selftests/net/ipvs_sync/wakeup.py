#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""A master's thread wakes up when there is something to send.

    client --packets--> master --messages--> tap, backup

In a guest with time travel, work takes no time and pauses are exact, so what
passes between packet and message is the master's own delay.
"""

import time

import lib
from lib import HOLE, VIP, World, check, equal, soon

DNS = f'{VIP}:53'
DELAY = 0.020       # the most that is promised
TICK = 0.010        # a jiffy at HZ=100, by which sleeps are rounded up


class Awake(World):
    """A World where the first packet of a flow announces it."""

    def __init__(self, *options, repair=None):
        super().__init__()
        self.options = options
        self.repair = repair
        self.ear = None

    def make(self):
        if not lib.time_travels():
            lib.skip('needs a guest with time-travel=inf-cpu')
        super().make()
        self.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m',
                     f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        self.sysctl(sync_threshold='0 0')
        if self.repair is not None:
            self.sysctl(sync_repair=self.repair)
        self.start(*self.options)
        self.ear = self.tap()

    def wakeups(self):
        return self.master.count('master.wakeups')

    def delays(self, sent):
        """Seconds from each flow's packet, {flow: time}, to its message."""
        time.sleep(1)
        told = {record.flow(): m.time
                for m in reversed(self.ear.read()) for record in m.records}
        return [told[flow.key()] - when for flow, when in sent.items()]


def test_single():
    """A single connection is announced within 20 ms"""
    with Awake() as w:
        worst = 0
        for _ in range(20):
            flow = w.flow('udp', dst=DNS)
            delay, = w.delays({flow: flow.send()[0]})
            worst = max(worst, delay)
            time.sleep(0.0037)
        check(worst <= DELAY + 0.001, f'after {worst * 1000:.1f} ms')


def test_delay():
    """Or as sync_delay says: at once, or with all that come in a while"""
    with Awake() as w:
        w.master.sysctl(sync_delay=0)
        flows = [w.flow('udp', dst=DNS) for _ in range(3)]
        sent = {}
        for flow in flows:
            sent[flow] = flow.send()[0]
            time.sleep(0.005)
        worst = max(w.delays(sent))
        check(worst < 0.001, f'after {worst * 1000:.1f} ms')
        w.master.sysctl(sync_delay=500)
        before = w.master.count('master.messages')
        sent = {}
        for _ in range(20):
            flow = w.flow('udp', dst=DNS)
            sent[flow] = flow.send()[0]
            time.sleep(0.02)
        delays = w.delays(sent)
        equal(w.master.count('master.messages') - before, 1)
        check(0.48 < max(delays) <= 0.5 + 2 * TICK,
              f'after {max(delays):.3f} s')


def test_backup():
    """It is on the backup within 50 ms"""
    with Awake() as w:
        for _ in range(10):
            flow = w.flow('udp', dst=DNS)
            flow.send()
            end = time.monotonic() + 0.05
            while not w.backup.conn(flow):
                check(time.monotonic() < end, 'not there')
                time.sleep(0.001)


def test_enough():
    """Enough for several messages does not wait for more"""
    with Awake() as w:
        w.flow('udp', dst=DNS).send()
        time.sleep(0.002)       # The thread gives others time to follow.
        flows = [w.flow('udp', dst=DNS) for _ in range(500)]
        delays = w.delays({flow: flow.send()[0] for flow in flows})
        check(min(delays) < 0.002, f'after {min(delays) * 1000:.1f} ms')


def steady(rate):
    """New connections at a steady rate: none waits longer."""
    with Awake() as w:
        sent = {}
        for _ in range(max(20, min(rate, 1000))):
            flow = w.flow('udp', dst=DNS)
            sent[flow] = flow.send()[0]
            time.sleep(1 / rate)
        worst = max(w.delays(sent))
        check(worst <= DELAY + 0.001, f'up to {worst * 1000:.1f} ms')


def burst(w, count):
    """Packets of so many new flows at one moment."""
    flows = [w.flow('udp', dst=DNS) for _ in range(count)]
    sent = {flow: flow.send()[0] for flow in flows}
    return sorted(w.delays(sent))


def test_burst_small():
    """A few at once share a part-full message"""
    burst_small(2, repair=0)


def test_burst_small_numbered():
    """So they do if it is numbered: a HELLO tells its number"""
    burst_small(2 + 2)


def burst_small(most, **how):
    with Awake(**how) as w:
        before = w.wakeups()
        delays = burst(w, 10)
        check(delays[-1] <= DELAY + 0.001, f'{delays[-1] * 1000:.1f} ms')
        equal(w.master.count('master.messages'), 1)
        check(w.wakeups() - before <= most,
              f'{w.wakeups() - before} wakeups')


def test_burst_large():
    """Many at once do not wait"""
    with Awake() as w:
        delays = burst(w, 2000)
        check(delays[0] <= TICK / 2, f'first after {delays[0] * 1000:.1f} ms')
        check(delays[-1] <= DELAY + 0.001,
              f'last after {delays[-1] * 1000:.1f} ms')
        # 36 bytes a record, 40 to a message of 1472.
        check(w.master.count('master.messages') <= 60,
              f"{w.master.count('master.messages')} messages")
        check(w.wakeups() <= 20, f'{w.wakeups()} wakeups')


def test_idle():
    """An idle master does not wake up"""
    with Awake(repair=0) as w:
        before = w.wakeups()
        time.sleep(3600)
        check(w.wakeups() - before <= 60,
              f'{w.wakeups() - before} wakeups in an hour')


def test_idle_hello():
    """One that numbers its messages does once a second, for a HELLO"""
    with Awake() as w:
        w.ear.read()
        before = w.wakeups()
        time.sleep(600)
        woken = w.wakeups() - before
        # Long timers may be some percent late.
        check(550 <= woken <= 620, f'{woken} wakeups in ten minutes')
        hellos = w.ear.read(control=True)
        check(550 <= len(hellos) <= 602, f'{len(hellos)} HELLOs')
        equal({(m.kind, m.seq) for m in hellos}, {(lib.wire.HELLO, 0)})


def test_idle_table():
    """Nor does one that holds connections without traffic"""
    with Awake(repair=0) as w:
        for _ in range(50):
            w.flow('tcp').open()
        time.sleep(1)
        before = w.wakeups()
        time.sleep(600)
        equal(len(w.master.conns()), 50)
        check(w.wakeups() - before <= 10,
              f'{w.wakeups() - before} wakeups in ten minutes')


def test_unrelated():
    """Packets that announce nothing do not wake it"""
    with Awake(repair=0) as w:
        flow = w.flow('udp', dst=DNS)
        flow.send()
        time.sleep(1)
        before = w.wakeups()
        flow.send(times=1000, gap=0.01)
        equal(w.wakeups() - before, 0, 'wakeups')


def test_coalesce():
    """Updates within the delay become one record, of the latest state"""
    with Awake() as w:
        flow = w.flow('tcp')
        flow.open()
        flow.send('FA')
        time.sleep(1)
        states = [r.state for r in w.ear.records()]
        equal(states, [lib.wire.TCP_CLOSE_WAIT])
        check(w.master.count('master.coalesced') > 0, 'none was coalesced')


def test_after_idle():
    """After a day of nothing the first connection is as quick"""
    after_idle(24 * 3600, repair=0)


def test_after_hellos():
    """So it is after an hour of HELLOs"""
    after_idle(3600)


def after_idle(seconds, **how):
    with Awake(**how) as w:
        time.sleep(seconds)
        flow = w.flow('udp', dst=DNS)
        delay, = w.delays({flow: flow.send()[0]})
        check(delay <= DELAY + 0.001, f'after {delay * 1000:.1f} ms')


def test_stop_sends():
    """What waits is sent when the daemon is stopped"""
    with Awake() as w:
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.master.stop('master')
        soon(lambda: w.backup.conn(flow), 'the connection is told')


if __name__ == '__main__':
    lib.main(*((f'A part-full message waits no longer at {rate}/s',
                lambda rate=rate: steady(rate))
               for rate in (10, 45, 100, 1000, 20000)))
