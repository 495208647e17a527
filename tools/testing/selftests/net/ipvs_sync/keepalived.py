#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Live TCP connections, with keepalived to move the roles and the addresses.

Each director of the usual topology has a keepalived of its own, which starts
and stops the daemons of sync, configures the service, and has the addresses
where the role is.
"""

import os
import signal
import subprocess
import tempfile

import lib
from lib import Crowd, Failed, SERVER, check, equal, soon
from takeover import PORT, Echo, Talk, dead

SERVICE = '10.1.0.100'
GATEWAY = '10.2.0.254'      # the server's way back
PATIENCE = 60               # seconds for a change, emulated CPUs are slow

CONFIG = f'''
global_defs {{
    vrrp_version 3
    lvs_sync_daemon sync balance id 7
}}

track_file aside {{
    file "%s"
    weight -1
}}

vrrp_instance balance {{
    state BACKUP
    nopreempt
    priority %d
    interface sync
    virtual_router_id 51
    advert_int 0.5
    garp_master_delay 0
    virtual_ipaddress {{
        {SERVICE}/24 dev front
        {GATEWAY}/24 dev rear
    }}
    track_file {{
        aside
    }}
}}

virtual_server {SERVICE} 80 {{
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server {SERVER} {PORT} {{
    }}
}}
'''


class Keeper:
    """The keepalived of a director; its files are at a path."""

    def __init__(self, ns, path, priority):
        self.ns = ns
        self.path = path
        self.process = None
        self.aside = f'{path}.aside'
        with open(f'{path}.conf', 'w', encoding='ascii') as file:
            file.write(CONFIG % (self.aside, priority))

    def start(self):
        if os.path.exists(self.aside):
            os.unlink(self.aside)
        pids = [f'--{name}={self.path}.{name}'
                for name in ('pid', 'vrrp_pid', 'checkers_pid')]
        with self.ns, open(f'{self.path}.log', 'ab') as log:
            self.process = subprocess.Popen(
                ['keepalived', '--dont-fork', '--log-console',
                 f'--use-file={self.path}.conf', *pids],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        """As a user would."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process = None

    def stand_aside(self):
        """The role goes to the other one, the services stay."""
        with open(self.aside, 'w', encoding='ascii') as file:
            file.write('254\n')

    def kill(self):
        """All of it, and its children first: as orphans they would put in
        order what they can.
        """
        if self.process:
            self.process.send_signal(signal.SIGSTOP)
            lib.run('pkill', '-KILL', '-P', str(self.process.pid), ok=False)
            self.process.kill()
            self.process.wait()
            self.process = None

    def tell(self):
        with open(f'{self.path}.log', encoding='utf-8',
                  errors='replace') as file:
            for line in file.readlines()[-20:]:
                print(f'#   {self.ns.name}: {line.rstrip()}')


class Pair(Crowd):
    """Both directors with a keepalived, the first one master. A switch between
    them: of a cable the death of one is the fault of both.
    """

    def __init__(self):
        super().__init__(0)
        self.files = tempfile.TemporaryDirectory()
        self.keepers = []
        self.echo = None

    def make(self):
        super().make()
        self.server.ip(f'route replace default via {GATEWAY}')
        self.echo = Echo(self.server)
        self.echo.__enter__()
        self.keepers = [Keeper(ns, f'{self.files.name}/{ns.name}', priority)
                        for ns, priority in zip(self.directors, (110, 100))]
        try:
            for number, keeper in enumerate(self.keepers):
                keeper.start()
                self.roles(*('master', 'backup')[:number + 1])
        except Failed:
            self.tell()
            raise

    def remove(self):
        for keeper in self.keepers:
            keeper.kill()
        if self.echo:
            self.echo.__exit__()
        self.files.cleanup()
        super().remove()

    def tell(self):
        super().tell()
        for keeper in self.keepers:
            keeper.tell()

    @staticmethod
    def role(ns):
        """The daemons that it runs, and whether it has the address."""
        words = [line.split()[0] for line in
                 ns.run('ipvsadm', '-ln', '--daemon').splitlines()]
        if SERVICE in ns.run('ip', '-4', 'address', 'show', 'dev', 'front'):
            words.append('address')
        return ' '.join(words)

    def roles(self, *wanted):
        """Wait for the roles of both, None for one that has none."""
        for ns, role in zip(self.directors, wanted):
            if role:
                address = ' address' * (role == 'master')
                soon(lambda ns=ns, want=role + address: self.role(ns) == want,
                     f'{ns.name} is {role}', PATIENCE)

    def talks(self, other):
        """New connections, which the other director hears of."""
        talks = [Talk(self.client, SERVICE) for _ in range(50)]
        for talk in talks:
            check(talk.say(5), f'{talk.client} never lived')
        self.on(other, talks, PATIENCE)
        return talks

    def stop(self, number):
        """Stop a keepalived. It takes the services away before the addresses,
        so for a moment either kernel answers what comes with a reset. A last
        ACK, which clients delay, is not to come then.
        """
        soon(self.echo.settled, 'all is acknowledged')
        self.keepers[number].stop()

    def move_back(self, talks):
        """The first director starts again, and has the role in the end."""
        self.keepers[0].start()
        self.roles('backup', 'master')
        self.in_sync(self.master, PATIENCE)
        # It has the others from before
        talks += self.talks(self.master)
        self.stop(1)
        self.roles('master')
        equal(dead(talks), [])
        self.keepers[1].start()
        self.roles('master', 'backup')
        self.on(self.backup, talks, PATIENCE)
        equal(dead(talks), [])


def test_death():
    """The master dies with its keepalived, and comes back later"""
    with Pair() as w:
        talks = w.talks(w.backup)
        w.keepers[0].kill()
        w.crash()
        w.roles(None, 'master')
        equal(dead(talks), [])

        # It comes back without addresses and daemons, as after a boot.
        w.master.run('ipvsadm', '--stop-daemon', 'master')
        w.master.ip(f'address delete {SERVICE}/24 dev front',
                    f'address delete {GATEWAY}/24 dev rear',
                    *(f'link set {device} up'
                      for device in ('front', 'rear', 'sync')))
        w.move_back(talks)


def test_stop():
    """keepalived is stopped and started, as for an upgrade of it"""
    with Pair() as w:
        talks = w.talks(w.backup)
        for _ in range(2):
            w.stop(0)
            equal(w.role(w.master), '')
            w.roles(None, 'master')
            equal(dead(talks), [])
            w.move_back(talks)


def test_aside():
    """It stands aside before it is stopped, and no packet is waited for"""
    with Pair() as w:
        talks = w.talks(w.backup)
        w.keepers[0].stand_aside()
        w.roles('backup', 'master')
        equal(dead(talks), [])
        w.keepers[0].stop()
        w.roles(None, 'master')
        equal(dead(talks), [])
        w.move_back(talks)


if __name__ == '__main__':
    lib.need('keepalived', 'pkill')
    lib.main()
