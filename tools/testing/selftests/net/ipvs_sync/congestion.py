#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""A sync link that is slow, full or down delays, and drops nothing.

    client --packets--> master ==(blocked)==> backup

What waits is what the connections are by then: their number bounds it, and
a connection that waits expires when its time has come.
"""

import re
import socket
import time

import lib
from lib import HOLE, VIP, World, check, equal, soon
from wire import Asker

DNS = f'{VIP}:53'


class Link(World):
    """A World where the first packet of a flow announces it."""

    def __init__(self, udp=300, sock_size=0, threshold='0 0'):
        super().__init__()
        self.udp, self.sock_size = udp, sock_size
        self.threshold = threshold

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m')
        self.master.run('ipvsadm', '--set', '0', '0', str(self.udp))
        self.sysctl(sync_threshold=self.threshold)
        self.master.sysctl(sync_sock_size=self.sock_size)
        self.start()

    def block(self):
        """Let nothing pass, so that the socket fills up."""
        # No delay, but a day between the slots in which netem may send.
        self.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root',
                        'netem', 'slot', '86400s', '86400s', 'limit', '9999')
        # The first slot is now.
        self.burst(1)
        time.sleep(1)

    def unblock(self):
        self.master.run('tc', 'qdisc', 'change', 'dev', 'sync', 'root',
                        'netem', 'slot', '0', 'limit', '9999')
        # It looks at its queue when it gets another packet.
        with self.master, socket.socket(socket.AF_INET,
                                        socket.SOCK_DGRAM) as sock:
            sock.sendto(b'', (self.backup.sync, 9))

    def down(self):
        self.master.ip('link set sync down')

    def up(self):
        self.master.ip('link set sync up')

    def count(self, name):
        return self.master.count(f'master.{name}')


def test_full():
    """A link that takes nothing: all arrive once it does"""
    with Link(sock_size=4096) as w:
        w.block()
        flows = w.burst(1500)
        time.sleep(5)
        check(w.count('send_blocked') > 0, 'the socket is not full')
        check(w.missing(flows) > 1000, 'the link is not blocked')
        w.unblock()
        soon(lambda: not w.missing(flows), 'all arrive', 10)
        equal(w.count('queue_full'), 0)


def test_full_latest():
    """Of many updates that wait there is one record, of the last"""
    with Link(sock_size=4096, threshold='3 5') as w:
        w.block()
        others = w.burst(1500)
        for flow in others:
            flow.send(times=2)
        time.sleep(5)
        check(w.count('send_blocked') > 0, 'the socket is not full')
        flows = [w.flow('tcp') for _ in range(50)]
        for flow in flows:
            flow.open()
        time.sleep(1)
        for flow in flows:
            flow.send('A', times=20)
        time.sleep(1)
        for flow in flows:
            flow.send('FA')
        ear = w.tap()
        w.unblock()
        soon(lambda: not w.missing(flows + others), 'all arrive', 10)
        told = [r for r in ear.records() if r.protocol == 'tcp']
        equal(len(told), len(flows))
        equal({r.state for r in told}, {lib.wire.TCP_CLOSE_WAIT})
        for flow in flows:
            equal(w.backup.state(flow), 'CLOSE_WAIT')


def test_overload():
    """On a link that is always too slow HELLOs go on, requests are read"""
    with Link(sock_size=4096) as w:
        ear = w.tap()
        hello, *_ = soon(lambda: ear.read(control=True), 'a HELLO')
        asker = Asker(w.backup, hello)
        # Some 40 connections every 75 ms; a rate would free the socket
        w.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root', 'netem',
                     'slot', '75ms', '75ms', 'packets', '1', 'limit', '9999')
        flows = []

        def load(seconds):
            for _ in range(seconds * 10):
                flows.extend(w.burst(80))
                time.sleep(0.1)
        load(5)
        check(w.count('send_blocked') > 0, 'the socket is not full')
        hellos, joins = w.count('hellos'), w.count('joins')
        asker.join(1, hello.seq)
        load(15)
        check(w.missing(flows) > 500, 'the link is fast enough')
        check(w.count('hellos') > hellos, 'no HELLO')
        check(w.count('joins') > joins, 'no request was read')
        w.unblock()
        soon(lambda: not w.missing(flows), 'all arrive', 20)
        equal(w.count('waiting'), 0)


def test_down():
    """A device that is down: all arrive once it is up, by themselves"""
    with Link() as w:
        w.down()
        flows = w.burst(200)
        time.sleep(60)
        check(w.count('send_errors') > 0, 'no error counted')
        equal(w.missing(flows), 200)
        w.up()
        soon(lambda: not w.missing(flows), 'all arrive', 5)


def expired(block):
    """Waiting connections expire on the master when their time is over,
    and are not told any more.
    """
    with Link(udp=5, sock_size=4096) as w:
        block(w)
        time.sleep(1)
        flows = w.burst(1500)
        time.sleep(1)
        equal(len([c for c in w.master.conns()]), 1500 + (block == BLOCKED))
        time.sleep(6)
        equal(len(w.master.conns()), 0, 'connections on the master')
        # What was sent or built before went; the rest has gone by now.
        late = w.burst(1)
        w.up() if block == DOWN else w.unblock()
        soon(lambda: not w.missing(late), 'a new one arrives', 10)
        equal(w.count('waiting'), 0)
        check(w.count('expired_waiting') > 1000,
              f"{w.count('expired_waiting')} expired waiting")
        check(w.missing(flows) > 1000, 'they were told nevertheless')
        equal(w.master.dest(f'{HOLE}:53')[0], 0)


DOWN, BLOCKED = Link.down, Link.block


def test_expired_down():
    """Waiting connections expire on time with the device down"""
    expired(DOWN)


def test_expired_full():
    """They do so with the socket full"""
    expired(BLOCKED)


def test_memory():
    """A link that is down for long holds no memory of the dead"""
    with Link(udp=3) as w:
        w.down()
        for _ in range(20):
            w.burst(400)
            time.sleep(5)
        # All but those of the message that is tried again and again
        check(w.count('waiting') < 500, f"{w.count('waiting')} wait")
        check(w.count('expired_waiting') > 20 * 400 - 600,
              f"{w.count('expired_waiting')} are freed")


def in_flight(size):
    """Messages that a blocked link and its socket take."""
    with Link(sock_size=size) as w:
        w.block()
        before = w.count('messages')
        w.burst(3000)
        time.sleep(3)
        return w.count('messages') - before


def test_send_buffer():
    """sync_sock_size is how much a master has on the way"""
    small, large = in_flight(8192), in_flight(65536)
    check(2 <= small and 4 * small <= large <= 16 * small,
          f'{small} messages with 8192, {large} with 65536')


def test_receive_buffer():
    """sync_sock_size is how much a backup has to read"""
    for size in 8192, 65536:
        with World() as w:
            w.backup.sysctl(sync_sock_size=size)
            w.backup.start('backup')
            out = w.backup.run('ss', '-H', '-uanm', 'sport', '=', '8848')
            found = re.search(r'\brb(\d+)', out)
            if not found:
                lib.skip('ss does not show it, needs INET_UDP_DIAG')
            buffer = int(found[1])
            # The kernel takes twice what it is asked for.
            equal(buffer, 2 * size)


if __name__ == '__main__':
    lib.main()
