#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A backup that has not the whole table asks for it, and says when it has."""

import time

import lib
from lib import HOLE, VIP, World, check, equal, soon

DNS = f'{VIP}:53'


class Late(World):
    """A World with a service; the daemons are started by the test."""

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')

    def in_sync(self, timeout=10):
        soon(lambda: self.backup.ready() == 'in-sync', 'in sync', timeout)


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


def test_again():
    """One that restarts gets it again"""
    with Late() as w:
        w.start()
        flows = w.burst(300)
        w.in_sync()
        for _ in range(3):
            w.backup.stop('backup')
            equal(w.backup.ready(), 'off')
            w.backup.start('backup')
            w.in_sync()
            equal(w.missing(flows), 0)


def test_cut():
    """So does one that was cut off for longer than is remembered"""
    with Late() as w:
        w.sysctl(sync_repair=256, sync_threshold='0 0')
        w.start()
        w.in_sync()
        w.backup.ip('link set sync down')
        flows = w.burst(100)
        # The master's device has no carrier, so what it tells waits; once it
        # has, another burst goes by before the backup's is up.
        w.backup.ip('link set sync up')
        w.in_sync()
        soon(lambda: not w.missing(flows), 'all arrive')


def test_silent():
    """A connection that never reached the threshold is told after a while"""
    with Late() as w:
        w.start()
        w.in_sync()
        flows = w.burst(50)
        time.sleep(1)
        equal(w.missing(flows), 50)
        soon(lambda: not w.missing(flows), 'all are told', 30)


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


def test_stale():
    """A master that is not heard any more"""
    with Late() as w:
        w.start()
        w.in_sync()
        w.master.stop('master')
        equal(w.master.ready(), 'off')
        soon(lambda: w.backup.ready() == 'stale', 'stale', 6)
        w.master.start('master')
        equal(w.master.ready(), 'master')
        w.in_sync()


if __name__ == '__main__':
    lib.main()
