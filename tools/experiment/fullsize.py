#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A short day of a site of millions of connections, in a guest.

    usage: fullsize.py SCALE SECONDS HOURS LATE [SYSCTL=VALUE...]

    client --> master --messages--> backup, and one that starts late
       \\____________________________/
          once the master is dead

The traffic is that of day.py, SCALE times as much, with hours of so many
SECONDS, see traffic.c. The late backup starts its daemon after the hour LATE.
At the end the master's links go down and each client that is in conversation
sends a packet to the backup, then to the late one, which are to forward it.

It prints

    hour N COUNTS... MESSAGES BYTES FRAMES MIB HASH
    late SECONDS COUNTS... MESSAGES BYTES
    survivors DIRECTOR FORWARDED SENT

Hour 0 is the beginning. COUNTS are persistent, active and inactive connections
of the master, the backup and the late one, MIB is the memory in use. The line
"late" says how long it was until that one said that it has all; the stock
engine never does.
"""

import os
import select
import sys
import time

sys.dont_write_bytecode = True
import day                          # noqa: E402
import lib                          # noqa: E402
from day import SERVICES, VIP, counts, sent     # noqa: E402

# What comes in a tick, at once here, has to fit
SOCKETS = 1 << 27


def put(path, value):
    with open(path, 'w', encoding='ascii') as file:
        file.write(f'{value}\n')


class Site(day.Site, lib.Crowd):
    """The site with more clients, and with a third director."""

    clients = '16.0.0.0/4'

    def __init__(self):
        super().__init__(1)
        self.late, = self.more

    def make(self):
        super().make()
        for name in 'rmem_max', 'wmem_max':
            put(f'/proc/sys/net/core/{name}', SOCKETS)
        self.sysctl(sync_sock_size=SOCKETS)
        self.late.write('ipv4/conf/all/forwarding', 1)
        self.late.ip(f'address add {VIP}/32 dev lo')
        for director in self.directors:
            self.far_ends(director)

    def far_ends(self, director):
        """What it forwards, to clients and to servers, goes nowhere."""
        director.ip('link add clients type dummy',
                    'link add servers type dummy',
                    'address add 10.3.0.1/24 dev clients',
                    'link set clients up', 'link set servers up',
                    f'route replace {self.clients} via 10.3.0.2 dev clients',
                    *(f'route add {real}/32 dev servers' for real in
                      {self.real(port) for _, port, _ in SERVICES}))

    @staticmethod
    def take(new, old):
        """A director has the cable of another to the clients from now on."""
        old.ip(f'link set front netns {new.name}')
        new.ip('link set front up')


def memory():
    """MiB in use."""
    with open('/proc/meminfo', encoding='ascii') as file:
        values = {line.split(':')[0]: int(line.split()[1]) for line in file}
    return (values['MemTotal'] - values['MemFree']) >> 10


class Play:
    """What happens, and is seen, as the traffic goes on."""

    def __init__(self, site, traffic, late):
        self.site, self.traffic, self.late = site, traffic, late
        self.before = sent(site.master)
        self.joined_from = self.joins_since = None

    def counts(self):
        site = self.site
        return (*counts(site.master), *counts(site.backup),
                *counts(site.late))

    def on_link(self, before):
        return [a - b for a, b in zip(sent(self.site.master), before)]

    def look(self, hour, frames, digest):
        print('hour', hour, *self.counts(), *self.on_link(self.before),
              frames, memory(), digest, flush=True)
        if int(hour) == self.late:
            self.start_late()

    def start_late(self):
        self.site.late.start('backup')
        # The stock engine can not say whether it is complete
        if self.site.late.numbers():
            self.joined_from = sent(self.site.master)
            self.joins_since = time.monotonic()

    def ask_late(self):
        """Has it joined meanwhile?"""
        if self.joined_from and self.site.late.ready() == 'in-sync':
            took = time.monotonic() - self.joins_since
            print(f'late {took:.2f}', *self.counts(),
                  *self.on_link(self.joined_from), flush=True)
            self.joined_from = None

    def follow(self, hours):
        """Until the last hour is over; it stands still then."""
        lines = self.traffic.stdout
        while True:
            wait = 0.1 if self.joined_from else None
            if not select.select([lines], [], [], wait)[0]:
                self.ask_late()
                continue
            words = lines.readline().split()
            if not words:
                sys.exit(f'traffic: status {self.traffic.wait()}')
            lib.equal(lines.readline(), 'end\n')
            self.look(words[1], words[3], words[5])
            if int(words[1]) == hours:
                return
            self.traffic.stdin.write('\n')

    def survivors(self, director, name):
        """A packet of each conversation to another director. What that does
        not know is not to begin anew there: its servers take no new ones.
        """
        director.ipvsadm(*(
            f'-e {kind} {VIP}:{port} -r {self.site.real(port)}:{port} -m -w 0'
            for kind, port, _ in SERVICES))
        before, _ = sent(director, 'servers')
        self.traffic.stdin.write(
            f'over backup {self.site.backup.mac("front").hex(":")}\n')
        word, count = self.traffic.stdout.readline().split()
        lib.equal(word, 'over')
        print('survivors', name, sent(director, 'servers')[0] - before,
              count, flush=True)


def main():
    scale, seconds, hours, late, *knobs = sys.argv[1:]
    os.makedirs('/run/netns', exist_ok=True)
    with Site() as site:
        site.sysctl(**dict(knob.split('=', 1) for knob in knobs))
        site.start()
        with site.traffic('day', hours, 0, scale, seconds) as traffic:
            play = Play(site, traffic, int(late))
            play.follow(int(hours))
            site.crash()
            play.survivors(site.backup, 'backup')
            site.take(site.late, site.backup)
            play.survivors(site.late, 'late')
            traffic.stdin.write('\n')
        if traffic.returncode:
            sys.exit(f'traffic: status {traffic.returncode}')


if __name__ == '__main__':
    main()
