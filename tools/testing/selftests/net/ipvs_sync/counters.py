#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""What is put off, lost or refused is counted, each reason by itself.

    client --packets--> master ==(in trouble)==> backup

What other tests make count on their way is not repeated here.
"""

import glob
import os
import time

import lib
import wire
from lib import HOLE, VIP, World, check, equal, soon

DNS, WEB = f'{VIP}:53', f'{VIP}:80'


class Counted(World):
    """A World where the first packet of a flow announces it."""

    def __init__(self, *options, sock_size=0, repair=None):
        super().__init__()
        self.options, self.sock_size = options, sock_size
        self.repair = repair

    def make(self):
        super().make()
        # A SYN opens a connection anew, not a new one.
        self.sysctl(conn_reuse_mode=0)
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -t {WEB} -s rr', f'-a -t {WEB} -r {HOLE} -m')
        self.sysctl(sync_threshold='0 0')
        self.backup.sysctl(sync_sock_size=self.sock_size)
        if self.repair is not None:
            self.master.sysctl(sync_repair=self.repair)
        for director, role in zip(self.directors, ('master', 'backup')):
            director.start(role, *self.options)
        if self.master.numbers():
            self.in_sync()

    def queue(self, what):
        """Give the master's sync device a queue."""
        self.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root',
                        *what.split())

    def record(self, port):
        return wire.Record('udp', f'10.1.77.7:{port}', DNS, f'{HOLE}:53',
                           timeout=300)


def test_since():
    """The time since the last message is told, -1 before the first"""
    with Counted(repair=0) as w:
        both = (w.master, 'master.0.since_message_ms'), \
            (w.backup, 'backup.0.since_message_ms')
        for director, name in both:
            equal(director.counts()[name], -1, name)
        flow, = w.burst(1)
        soon(lambda: not w.missing([flow]), 'it arrives')
        for director, name in both:
            check(director.counts()[name] < 100, 'it is not told as new')
        time.sleep(3)
        for director, name in both:
            age = director.counts()[name]
            check(2950 <= age <= 3100, f'{name} {age} after 3 s')


def test_since_hello():
    """Of a master a HELLO is no message, to a backup it is a datagram"""
    with Counted() as w:
        equal(w.master.count('master.since_message_ms'), -1)
        check(0 <= w.backup.count('backup.since_message_ms') <= 1100,
              'not heard')
        flow, = w.burst(1)
        soon(lambda: not w.missing([flow]), 'it arrives')
        time.sleep(3)
        age = w.master.count('master.since_message_ms')
        check(2950 <= age <= 3100, f'{age} after 3 s')
        age = w.backup.count('backup.since_message_ms')
        check(0 <= age <= 1100, f'{age} though HELLOs come')


def test_waiting_max():
    """The most that waited is kept when nothing waits any more"""
    with Counted() as w:
        equal(w.master.count('master.waiting_max'), 0)
        w.master.ip('link set sync down')
        flows = w.burst(300)
        soon(lambda: w.master.count('master.waiting_max') > 200,
             'more than 200 wait')
        waiting = w.master.count('master.waiting')
        most = w.master.count('master.waiting_max')
        check(waiting <= most <= 300, f'{most} at most, {waiting} now')
        w.master.ip('link set sync up')
        soon(lambda: not w.missing(flows), 'all arrive')
        equal(w.master.count('master.waiting'), 0)
        equal(w.master.count('master.waiting_max'), most)


def test_withdrawn():
    """A connection that opens anew before it is told is not told"""
    with Counted() as w:
        flow = w.flow('tcp')
        flow.open()
        soon(lambda: not w.missing([flow]), 'it arrives')
        w.reply(flow, 'FA')
        flow.send('FA')
        soon(lambda: w.backup.state(flow) == 'TIME_WAIT', 'it closes')
        equal(w.master.count('master.withdrawn'), 0)
        ear = w.tap()
        # Marked on its way through CLOSE, and gone on before it is told
        flow.send('R')
        flow.send('S')
        equal(w.master.state(flow), 'SYN_RECV')
        soon(lambda: w.master.count('master.withdrawn') == 1, 'it counts')
        equal(ear.records(), [])


def test_queue_full():
    """A device whose queue is full delays and loses nothing"""
    with Counted() as w:
        # A message each 0.12 s, room for two
        w.queue('netem rate 100kbit limit 2')
        flows = w.burst(1500)
        soon(lambda: not w.missing(flows), 'all arrive', 60)
        check(w.master.count('master.send_nobufs') > 10, 'it never was full')
        equal(w.master.count('master.send_errors'), 0)


