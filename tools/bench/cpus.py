#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How sync scales: all CPUs forward at once, each its own connections.

    usage: cpus.py CONNECTIONS PACKETS TIMES PORTS...

Each CPU sends so many packets of so many connections through the master, and
forwards them: without sync, and with each packet due, for each PORTS, which is
sync_ports then. Told are the packets a second of all CPUs, the best of TIMES
tries, and how much of it is left when each is due. There is no backup, it would
take CPUs from the packets; the master's threads do.

With several CPUs the same is done once more, to count how often a lock was not
to be had at once, and by whom: $RESULTS/locks-PORTS tells each such call with
its callers. The most of TIMES tries is told: where the host has other work the
guest's CPUs do not run at once. Rates then do not count.
"""

import collections
import contextlib
import fcntl
import multiprocessing
import os
import re
import sys

sys.dont_write_bytecode = True

import ground                       # noqa: E402
from ground import CPUS, ENGINE, lib, say   # noqa: E402

TRACING = '/sys/kernel/tracing'
# A spinlock with a single waiter is waited for without lock:contention_begin,
# so these are counted where they wait, and what that event calls SPIN is not.
SPIN = 1
WAITS = 'native_queued_spin_lock_slowpath'
HISTOGRAMS = {
    'kprobes/spin': 'hist:keys=stacktrace:size=8192',
    'lock/contention_begin': f'hist:keys=stacktrace:size=8192 '
                             f'if flags != {SPIN}',
}
# What a softirq interrupts is no caller of it
SOFTIRQ = re.compile(r'handle_softirqs|__do_softirq')
# Functions of sync: of both engines, of stock's threads
SYNC = re.compile(r'ip_vs_sync_|sync_thread_|master_wakeup_work')
# Who calls for a packet of a client
PACKET = 'ip_vs_in_hook'


@contextlib.contextmanager
def contention():
    """Count into what this gives: {(functions from the lock on): times}."""
    found = collections.Counter()
    triggers = {name: f'{TRACING}/events/{name}/trigger'
                for name in HISTOGRAMS}
    for name, path in triggers.items():
        ground.put(path, HISTOGRAMS[name])
    try:
        yield found
        for name in HISTOGRAMS:
            read_histogram(f'{TRACING}/events/{name}/hist', found)
    finally:
        for name, path in triggers.items():
            ground.put(path, f'!{HISTOGRAMS[name]}')


def read_histogram(path, found):
    text = ground.get(path)
    lib.equal(re.findall(r'Dropped: (\d+)', text), ['0'], 'stacks dropped')
    for stack, hits in re.findall(
            r'stacktrace:\n(.*?)\n} hitcount: +(\d+)', text, re.S):
        calls = []
        for line in stack.splitlines():
            call = line.strip().split('+')[0]
            if SOFTIRQ.match(call):
                break
            # What is in front of it is the probe itself
            calls = [] if call == WAITS else calls + [call]
        found[tuple(calls)] += int(hits)


def lock_file(path):
    """Take a lock of the kernel's again and again."""
    with open(path, encoding='ascii') as file:
        while True:
            fcntl.flock(file, fcntl.LOCK_SH)


def prove():
    """What counts is to see that programs contend for a lock."""
    path = '/tmp/lock'
    ground.put(path, '')
    programs = [multiprocessing.Process(target=lock_file, args=(path,),
                                        daemon=True) for _ in range(CPUS)]
    with contention() as found:
        for program in programs:
            program.start()
        hist = f'{TRACING}/events/kprobes/spin/hist'
        ground.until(lambda: 'flock' in ground.get(hist),
                     'contention is seen where there is some')
        for program in programs:
            program.kill()
            program.join()
    lib.check(sum(found.values()), 'contention is counted')


class Load:
    """What is sent by all CPUs, and what is known of it then."""

    def __init__(self, w, connections, packets):
        self.w = w
        self.flows, self.packets = connections * CPUS, packets * CPUS

    def send(self):
        """Packets a second."""
        w = self.w
        w.fill(0, self.flows, self.packets)
        rate = 0
        for cpu in range(CPUS):
            text = w.client.read(f'pktgen/master@{cpu}')
            usec, count = map(int, re.search(
                r'Result: OK: (\d+)\(.*usec, (\d+) \(', text).groups())
            rate += count / usec * 1e6
        return rate

    def told(self, ports, before):
        """Has the master told of each packet, none left out?"""
        w = self.w
        if ENGINE == 'ours':
            lib.equal(w.master.count('master.queue_full'), 0, 'queue_full')
            lib.equal(w.master.count('master.marked') +
                      w.master.count('master.coalesced'), self.packets,
                      'packets that were due')
            return not w.master.count('master.waiting')
        # Each port keeps a message until it is full
        _, messages = w.transmitted(w.master, 'sync')
        return (messages - before) * ground.PER_MESSAGE >= \
            self.packets - ports * ground.PER_MESSAGE

    def due(self, ports):
        """The same, each packet due, the master with so many threads."""
        w = self.w
        w.sysctl(sync_ports=ports)
        _, before = w.transmitted(w.master, 'sync')
        w.master.start('master')
        w.due(True)
        rate = self.send()
        w.due(False)
        ground.until(lambda: self.told(ports, before), 'all is told')
        w.master.stop('master')
        return rate


def in_sync(found):
    """Those of a function of sync."""
    return {calls: hits for calls, hits in found.items()
            if any(SYNC.match(call) for call in calls)}


def tell_locks(ports, found, packets):
    sync = in_sync(found)
    of_packets = sum(hits for calls, hits in sync.items() if PACKET in calls)
    for name, hits in (('packets', of_packets),
                       ('threads', sum(sync.values()) - of_packets),
                       ('all', sum(found.values()))):
        say(f'cpus_{CPUS}_{name}_{ports}', 1000 * hits / packets)
    with open(f'{os.environ["RESULTS"]}/locks-{ports}', 'w',
              encoding='ascii') as file:
        for calls, hits in found.most_common():
            file.write(f'{hits} {"sync " * (calls in sync)}'
                       f'{" < ".join(calls)}\n')


def main():
    connections, packets, times, *all_ports = map(int, sys.argv[1:])
    with ground.Site() as w:
        w.quiet()
        load = Load(w, connections, packets)
        load.send()
        lib.equal(w.conns(w.master), load.flows, 'connections')
        off, due = [], {ports: [] for ports in all_ports}
        for _ in range(times):
            off.append(load.send())
            for ports in all_ports:
                due[ports].append(load.due(ports))
        say(f'cpus_{CPUS}_off', max(off))
        for ports in all_ports:
            say(f'cpus_{CPUS}_kept_{ports}', 100 * max(due[ports]) / max(off))
        if CPUS > 1:
            ground.put(f'{TRACING}/kprobe_events', f'p:spin {WAITS}')
            prove()
            for ports in all_ports:
                tries = []
                for _ in range(times):
                    with contention() as found:
                        load.due(ports)
                    tries.append(found)
                most = max(tries, key=lambda f: sum(in_sync(f).values()))
                tell_locks(ports, most, load.packets)


main()
