#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""/proc/net/ip_vs_conn lists each connection once, however it is read."""

import os
import random
import re

import lib
import wire
from lib import HOLE, VIP, World, check, equal

DNS = f'{VIP}:53'
MANY = 2000
FILES = 'ip_vs_conn', 'ip_vs_conn_sync'


class Table(World):
    """A World whose backup has many connections."""

    def __init__(self, many=MANY):
        super().__init__()
        self.many = many

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        self.backup.start('backup')
        ports = range(1, self.many + 1)
        for first in range(0, self.many, 40):
            self.inject(*(self.record(p) for p in ports[first:first + 40]))

    @staticmethod
    def record(port, timeout=300):
        return wire.Record('udp', f'10.1.77.7:{port}', DNS, f'{HOLE}:53',
                           timeout=timeout)

    def open(self, name):
        with self.backup:
            return os.open(f'/proc/thread-self/net/{name}', os.O_RDONLY)


def read(fd, size):
    """All that a file says, so many bytes at a time."""
    parts = iter(lambda: os.read(fd, size), b'')
    return b''.join(parts).decode()


def ports(text):
    """The client ports of a listing, in its order."""
    heading, *lines = text.splitlines()
    check(heading.startswith('Pro '), f'heading {heading!r}')
    return [int(line.split()[2], 16) for line in lines]


def test_whole():
    """Each connection is listed once, in reads of any size"""
    with Table() as w:
        for name in FILES:
            for size in 1, 1000, 4096, 1 << 20:
                if size == 1 and name != FILES[0]:
                    continue
                fd = w.open(name)
                found = ports(read(fd, size))
                os.close(fd)
                equal(len(found), MANY, f'{name} in reads of {size}')
                equal(set(found), set(range(1, MANY + 1)))


def test_empty():
    """Without connections there is a heading and nothing else"""
    with Table(0) as w:
        for name in FILES:
            fd = w.open(name)
            equal(ports(read(fd, 4096)), [])
            os.close(fd)


def same(want, got):
    """Is it what was read before, but for what # stands for?"""
    return len(want) >= len(got) and all(
        a in (b, ord('#')) for a, b in zip(want, got))


def test_seek():
    """Any part can be read by itself"""
    rng = random.Random(6)
    with Table(500) as w:
        fd = w.open(FILES[0])
        # The time left, at the end of a line, changes with the seconds.
        whole = re.sub(rb'\d+(?=\n)', lambda time: b'#' * len(time[0]),
                       read(fd, 4096).encode())
        for _ in range(200):
            start = rng.randrange(len(whole))
            size = rng.randrange(1, 3000)
            got = os.pread(fd, size, start)
            check(got and same(whole[start:start + 40], got[:40]),
                  f'{size} bytes from {start}')
        equal(os.pread(fd, 10, len(whole) + 1000), b'')
        os.close(fd)


def test_change():
    """What comes and goes while it is read hides none that stays"""
    with Table() as w:
        fd = w.open(FILES[0])
        found = os.read(fd, 4000)
        # Half of them are told to end in a second; others come.
        for first in range(1, MANY, 80):
            w.inject(*(w.record(p, 1) for p in range(first, first + 40)))
        for first in range(10001, 10001 + MANY, 40):
            w.inject(*(w.record(p) for p in range(first, first + 40)))
        lib.soon(lambda: sum(w.backup.dest(f'{HOLE}:53')) == MANY * 3 // 2,
                 'half of them expire', 10)
        seen = ports(found.decode() + read(fd, 4000))
        os.close(fd)
        equal(len(seen), len(set(seen)), 'some are listed twice')
        stay = {p for p in range(1, MANY + 1) if (p - 1) % 80 >= 40}
        equal(stay - set(seen), set(), 'not listed')


if __name__ == '__main__':
    lib.main()
