#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What sync costs the packets of a master, and what follows from them.

    usage: path.py CONNECTIONS TIMES [off]

Packets of UDP connections that are all in the table are forwarded, CHUNK at a
time, a packet of each connection. Then the threads may run until all is
applied on the backup. So there is a time of the packet path and one of what is
behind it, in ns of CPU a packet, with nothing due and with each packet due;
with "off" also without daemons. Each is measured TIMES times, in turn, and the
least is told: what others do to the caches only ever adds.
"""

import contextlib
import os
import sys

sys.dont_write_bytecode = True

import ground                       # noqa: E402
from ground import lib, say         # noqa: E402

# As many as fit the cache: a thread does not let more wait
CHUNK = 10240
FILL = 102400           # packets of pktgen's at a time
KMEM = '/sys/kernel/tracing/events/kmem'
EVENTS = 'kmalloc', 'kmem_cache_alloc', 'mm_page_alloc'


class Table:
    """The connections, and what was announced of them."""

    def __init__(self, w, flows, chunk):
        self.w, self.flows = w, flows
        self.ring = ground.Ring(w.client, 'master', w.master.mac('front'),
                                chunk)
        self.restart()

    def restart(self):
        """A master of ours tells a backup that is new what it has."""
        self.w.start()
        self.announced = self.come = self.w.records()

    def measure(self, first, every):
        """CPU time of a packet in ns: its own, and what is behind it."""
        path, start = self.w.burst(self.ring, first, every)
        self.announced += every * self.ring.frames
        end, come = self.w.drained(self.announced)
        records = come - self.come
        self.come = come
        return (path / self.ring.frames,
                (end - start) / (records if every else self.ring.frames))


def allocations(w, ring, every, announced):
    """Memory allocations of a burst, until the threads may run."""
    trace = '/sys/kernel/tracing/trace'
    who = ground.get('/proc/self/comm').strip() + f'-{os.getpid()} '
    w.due(every)
    ring.fill(0)
    ground.put(trace, '')
    ground.real_time(ground.SCRIPT)
    with contextlib.ExitStack() as files:
        switches = [files.enter_context(
            open(f'{KMEM}/{name}/enable', 'w', buffering=1, encoding='ascii'))
            for name in EVENTS]
        for on in 1, 0:
            for switch in switches:
                switch.write(f'{on}\n')
            if on:
                ring.send()
    ground.usual()
    with open(trace, encoding='ascii') as file:
        lines = file.readlines()
    kept, written = next(line.split(':')[1].split()[0].split('/')
                         for line in lines if 'entries-written' in line)
    lib.equal(kept, written, 'entries of the trace')
    w.drained(announced + every * ring.frames)
    found = sum(who in line for line in lines)
    lib.check(found >= ring.frames, 'each packet is allocated')
    return found


def count_allocations(table):
    """Tell how many more there are when each packet is due."""
    w = table.w
    ring = ground.Ring(w.client, 'master', w.master.mac('front'),
                       ground.PER_MESSAGE * 64)
    ground.put('/sys/kernel/tracing/buffer_size_kb', 32768)
    # The first ones are to find full caches
    none, none, some = (allocations(w, ring, every, table.announced)
                        for every in (False, False, True))
    ground.put('/sys/kernel/tracing/buffer_size_kb', 1)
    table.announced += ring.frames
    say('allocations', 1000 * (some - none) / ring.frames)


def main():
    flows, times = int(sys.argv[1]), int(sys.argv[2])
    with_off = 'off' in sys.argv[3:]
    chunk = min(flows, CHUNK)
    figures = {}

    def note(name, value):
        figures.setdefault(name, []).append(value)

    with ground.Site(warm=with_off) as w:
        w.quiet()
        table = Table(w, flows, chunk)
        for first in range(0, flows, FILL):
            w.fill(first, min(flows, FILL))
        lib.equal(w.conns(w.master), flows, 'connections of the master')
        lib.equal(w.conns(w.backup), 0, 'connections of the backup')

        for first in range(0, flows, chunk):
            path, rest = table.measure(first, True)
            # The table is to have its size
            if first >= flows - times * chunk:
                note('new', path + rest)
        ground.until(lambda: w.conns(w.backup) == flows,
                     'the backup has all connections')
        if with_off:
            count_allocations(table)
        for i in range(times):
            first = i * chunk % flows
            # A start takes as long as many bursts
            if with_off and not i % (times // 4):
                w.stop()
                for _ in range(times // 2):
                    off, _ = w.burst(table.ring, first)
                    note('off', off / chunk)
                table.restart()
            quiet, after = table.measure(first, False)
            path, rest = table.measure(first, True)
            note('quiet', quiet)
            note('nothing', quiet + after)
            note('due', path)
            note('existing', path + rest)
        # The last ones, too
        ground.until(lambda: w.records() == table.announced,
                     'all records have come')

    least = {name: min(values) for name, values in figures.items()}
    if with_off:
        say('off', least['off'])
        say('path_quiet', least['quiet'] - least['off'])
        say('path_due', least['due'] - least['off'])
    size = 'small' if with_off else 'large'
    say(f'{size}_new', least['new'] - least['nothing'])
    say(f'{size}_existing', least['existing'] - least['nothing'])


if __name__ == '__main__':
    main()
