#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a backup pays for the records of messages that are the same for both
kernels.

    usage: replay.py FAMILY CONNECTIONS SMALL TIMES

A table of so many connections is told to it by $RESULTS/new, and then in
another order by $RESULTS/again, see messages.py; first only of SMALL of them.
The datagrams wait in the backup's socket before its thread may run, so that
its time, in ns of CPU a record, is without that of the sender.

Each is measured TIMES times, and the least is told, as in path.py.

At last comes what the first seed's site sent: 5000 messages a second, in real
time. That is told in percent of a CPU, receiving and applying.
"""

import os
import socket
import sys
import time

sys.dont_write_bytecode = True

import ground                       # noqa: E402
import messages                     # noqa: E402
from ground import lib, say         # noqa: E402

BURST = 2560            # messages
RATE = 5000             # messages a second
SECONDS = 2
SLEEP = 0.002           # between those that are due by then
NOBODY = 9999           # a port


class Replay:
    """Messages of a file on their way to a backup."""

    def __init__(self, w, name, family):
        path = os.path.join(os.environ['RESULTS'], name)
        self.size = messages.SIZE[family]
        self.records = messages.RECORDS[family]
        self.fd = os.open(path, os.O_RDONLY)
        self.count = os.path.getsize(path) // self.size
        self.w = w
        self.sock = self.socket(ground.lib.wire.PORT)

    def socket(self, port):
        with self.w.master:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                        socket.inet_aton(self.w.master.sync))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sock.connect((lib.wire.GROUP, port))
        return sock

    def messages(self, first, count):
        """So many in turn, from the front again after the last."""
        found = []
        while len(found) < count:
            at = (first + len(found)) % self.count
            n = min(count - len(found), self.count - at)
            data = os.pread(self.fd, n * self.size, at * self.size)
            found += [data[i:i + self.size]
                      for i in range(0, len(data), self.size)]
        return found

    def burst(self, first, count):
        """CPU time of a record, in ns."""
        w = self.w
        before = w.received()[0]
        data = self.messages(first, count)
        ground.real_time(ground.SCRIPT)
        for message in data:
            self.sock.send(message)
        start = ground.clock()
        ground.usual()
        end = w.read(before, count)
        return (end - start) / count / self.records

    def bursts(self, first, count):
        """The same of each of some parts, the last in the table first."""
        return [self.burst(n, min(BURST, first + count - n))
                for n in range(first, first + count, BURST)]

    def paced(self, port, count):
        """CPU time of the kernel while messages come at the seed's rate."""
        sock = self.socket(port)
        data = self.messages(0, count)
        start = ground.clock()
        began = time.monotonic()
        sent = 0
        while sent < count:
            due = min(int((time.monotonic() - began) * RATE), count)
            while sent < due:
                sock.send(data[sent])
                sent += 1
            time.sleep(SLEEP)
        return ground.clock() - start, time.monotonic() - began


def slab():
    """Memory of the slabs that can not be reclaimed, in bytes."""
    for line in ground.get('/proc/meminfo').splitlines():
        if line.startswith('SUnreclaim:'):
            return int(line.split()[1]) * 1024
    raise lib.Failed('no SUnreclaim')


def main():
    family, connections, small, times = map(int, sys.argv[1:])
    with ground.Site() as w:
        w.start_backup()
        new = Replay(w, 'new', family)
        again = Replay(w, 'again', family)
        few = Replay(w, 'few', family)
        n = small // new.records
        some = new.bursts(0, n)
        lib.equal(w.conns(w.backup), small, 'connections')
        say(f'v{family}_small_new', min(some))
        # The small table is told more than once in a burst
        found = [few.burst(0, BURST) for _ in range(times)]
        say(f'v{family}_small_existing', min(found))

        before = slab()
        some = new.bursts(n, new.count - n)
        lib.equal(w.conns(w.backup), connections, 'connections')
        say(f'v{family}_memory', (slab() - before) / (connections - small))
        # Those that came when the table was almost there
        say(f'v{family}_large_new', min(some[-1 - times:-1]))
        found = [again.burst(i * BURST, BURST) for i in range(times)]
        say(f'v{family}_large_existing', min(found))
        lib.equal(w.conns(w.backup), connections, 'connections')

        if family == 4:
            count = RATE * SECONDS
            before = w.received()[0]
            nobody, _ = again.paced(NOBODY, count)
            lib.equal(w.received()[0], before, 'datagrams received')
            busy, took = again.paced(lib.wire.PORT, count)
            w.read(before, count)
            say('seed_cpu', (busy - nobody) / 1e7 / SECONDS)
            lib.check(took < 3 * SECONDS, f'took {took:.1f} s: the host is '
                      'too busy for the pace')


main()
