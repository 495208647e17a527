#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""A backup keeps a connection as long as its master does.

    client --packets--> master --messages--> backup
    server <----------/

Not for less, or it would be missing after a take-over; nor for longer, or
counts would not agree.
"""

import random
import time

import lib
import wire
from lib import GHOST, HOLE, VIP, World, check, equal, soon

DNS, WEB, SHOP = f'{VIP}:53', f'{VIP}:80', f'{VIP}:81'
WALK = 16           # seconds in which the master looks at every connection once
PERSISTENCE = 300   # seconds
# Seconds a backup may have in advance: what controls others is put off by 60,
# and what a master's timer runs out late is told.
MORE = 1 + 60 + PERSISTENCE // 8
# Seconds that a timer of PERSISTENCE runs out late at most, with HZ=100. A
# backup is told of that, and sets a template's timer early by half of it, while
# lists show what was asked for.
LATE = 6


class Lives(World):
    """A World with a service of each kind, the daemons running."""

    def make(self):
        if not lib.time_travels():
            lib.skip('needs a guest with time-travel=inf-cpu')
        super().make()
        for director in self.directors:
            director.run('ipvsadm', '--set', '0', '0', '300')
        self.service(f'-A -t {WEB} -s rr', f'-a -t {WEB} -r {HOLE} -m',
                     f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -t {SHOP} -s rr -p {PERSISTENCE}',
                     f'-a -t {SHOP} -r {HOLE} -m')
        self.start()

    def left(self, director, key):
        """Seconds that a connection has left there."""
        conn = director.conn(key)
        check(conn, f'{director.name} does not have {key}')
        return conn.expires

    def same(self, key, when, early=0, late=0):
        """A connection has the same time left at both."""
        here, there = (self.left(each, key) for each in self.directors)
        check(-1 - early <= there - here <= 1 + late,
              f'{when}: {here} s left on the master, {there} on the backup')


TEMPLATE = 'tcp', f'{GHOST}:0', SHOP


def test_packet():
    """After the packet that announces it"""
    with Lives() as w:
        flow = w.flow('udp', dst=DNS)
        flow.send(times=3)
        for when in range(0, 290, 10):
            time.sleep(10)
            w.same(flow.key(), f'after {when} s')


def test_walk():
    """After the walk announced it, long after its last packet"""
    with Lives() as w:
        for wait in 20, 70, 120:
            flow = w.flow('udp', dst=DNS)
            flow.send(times=3)
            time.sleep(wait)
            flow.send()
            time.sleep(150 - wait + WALK + 1)
            w.same(flow.key(), f'packet after {wait} s', late=LATE // 2)


def test_end():
    """What a pass tells runs out at the same time at both"""
    with Lives() as w:
        # A timer's lateness depends on when it is set
        for _ in range(100):
            w.flow('udp', dst=DNS).send(times=3)
            time.sleep(0.1)
        time.sleep(260)
        w.backup.stop('backup')
        w.backup.start('backup')
        w.in_sync()
        seconds = 0
        while here := len(w.master.conns()):
            seconds += (len(w.backup.conns()) - here) / 10
            time.sleep(0.1)
        while there := len(w.backup.conns()):
            seconds += there / 10
            time.sleep(0.1)
        check(-1 < seconds / 100 < 1,
              f'{seconds / 100:.2f} s later on the backup')


def test_template():
    """A template whose connections talk on"""
    with Lives() as w:
        flow = w.flow('tcp', dst=SHOP)
        flow.open()
        for _ in range(26):
            time.sleep(10)
            flow.send('A', times=30)
        w.same(TEMPLATE, 'after packets', LATE // 2, LATE)
        w.flow('tcp', dst=SHOP).open()
        time.sleep(1)
        w.same(TEMPLATE, 'after a new connection', LATE // 2, LATE)


def test_template_extended():
    """It is not gone from the backup before the master puts it off"""
    with Lives() as w:
        flow = w.flow('tcp', dst=SHOP)
        flow.open()
        for second in range(2 * PERSISTENCE):
            time.sleep(1)
            if not second % 20:
                flow.send('A')
            check(w.backup.conn(TEMPLATE), f'gone after {second} s')
        flow.send('FA')
        w.reply(flow, 'FA', server=f'{HOLE}:81')
        flow.send('A')
        soon(lambda: not w.master.conn(TEMPLATE), 'the master drops it', 400)
        soon(lambda: not w.backup.conn(TEMPLATE), 'so does the backup', 70)


def test_take_overs():
    """A template's time is the same after any number of take-overs"""
    with Lives() as w:
        this, other = w.directors
        for hop in range(6):
            w.flow('tcp', dst=SHOP, via=this).open()
            soon(lambda other=other: other.conn(TEMPLATE), 'it arrives')
            time.sleep(0.1)
            for each in this, other:
                left = w.left(each, TEMPLATE)
                check(PERSISTENCE - 2 <= left <= PERSISTENCE,
                      f'{left} s left on {each.name} after {hop} hops')
            # Half of it passes without a new connection.
            time.sleep(PERSISTENCE // 2)
            w.same(TEMPLATE, f'later, after {hop} hops')
            this.stop('master')
            other.stop('backup')
            this.start('backup')
            other.start('master')
            this, other = other, this


def test_reset():
    """A server's reset is on the backup at once"""
    with Lives() as w:
        flow = w.flow('tcp')
        flow.open()
        soon(lambda: w.backup.conn(flow), 'it arrives')
        w.reply(flow, 'RA')
        equal(w.master.state(flow), 'CLOSE')
        time.sleep(0.05)
        equal(w.backup.state(flow), 'CLOSE')
        w.same(flow.key(), 'after the reset')


def test_close():
    """So is its close, and what is told twice is told once"""
    with Lives() as w:
        flow = w.flow('tcp')
        flow.open()
        soon(lambda: w.backup.conn(flow), 'it arrives')
        ear = w.tap()
        w.reply(flow, 'FA')
        time.sleep(0.05)
        equal(w.backup.state(flow), 'FIN_WAIT')
        flow.send('FA')
        w.reply(flow, 'A')
        time.sleep(0.05)
        equal(w.backup.state(flow), 'TIME_WAIT')
        flow.send('A')
        time.sleep(100)
        equal([r.state for r in ear.records()],
              [wire.TCP_FIN_WAIT, wire.TCP_TIME_WAIT])


def test_refused():
    """A server that refuses does not announce what nobody knows"""
    with Lives() as w:
        ear = w.tap()
        flow = w.flow('tcp')
        flow.send('S')
        w.reply(flow, 'RA')
        equal(w.master.state(flow), 'CLOSE')
        time.sleep(5)
        equal(ear.records(), [])


def test_mixed():
    """Two hours of all kinds: never gone before, never kept much longer"""
    rng = random.Random(2012)
    with Lives() as w:
        # Those that begin anew with a packet are not held back.
        w.sysctl(sync_threshold='0 0')
        flows = []
        for minute in range(120):
            for _ in range(3):
                kind = rng.choice((WEB, DNS, SHOP))
                flow = w.flow('udp' if kind == DNS else 'tcp', dst=kind,
                              client=f'10.1.0.{rng.randrange(20, 40)}')
                flow.open()
                flows.append(flow)
            for flow in rng.sample(flows, len(flows) // 8):
                flow.send(rng.choice(('A', 'A', 'A', 'FA')))
            time.sleep(60)
            here = {c.key(): c for c in w.master.conns()}
            there = {c.key(): c for c in w.backup.conns()}
            # Those whose end is a matter of the next second aside
            gone = [c for key, c in here.items()
                    if key not in there and c.expires > 1]
            equal(gone, [], f'minute {minute}: gone from the backup')
            kept = [c for key, c in there.items()
                    if key not in here and c.expires > MORE]
            equal(kept, [], f'minute {minute}: kept by the backup')
            longer = [(c, there[key].expires) for key, c in here.items()
                      if key in there and there[key].expires > c.expires + MORE]
            equal(longer, [], f'minute {minute}: longer on the backup')


if __name__ == '__main__':
    lib.main()
