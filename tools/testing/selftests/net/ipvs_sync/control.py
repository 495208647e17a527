#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""Starting, stopping and asking, by both interfaces of the kernel.

ipvsadm speaks generic netlink; the old socket options are used by hand:

    struct ip_vs_daemon_user { int state; char mcast_ifn[16]; int syncid; };
"""

import errno
import socket
import struct

import lib
from lib import World, check, equal

BASE = 64 + 1024 + 64
SET_START, SET_STOP, GET_DAEMON = BASE + 11, BASE + 12, BASE + 7
MASTER, BACKUP = 1, 2
DAEMON = struct.Struct('=i16si')


class Old:
    """The socket options, in one namespace."""

    def __init__(self, ns):
        with ns:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                      socket.IPPROTO_RAW)

    def set(self, option, state, device=b'sync', syncid=0):
        """Give the name of the error, or None."""
        try:
            self.sock.setsockopt(socket.IPPROTO_IP, option,
                                 DAEMON.pack(state, device, syncid))
        except OSError as why:
            return errno.errorcode[why.errno]
        return None

    def start(self, *args, **how):
        return self.set(SET_START, *args, **how)

    def stop(self, *args, **how):
        return self.set(SET_STOP, *args, **how)

    def get(self):
        """[(state, device, syncid)] of the daemons that run."""
        data = self.sock.getsockopt(socket.IPPROTO_IP, GET_DAEMON,
                                    2 * DAEMON.size)
        return [(state, device.rstrip(b'\0').decode(), syncid)
                for state, device, syncid in DAEMON.iter_unpack(data)
                if state]


def shown(ns):
    """ipvsadm -ln --daemon, a daemon a line."""
    return ns.run('ipvsadm', '-ln', '--daemon').splitlines()


def line(role, syncid=0, maxlen=1472, group='224.0.0.81', port=8848, ttl=1,
         device='sync'):
    return f'{role} sync daemon (mcast={device}, syncid={syncid}, ' \
           f'maxlen={maxlen}, group={group}, port={port}, ttl={ttl})'


def test_show():
    """What ipvsadm shows of daemons"""
    with World() as w:
        equal(shown(w.master), [])
        w.master.start('master')
        equal(shown(w.master), [line('master')])
        w.master.start('backup', syncid=9)
        equal(shown(w.master), [line('master'), line('backup', 9)])
        w.master.stop('master')
        equal(shown(w.master), [line('backup', 9)])
        w.master.stop('backup')
        equal(shown(w.master), [])


def test_show_options():
    """What it shows of all their options"""
    with World() as w:
        options = ('--sync-maxlen', '4000', '--mcast-group', '239.1.2.3',
                   '--mcast-port', '9999', '--mcast-ttl', '42')
        for role in 'master', 'backup':
            w.master.start(role, *options, syncid=255)
            equal(shown(w.master),
                  [line(role, 255, 4000, '239.1.2.3', 9999, 42)])
            w.master.stop(role)


def test_show_inet6():
    """What it shows of an IPv6 group"""
    with World() as w:
        for role in 'master', 'backup':
            w.master.start(role, '--mcast-group', 'ff05::81')
            equal(shown(w.master), [line(role, 0, 1500 - 48, 'ff05::81')])
            w.master.stop(role)


def test_show_length():
    """The length it shows: the default, the least, the most"""
    with World() as w:
        for role, given, told in (('master', 1, 1), ('master', 65507, 65507),
                                  ('backup', 1, 1024),
                                  ('backup', 1023, 1024),
                                  ('backup', 65507, 65507)):
            w.master.start(role, '--sync-maxlen', str(given))
            equal(shown(w.master), [line(role, maxlen=told)])
            w.master.stop(role)
        # A backup's default goes with the device, a master's does not.
        w.master.ip('link set sync mtu 9000')
        w.master.start('master')
        w.master.start('backup')
        equal(shown(w.master), [line('master'),
                                line('backup', maxlen=9000 - 28)])


def test_show_elsewhere():
    """A namespace's daemons are its own"""
    with World() as w:
        w.master.start('master', syncid=1)
        w.backup.start('backup', syncid=2)
        equal(shown(w.master), [line('master', 1)])
        equal(shown(w.backup), [line('backup', 2)])
        equal(shown(w.client), [])