def carrier(*options):
    """Twice: the route may be forgotten the first time."""
    with Counted(*options) as w:
        early, = w.burst(1)
        soon(lambda: not w.missing([early]), 'it arrives')
        for _ in range(2):
            before = w.master.count('master.send_no_carrier')
            w.backup.ip('link set sync down')
            soon(lambda: not w.master.carrier('sync'), 'no carrier')
            flows = w.burst(200)
            soon(lambda before=before:
                 w.master.count('master.send_no_carrier') > before + 10,
                 'it is counted')
            w.backup.ip('link set sync up')
            soon(lambda flows=flows: not w.missing(flows), 'all arrive', 10)
        equal(w.master.count('master.send_errors'), 0)


def test_carrier():
    """A link without carrier delays and loses nothing"""
    carrier()


def test_carrier_inet6():
    """Nor does it with a group of IPv6"""
    carrier('--mcast-group', 'ff02::51')


def test_lost_at_stop():
    """What a master can not send before it stops is counted as lost"""
    with Counted() as w:
        w.master.ip('link set sync down')
        w.burst(50)
        soon(lambda: w.master.count('master.send_errors'), 'it can not send')
        equal(w.master.count('lost_at_stop'), 0)
        w.master.stop('master')
        equal(w.master.count('lost_at_stop'), 50)
        w.master.ip('link set sync up')
        w.master.start('master')
        w.burst(1)
        w.master.stop('master')
        equal(w.master.count('lost_at_stop'), 50)


def test_receive_dropped():
    """Datagrams that find the socket's buffer full are counted"""
    with Counted(sock_size=8192) as w:
        w.master.stop('master')     # no more HELLOs
        before = w.backup.count('backup.messages')
        # Before the backup's thread, which would read each as it comes
        with lib.undisturbed():
            for port in range(1, 501):
                w.datagram(wire.message([w.record(port)]))

        def seen():
            counts = w.backup.counts()
            return counts['backup.0.messages'] - before + \
                counts['backup.0.receive_dropped'] == 500
        soon(seen, 'each datagram is counted')
        check(w.backup.counts()['backup.0.receive_dropped'] > 0,
              'none was dropped: the buffer has not been full')


def thread(name):
    """The process number of a kernel thread."""
    for path in glob.glob('/proc/[0-9]*/comm'):
        with open(path, encoding='ascii') as file:
            if file.read().startswith(name):
                return path.split('/')[2]
    raise lib.Failed(f'no thread {name}')


def test_nomem():
    """A connection without memory is refused, the next record is not"""
    with Counted() as w:
        path = f'/proc/{thread("ipvs-b")}/fail-nth'
        if not os.path.exists(path):
            lib.skip('needs FAULT_INJECTION and FAILSLAB')
        with open(path, 'w', encoding='ascii') as file:
            file.write('1')
        records = [w.record(port) for port in (1, 2, 3)]
        w.inject(*records)
        equal(w.backup.rejects(), {'nomem': 1})
        equal([bool(w.backup.conn(r)) for r in records],
              [False, True, True])
        w.inject(*records)
        check(w.backup.conn(records[0]), 'it is refused for ever')


def test_idle():
    """Nothing counts while nothing happens"""
    idle(repair=0)


def test_idle_hello():
    """Nothing but HELLOs, one a second, where messages are numbered"""
    moved = idle('hellos', 'backup.0.messages', 'bytes', 'wakeups')
    equal(moved['master.0.hellos'], moved['backup.0.messages'])
    # Long timers may be some percent late.
    check(27 <= moved['master.0.hellos'] <= 31, f'{moved}')
    equal(moved['backup.0.bytes'], 44 * moved['master.0.hellos'])
    equal(moved['master.0.bytes'], 0)
    for name in 'master.0.wakeups', 'backup.0.wakeups':
        check(moved[name] <= 62, f'{name}: {moved[name]}')


def idle(*may, **how):
    """How much the counters that may have risen in 30 s; others may not."""
    with Counted(**how) as w:
        flow, = w.burst(1)
        soon(lambda: not w.missing([flow]), 'it arrives')
        time.sleep(1)           # and a HELLO that tells its number

        def values(moving):
            return {name: value for ns in w.directors
                    for name, value in ns.counts().items()
                    if name.endswith(may) is moving and
                    not name.endswith('since_message_ms')}
        before, moving = values(False), values(True)
        time.sleep(30)
        equal(values(False), before)
        return {name: value - moving[name]
                for name, value in values(True).items()}


if __name__ == '__main__':
    lib.main()
