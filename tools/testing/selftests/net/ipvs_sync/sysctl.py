#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""The knobs, net.ipv4.vs.sync_*: names, defaults, what they take and refuse.

A value that is refused gives EINVAL and changes nothing.
"""

import ctypes
import errno
import os

import lib
from lib import World, check, equal

# Name: default, values taken (as they read back), values refused
KNOBS = {
    'sync_version': ('1', ['0', '1'], ['-1', '2', '256', 'x', '']),
    'sync_ports': ('1', ['1', '2', '4', '8', '16', '32', '64', '128'],
                   ['0', '-1', '3', '5', '6', '63', '65', 'x', '']),
    'sync_persist_mode': ('0', ['1', '0', '2', '-1'], ['x']),
    'sync_qlen_max': (None, ['0', '1', '123456', '4294967296'],
                      ['x', '-x']),
    'sync_sock_size': ('0', ['65536', '0', '1', '2147483647', '-1'],
                       ['x', '4294967296']),
    'sync_threshold': ('3\t50', ['0\t0', '5\t0', '0\t1', '1\t2',
                                 '2147483646\t2147483647', '3\t50'],
                       ['-1\t50', '3\t-1', '50\t50', '51\t50', '1\t1',
                        'x\t50', '3\tx', 'x']),
    'sync_refresh_period': ('0', ['1', '0', '10', '86400', '10000000'],
                            ['-1', 'x']),
    'sync_retries': ('0', ['0', '1', '2', '3'],
                     ['-1', '4', 'x', '1000000']),
    'sync_repair': ('65536', ['0', '1', '256', '1000', '4194304', '65536'],
                    ['-1', '4194305', '2147483647', 'x']),
    'sync_pace': ('200000', ['1000', '10000000', '200000'],
                  ['999', '10000001', '0', '-1', 'x']),
    'sync_delay': ('15', ['0', '1', '1000', '15'], ['-1', '1001', 'x']),
    'sync_silent': ('10', ['0', '1', '86400', '10'], ['-1', 'x']),
}


def read(ns, name):
    return ns.read(f'sys/ipv4/vs/{name}').rstrip('\n')


def refused(ns, name, value):
    """Write a value; how was it refused?"""
    try:
        ns.write(f'ipv4/vs/{name}', value)
    except OSError as why:
        return errno.errorcode[why.errno]
    return None


def one(name):
    """Default, good values, bad values."""
    default, good, bad = KNOBS[name]
    with World() as w:
        first = read(w.master, name)
        if default is not None:
            equal(first, default, 'default')
        for value in good:
            w.master.write(f'ipv4/vs/{name}', value)
            equal(read(w.master, name), value)
            for wrong in bad:
                if wrong == '':
                    continue
                equal(refused(w.master, name, wrong), 'EINVAL',
                      f'{value} -> {wrong!r}')
                equal(read(w.master, name), value, f'after {wrong!r}')
        equal(read(w.backup, name), first, 'another namespace')


def test_names():
    """There are these and no others"""
    with World() as w, w.master:
        names = [name for name in os.listdir('/proc/sys/net/ipv4/vs')
                 if name.startswith('sync_')]
    equal(sorted(names), sorted(KNOBS))


def test_mode():
    """All may read them, root may write them"""
    with World() as w, w.master:
        for name in KNOBS:
            mode = os.stat(f'/proc/sys/net/ipv4/vs/{name}').st_mode & 0o777
            equal(oct(mode), oct(0o644), name)


def test_queue_default():
    """sync_qlen_max: a 32nd of the pages of memory"""
    with open('/proc/meminfo', encoding='ascii') as file:
        total = int(file.readline().split()[1])
    with World() as w:
        pages = total * 1024 / os.sysconf('SC_PAGE_SIZE')
        value = int(read(w.master, 'sync_qlen_max'))
        check(0.7 * pages / 32 < value < 1.1 * pages / 32,
              f'{value} of {pages:.0f} pages')


def test_threshold_half():
    """sync_threshold: one value alone changes the first, if it may"""
    with World() as w:
        w.master.write('ipv4/vs/sync_threshold', '7')
        equal(read(w.master, 'sync_threshold'), '7\t50')
        equal(refused(w.master, 'sync_threshold', '50'), 'EINVAL')
        equal(read(w.master, 'sync_threshold'), '7\t50')


def test_ports_many():
    """sync_ports above 64 start 64 threads"""
    with World() as w:
        w.backup.sysctl(sync_ports=1024)
        w.backup.start('backup')
        equal(len(lib.threads()), 64)


def test_live():
    """They can be changed while daemons run"""
    with World() as w:
        w.start()
        for name, (_, good, bad) in KNOBS.items():
            for value in good:
                w.master.write(f'ipv4/vs/{name}', value)
            for wrong in filter(None, bad):
                equal(refused(w.master, name, wrong), 'EINVAL')


def unshare():
    """A child in a user namespace of its own, with a network of its own,
    that says which knobs it can not write.
    """
    here, there = os.pipe()
    child = os.fork()
    if not child:
        os.close(here)
        text = 'failed'
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            # CLONE_NEWUSER | CLONE_NEWNET
            if libc.unshare(0x10000000 | 0x40000000):
                text = 'unshare'
            else:
                with open('/proc/self/uid_map', 'w',
                          encoding='ascii') as file:
                    file.write('0 0 1')
                text = ' '.join(
                    name for name in sorted(KNOBS)
                    if not os.stat(f'/proc/sys/net/ipv4/vs/{name}').st_mode
                    & 0o200)
        finally:
            os.write(there, text.encode())
            os._exit(0)
    os.close(there)
    text = os.read(here, 4096).decode()
    os.close(here)
    os.waitpid(child, 0)
    return text


def test_container():
    """Who owns a container only may not set what costs memory"""
    text = unshare()
    if text == 'unshare':
        lib.skip('no user namespaces')
    equal(text, 'sync_qlen_max sync_repair sync_sock_size')


if __name__ == '__main__':
    lib.main(*((name, lambda name=name: one(name)) for name in KNOBS))
