#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""IPv4 and IPv6: of the connections, and of the group they are told to.

    client --IPv4, IPv6--> master --IPv4, IPv6 group--> tap, backup
"""

import lib
import packet
from lib import HOLE, HOLE6, VIP, VIP6, World, check, equal, soon

GROUP6 = 'ff02::81'


class Dual(World):
    """A World with the same services in both families."""

    def make(self):
        super().make()
        for vip, hole in (VIP, HOLE), (f'[{VIP6}]', f'[{HOLE6}]'):
            self.service(f'-A -t {vip}:80 -s rr',
                         f'-a -t {vip}:80 -r {hole}:8080 -m',
                         f'-A -t {vip}:81 -s rr',
                         f'-a -t {vip}:81 -r {hole}:81 -g',
                         f'-A -u {vip}:53 -s rr',
                         f'-a -u {vip}:53 -r {hole}:53 -m')

    def flows(self):
        return [self.flow(protocol, dst=f'{vip}:{port}')
                for vip in (VIP, f'[{VIP6}]')
                for protocol, port in (('tcp', 80), ('tcp', 81),
                                       ('udp', 53))]


def open_all(flows):
    for flow in flows:
        if flow.protocol == 'tcp':
            flow.open()
        else:
            flow.send(times=3)


def told(w, *options):
    """All flows get to the backup, and pass it to the same servers."""
    for director, role in (w.backup, 'backup'), (w.master, 'master'):
        director.start(role, *options)
    flows = w.flows()
    open_all(flows)
    soon(lambda: len(w.backup.conns()) == len(flows), 'all on the backup')
    for flow in flows:
        mine, theirs = (d.conn(flow) for d in w.directors)
        equal((theirs.server, theirs.state, theirs.origin),
              (mine.server, mine.state, 'SYNC'))
    for server in f'{HOLE}:8080', f'{HOLE}:81', f'[{HOLE6}]:8080', \
            f'[{HOLE6}]:81':
        equal(w.backup.dest(server), (1, 0), server)
    equal(w.backup.rejects(), {})
    seen = packet.Sniffer(w.server, 'backup')
    for flow in flows:
        flow.mac = w.backup.mac('front')
        flow.send('PA' if flow.protocol == 'tcp' else '', b'x')
        want = flow.virtual if flow.virtual.endswith(':81') else \
            w.backup.conn(flow).server
        got = [p.dst for p in seen.read() if p.src == flow.client]
        equal(got, [want], flow.client)


def test_group4():
    """Both families, told to an IPv4 group"""
    with Dual() as w:
        told(w)


def test_group6():
    """Both families, told to an IPv6 group"""
    with Dual() as w:
        ear = w.tap(group=GROUP6)
        told(w, '--mcast-group', GROUP6)
        messages = ear.read()
        check(messages, 'nothing was heard')
        equal({m.ttl for m in messages}, {1})


def test_group6_options():
    """An IPv6 group with a port, a hop limit and several threads"""
    with Dual() as w:
        w.sysctl(sync_ports=4)
        ear = w.tap(group='ff05::123', port=7000, ports=4)
        told(w, '--mcast-group', 'ff05::123', '--mcast-port', '7000',
             '--mcast-ttl', '9')
        messages = ear.read()
        equal({m.ttl for m in messages}, {9})
        check(len({m.port for m in messages}) > 1, 'one port only')


def test_group6_length():
    """The default length leaves room for IPv6's header"""
    with Dual() as w:
        w.sysctl(sync_threshold='0 0')
        ear = w.tap(group=GROUP6)
        for director, role in (w.backup, 'backup'), (w.master, 'master'):
            director.start(role, '--mcast-group', GROUP6)
        flows = [w.flow('udp', dst=f'[{VIP6}]:53') for _ in range(200)]
        for flow in flows:
            flow.send()
        soon(lambda: len(w.backup.conns()) == 200, 'all on the backup')
        largest = max(m.size for m in ear.read())
        check(1300 < largest <= 1500 - 40 - 8, f'{largest} bytes')


def test_group_unlike():
    """A backup of another group hears nothing"""
    with Dual() as w:
        w.backup.start('backup', '--mcast-group', '224.0.0.82')
        w.master.start('master')
        ear = w.tap()
        flow = w.flow('tcp')
        flow.open()
        soon(ear.read, 'a message')
        equal(w.backup.conn(flow), None)
        equal(w.backup.count('backup.messages'), 0)


def test_mixed():
    """Servers of the other family and daemons exclude each other"""
    with Dual() as w:
        w.start()
        out = w.master.run('ipvsadm', '-a', '-t', f'{VIP}:80', '-r',
                           f'[{HOLE6}]:80', '-i', ok=False)
        check('nvalid' in out, f'ipvsadm says: {out}')
        for director, role in (w.backup, 'backup'), (w.master, 'master'):
            director.stop(role)
            director.run('ipvsadm', '-a', '-t', f'{VIP}:80', '-r',
                         f'[{HOLE6}]:80', '-i')
            out = director.run('ipvsadm', '--start-daemon', role,
                               '--mcast-interface', 'sync', ok=False)
            check('nvalid' in out, f'ipvsadm says: {out}')
            director.run('ipvsadm', '-d', '-t', f'{VIP}:80', '-r',
                         f'[{HOLE6}]:80')
            director.start(role)


if __name__ == '__main__':
    lib.main()
