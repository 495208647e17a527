#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hours of traffic through a master with a backup beside it, in a guest.

    usage: day.py MIX HOURS [SYSCTL=VALUE...]

The topology is that of the selftests, but for the switches. The program
$RESULTS/traffic, see traffic.c, speaks for all clients and servers.

Time travels, so looking takes no time: both directors are seen at the same
instant. In $RESULTS it leaves, with a line for each hour,

    hours.tsv        the counts of both directors, what went over the link
    differences.tsv  how many connections are not the same on both, by state
    records.tsv      what the master's records were about, see meter.py
"""

import collections
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.environ['TOP'],
                                'tools/testing/selftests/net/ipvs_sync'))
import lib                          # noqa: E402
import meter                        # noqa: E402
from lib import VIP                 # noqa: E402

# Profiles of traffic.c: protocol and port, persistence
SERVICES = (('-t', 80, 0), ('-t', 443, 0), ('-t', 993, 0), ('-t', 8080, 3600),
            ('-t', 8443, 600), ('-u', 443, 0), ('-u', 4500, 0))
COUNTS = 'persistent', 'active', 'inactive'
# What a director never tells of
OPENING = 'NONE', 'SYN_SENT', 'SYN_RECV', 'SYNACK', 'LAST_ACK', 'LISTEN'


def result(name):
    """A path in the directory that outlives the guest."""
    return os.path.join(os.environ['RESULTS'], name)


class Site(lib.World):
    """The usual topology with the services and servers of traffic.c."""

    clients = '172.16.0.0/12'

    def make(self):
        super().make()
        # Frames leave by the cables' ends, without a switch;
        # what comes back is for nobody.
        self.client.ip('link set dev master nomaster')
        self.server.ip('link set dev master down',
                       'link set dev master nomaster name servers '
                       f'netns {self.client.name}')
        self.client.ip('link set dev servers up')
        for director in self.master, self.backup:
            director.ip(f'route add {self.clients} via {lib.GHOST} dev front',
                        *(f'neighbour replace {self.real(port)} dev rear '
                          'lladdr 02:00:00:00:00:09'
                          for _, port, _ in SERVICES))
        for kind, port, persistence in SERVICES:
            service = f'{kind} {VIP}:{port}'
            persistent = f' -p {persistence}' if persistence else ''
            self.service(f'-A {service} -s rr{persistent}',
                         f'-a {service} -r {self.real(port)}:{port} -m')

    @staticmethod
    def real(port):
        return f'10.2.0.{20 + port % 100}'

    def traffic(self, mix, hours, threshold, scale=1, seconds=3600):
        """Start it; its lines come out, a line lets it go on."""
        front, rear = (self.master.mac(device).hex(':')
                       for device in ('front', 'rear'))
        with self.client:
            return subprocess.Popen(
                [result('traffic'), mix, str(scale), str(seconds), str(hours),
                 str(threshold), 'master', front, 'servers', rear],
                text=True, bufsize=1, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE)


def counts(director):
    """PersistConn, ActiveConn and InActConn of all servers together."""
    sums = [0, 0, 0]
    for line in director.run('ipvsadm', '-ln',
                             '--persistent-conn').splitlines():
        words = line.split()
        if words[0] == '->' and words[1] != 'RemoteAddress:Port':
            for i in range(3):
                sums[i] += int(words[3 + i])
    return sums


def table(director):
    """The connections, {key: (kind, state, seconds left)}."""
    found = {}
    for line in director.read('ip_vs_conn').splitlines()[1:]:
        words = line.split()
        template = words[2] == '0000'
        kind = 'template' if template else \
            f'{words[0].lower()}/{int(words[4], 16)}'
        found[tuple(words[:5])] = kind, words[7], int(words[8])
    return found


def sent(director, device='sync'):
    """Packets and bytes that have left by a device, the link for sync."""
    for line in director.read('dev').splitlines():
        name, _, rest = line.strip().partition(':')
        if name == device:
            words = rest.split()
            return int(words[9]), int(words[8])
    raise lib.Failed(f'no device {device}')


def differences(here, there, opening):
    """How many connections differ, by what they are on master and backup."""
    found = collections.Counter()
    for key in here.keys() | there.keys():
        kind, *_ = here.get(key) or there[key]
        ends = [side[key][1] if key in side else '-' for side in (here, there)]
        if ends[0] == ends[1]:
            continue
        held = kind != 'template' and ends[0] in OPENING
        rule = 'opening' if held else \
            'threshold' if key in opening else 'none'
        found[kind, *ends, rule] += 1
    return found


class Log:
    """A file of tab-separated values in $RESULTS."""

    def __init__(self, name, *columns):
        self.path = result(name)
        with open(self.path, 'w', encoding='ascii'):
            pass
        self.add(*columns)

    def add(self, *values):
        with open(self.path, 'a', encoding='ascii') as file:
            file.write('\t'.join(str(v) for v in values) + '\n')


def opening_key(words):
    """The key of a connection that traffic tells of."""
    addr, port = words[2].split(':')
    vip = ''.join(f'{int(n):02X}' for n in VIP.split('.'))
    return 'TCP', addr, f'{int(port):04X}', vip, f'{int(words[1]):04X}'


class Observer:
    """Writes down what it sees at each hour."""

    def __init__(self, site):
        self.site = site
        self.meter = meter.Meter(site.backup, 'sync')
        self.before = sent(site.master)
        self.hours = Log('hours.tsv', 'hour',
                         *(f'{who}_{what}' for who in ('master', 'backup')
                           for what in COUNTS),
                         'held_back', 'differing', 'messages', 'bytes',
                         'frames')
        self.differences = Log('differences.tsv', 'hour', 'kind',
                               'on_master', 'on_backup', 'rule',
                               'connections')
        self.records = Log('records.tsv', 'hour', 'kind', *meter.CLASSES)

    def look(self, hour, frames, opening):
        """Give the line of hours.tsv."""
        site = self.site
        found = differences(table(site.master), table(site.backup), opening)
        held = sum(n for (*_, rule), n in found.items() if rule != 'none')
        link = (a - b for a, b in zip(sent(site.master), self.before))
        line = (hour, *counts(site.master), *counts(site.backup), held,
                sum(found.values()) - held, *link, frames)
        self.hours.add(*line)
        for what, n in sorted(found.items()):
            self.differences.add(hour, *what, n)
        self.meter.read()
        for kind in 'tcp', 'udp', 'template':
            self.records.add(hour, kind, *(self.meter.counts[kind, what]
                                           for what in meter.CLASSES))
        return line


def main():
    mix, hours, *knobs = sys.argv[1:]
    os.makedirs('/run/netns', exist_ok=True)
    with Site() as site:
        site.sysctl(**dict(knob.split('=', 1) for knob in knobs))
        site.start()
        threshold = int(site.master.read(
            'sys/ipv4/vs/sync_threshold').split()[0])
        observer = Observer(site)
        opening = set()
        with site.traffic(mix, hours, threshold) as traffic:
            for line in traffic.stdout:
                words = line.split()
                if words[0] == 'hour':
                    _, hour, _, frames, _, digest = words
                elif words[0] == 'opening':
                    opening.add(opening_key(words))
                else:
                    seen = observer.look(hour, frames, opening)
                    print('hour', *seen, digest, flush=True)
                    opening = set()
                    traffic.stdin.write('\n')
        if traffic.returncode:
            sys.exit(f'traffic: status {traffic.returncode}')


if __name__ == '__main__':
    main()
