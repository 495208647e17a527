#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""sync_ports: so many threads, each with its port, on either side.

    client --packets--> master --ports 8848...--> tap, backup
    client --packets--> backup --ports 8848...--> tap, master

Which port tells of a connection follows from the connection alone: it is the
same after a restart and on the other director.
"""

import lib
from lib import HOLE, HOLE6, VIP, VIP6, World, check, equal, soon

DNS, DNS6 = f'{VIP}:53', f'[{VIP6}]:53'


class Ports(World):
    """A World where the first packet of a flow announces it."""

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m',
                     f'-A -u {DNS6} -s rr',
                     f'-a -u {DNS6} -r [{HOLE6}]:53 -m')
        self.sysctl(sync_threshold='0 0')

    def threads(self, role):
        """Numbers of a daemon's threads, by their names."""
        ns = {'m': self.master, 'b': self.backup}[role]
        name = {'m': 'master', 'b': 'backup'}[role]
        counted = sorted(int(key.split('.')[1]) for key in ns.counts()
                         if key.startswith(name) and
                         key.endswith('.messages'))
        running = sorted(int(thread.split(':')[2])
                         for thread in lib.threads()
                         if thread.startswith(f'ipvs-{role}'))
        equal(counted, running, 'threads counted and running')
        return running

    def bound(self):
        """Ports that the backup has a socket on."""
        return sorted(int(line.split()[1].split(':')[1], 16) for line in
                      self.backup.read('udp').splitlines()[1:])

    def flows(self, count=40):
        return [self.flow('udp', dst=DNS) for _ in range(count)] + \
            [self.flow('udp', dst=DNS6) for _ in range(count)] + \
            [self.flow('tcp') for _ in range(count // 4)]

    def told_by(self, flows, director, ports):
        """{flow: port} of the messages that packets of flows cause."""
        other = self.backup if director is self.master else self.master
        ear = self.tap(other, ports=ports)
        for flow in flows:
            flow.mac = director.mac('front')
            for what in 'SAA' if flow.protocol == 'tcp' else 'D':
                flow.send(what)
        found = {}

        def complete():
            for m in ear.read():
                for record in m.records:
                    found.setdefault(record.flow(), set()).add(m.port)
            return len(found) >= len(flows)
        soon(complete, f'all {len(flows)} flows are told')
        ear.close()
        check(all(len(ports) == 1 for ports in found.values()),
              'a flow is told on more than one port')
        return {flow.key(): min(found[flow.key()]) for flow in flows}


def number(ports):
    with Ports() as w:
        w.sysctl(sync_ports=ports)
        w.start()
        equal(w.threads('m'), list(range(ports)), 'master threads')
        equal(w.threads('b'), list(range(ports)), 'backup threads')
        equal(w.bound(), list(range(8848, 8848 + ports)))
        flows = w.flows(max(20, 3 * ports))
        told = w.told_by(flows, w.master, ports)
        used = set(told.values())
        check(used <= set(range(8848, 8848 + ports)), f'ports {used}')
        # Chance leaves some of 64 out, not many.
        check(len(used) >= ports * 3 / 4, f'only {len(used)} ports used')
        soon(lambda: len(w.backup.conns()) == len(flows),
             'all are on the backup')
        for role, director in ('master', w.master), ('backup', w.backup):
            for thread in range(ports):
                count = director.count(f'{role}.{thread}.messages')
                equal(count > 0, 8848 + thread in used,
                      f'{role} thread {thread} had messages')


def test_stable_restart():
    """A flow keeps its port when the daemons are started again"""
    with Ports() as w:
        w.sysctl(sync_ports=8)
        w.start()
        flows = w.flows()
        before = w.told_by(flows, w.master, 8)
        w.master.stop('master')
        w.master.start('master')
        # Time for a connection to be announced anew.
        w.sysctl(sync_threshold='0 1')
        equal(w.told_by(flows, w.master, 8), before)


def test_stable_new():
    """A flow that comes again has the port it had"""
    with Ports() as w:
        w.sysctl(sync_ports=8)
        w.start()
        flows = w.flows()
        before = w.told_by(flows, w.master, 8)
    with Ports() as w:
        w.sysctl(sync_ports=8)
        w.start()
        for flow in flows:
            flow.sender = w.front
        equal(w.told_by(flows, w.master, 8), before)


def test_same_on_both():
    """Both directors have a flow on the same port"""
    with Ports() as w:
        w.sysctl(sync_ports=16)
        w.start()
        flows = w.flows()
        before = w.told_by(flows, w.master, 16)
        w.backup.start('master')
        equal(w.told_by(flows, w.backup, 16), before)
        # Not what it had learnt from the other: flows of its own too.
        flows = w.flows()
        before = w.told_by(flows, w.backup, 16)
        w.sysctl(sync_threshold='0 1')
        equal(w.told_by(flows, w.master, 16), before)


def test_next_start():
    """A change takes effect at the next start of a daemon"""
    with Ports() as w:
        w.sysctl(sync_ports=2)
        w.start()
        w.sysctl(sync_ports=4)
        flows = w.flows()
        used = set(w.told_by(flows, w.master, 4).values())
        equal(used, {8848, 8849})
        equal(w.threads('m'), [0, 1])
        equal(w.threads('b'), [0, 1])
        for director, role in (w.backup, 'backup'), (w.master, 'master'):
            director.stop(role)
            director.start(role)
        equal(w.threads('m'), [0, 1, 2, 3])
        equal(w.threads('b'), [0, 1, 2, 3])
        used = set(w.told_by(w.flows(), w.master, 4).values())
        equal(used, {8848, 8849, 8850, 8851})


def test_base_port():
    """They count from the port that was configured"""
    with Ports() as w:
        w.sysctl(sync_ports=4)
        for director, role in (w.backup, 'backup'), (w.master, 'master'):
            director.start(role, '--mcast-port', '9000')
        equal(w.bound(), [9000, 9001, 9002, 9003])
        ear = w.tap(port=9000, ports=4)
        flows = w.flows()
        for flow in flows:
            flow.open() if flow.protocol == 'tcp' else flow.send()
        soon(lambda: len(w.backup.conns()) == len(flows),
             'all are on the backup')
        equal({m.port for m in ear.read()}, {9000, 9001, 9002, 9003})


def test_socket_taken():
    """A port that is taken fails the start and leaves nothing behind"""
    with Ports() as w:
        w.sysctl(sync_ports=4)
        with w.backup:
            other = lib.socket.socket(lib.socket.AF_INET,
                                      lib.socket.SOCK_DGRAM)
        other.bind(('', 8850))
        out = w.backup.run('ipvsadm', '--start-daemon', 'backup',
                           '--mcast-interface', 'sync', ok=False)
        check(out.strip(), 'no error')
        equal(w.bound(), [8850])
        equal(lib.threads(), [])
        equal(w.backup.run('ipvsadm', '-ln', '--daemon'), '')
        other.close()
        w.backup.start('backup')
        equal(w.threads('b'), [0, 1, 2, 3])


def test_last_port():
    """There must be a port for the last thread"""
    with Ports() as w:
        w.backup.start('backup', '--mcast-port', '65535')
        w.backup.stop('backup')
        w.sysctl(sync_ports=4)
        for port, good in (65533, False), (65532, True):
            for role in 'master', 'backup':
                out = w.backup.run('ipvsadm', '--start-daemon', role,
                                   '--mcast-interface', 'sync',
                                   '--mcast-port', str(port), ok=False)
                equal(out == '', good, f'{role} from {port} on: {out}')
                equal(len(lib.threads()), 4 if good else 0)
                if good:
                    w.backup.stop(role)


def test_stop():
    """The threads of both daemons are gone when they are stopped"""
    with Ports() as w:
        w.sysctl(sync_ports=64)
        w.start()
        equal(len(lib.threads()), 128)
        w.master.stop('master')
        equal(len(lib.threads()), 64)
        w.backup.stop('backup')
        equal(lib.threads(), [])
        equal(w.bound(), [])


if __name__ == '__main__':
    lib.main(*((f'sync_ports={ports}', lambda ports=ports: number(ports))
               for ports in (1, 2, 4, 16, 64)))