def fails(ns, text, *argv):
    out = ns.run('ipvsadm', *argv, ok=False)
    check(text in out, f'ipvsadm {" ".join(argv)} says {out.strip()!r}')


def test_wrong():
    """What can not be is refused and changes nothing"""
    with World() as w:
        start = '--start-daemon'
        fails(w.master, 'No daemon is running', '--stop-daemon', 'master')
        fails(w.master, 'No daemon is running', '--stop-daemon', 'backup')
        fails(w.master, 'No such device', start, 'master',
              '--mcast-interface', 'none')
        equal(shown(w.master), [])
        w.master.start('master', syncid=3)
        fails(w.master, 'already run', start, 'master', '--mcast-interface',
              'sync', '--syncid', '4')
        fails(w.master, 'No daemon is running', '--stop-daemon', 'backup')
        equal(shown(w.master), [line('master', 3)])
        w.master.start('backup', syncid=5)
        fails(w.master, 'already run', start, 'backup', '--mcast-interface',
              'rear')
        equal(shown(w.master), [line('master', 3), line('backup', 5)])


def test_old():
    """The socket options: start, ask, stop"""
    with World() as w:
        old = Old(w.master)
        equal(old.get(), [])
        for state, role in (MASTER, 'master'), (BACKUP, 'backup'):
            equal(old.start(state, syncid=7), None)
            equal(old.get(), [(state, 'sync', 7)])
            equal(shown(w.master), [line(role, 7)])
            equal(old.stop(state), None)
            equal(old.get(), [])
        old.start(BACKUP, syncid=8)
        old.start(MASTER, syncid=7)
        equal(old.get(), [(MASTER, 'sync', 7), (BACKUP, 'sync', 8)])


def test_old_wrong():
    """The socket options: what is refused, and how"""
    with World() as w:
        old = Old(w.master)
        equal(old.stop(MASTER), 'ESRCH')
        equal(old.stop(BACKUP), 'ESRCH')
        equal(old.start(MASTER, b'none'), 'ENODEV')
        for state in 0, 3, 4, -1:
            equal(old.start(state), 'EINVAL', f'start, state {state}')
            equal(old.stop(state), 'EINVAL', f'stop, state {state}')
        for syncid in -1, 256, 1 << 20:
            equal(old.start(MASTER, syncid=syncid), 'EINVAL',
                  f'syncid {syncid}')
        equal(old.get(), [])
        equal(lib.threads(), [])
        equal(old.start(MASTER), None)
        equal(old.start(MASTER), 'EEXIST')
        equal(old.get(), [(MASTER, 'sync', 0)])


def test_mixed():
    """Either interface knows what the other did"""
    with World() as w:
        old = Old(w.master)
        w.master.start('master', '--mcast-group', 'ff05::81', syncid=9)
        equal(old.get(), [(MASTER, 'sync', 9)])
        equal(old.start(MASTER), 'EEXIST')
        equal(old.stop(MASTER), None)
        equal(shown(w.master), [])
        equal(old.start(BACKUP, syncid=255), None)
        w.master.stop('backup')
        equal(old.get(), [])


def test_counters():
    """Counters are there with their daemon and start at 0"""
    with World() as w:
        def names(role):
            return [key for key in w.master.counts()
                    if key.startswith(role + '.')]
        for role in 'master', 'backup':
            equal(names(role), [])
            w.master.start(role)
            check(len(names(role)) > 5, f'{names(role)}')
            if role == 'backup':
                w.inject(b'x', to=w.master)
                equal(w.master.rejects(), {'short': 1})
            w.master.stop(role)
            equal(names(role), [])
            w.master.start(role)
            counts = w.master.counts()
            equal({key: counts[key] for key in names(role) if counts[key]},
                  {f'{role}.0.since_message_ms': -1})
            w.master.stop(role)


def test_down():
    """On a device that is down a master can not start, a backup can"""
    with World() as w:
        w.master.ip('link set sync down')
        fails(w.master, 'unreachable', '--start-daemon', 'master',
              '--mcast-interface', 'sync')
        equal((shown(w.master), lib.threads()), ([], []))
        w.master.start('backup')
        w.master.ip('link set sync up')
        w.master.start('master')
        equal(shown(w.master), [line('master'), line('backup')])


if __name__ == '__main__':
    lib.main()
