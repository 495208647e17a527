#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""What a daemon is started with: length, syncid, group, port, ttl.

    client --packets--> master <--messages--> tap, backup
"""

import time

import lib
from lib import HOLE, HOLE6, VIP, VIP6, World, check, equal, soon
from wire import Record

DNS, DNS6 = f'{VIP}:53', f'[{VIP6}]:53'


class Quick(World):
    """A World where the first packet of a flow announces it."""

    def __init__(self, repair=None):
        super().__init__()
        self.repair = repair

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -u {DNS6} -s rr',
                     f'-a -u {DNS6} -r [{HOLE6}]:53 -m')
        self.sysctl(sync_threshold='0 0')
        if self.repair is not None:
            self.sysctl(sync_repair=self.repair)

    def burst(self, count, dst=DNS):
        """New flows, all at one moment; gives them."""
        flows = [self.flow('udp', dst=dst) for _ in range(count)]
        for flow in flows:
            flow.send()
        return flows

    def single(self, ear):
        """One flow's message."""
        flow, = self.burst(1)
        m, = soon(ear.read, 'a message')
        equal([r.flow() for r in m.records], [flow.key()])
        return m


def length(maxlen, version, limit, repair=None):
    """No message is longer, none tells of more than 255, none is lost."""
    with Quick(repair) as w:
        w.sysctl(sync_version=version)
        w.backup.start('backup')
        w.master.start('master', *(('--sync-maxlen', str(maxlen))
                                   if maxlen else ()))
        behind = 0
        if w.master.numbers():
            w.in_sync()
            behind = 16
        ear = w.tap()
        # No more messages than the backup's socket takes at once
        flows = w.burst(300 if limit > 100 else 150)
        soon(lambda: w.backup.count('backup.records') == len(flows),
             f'all {len(flows)} arrive')
        equal(len(w.backup.conns()), len(flows))
        equal(w.backup.rejects(), {})
        messages = ear.read()
        header, size = (8, 36) if version else (4, 24)
        largest = max(m.size for m in messages)
        most = max(1, min(255, ((limit & ~3 if behind else limit) - header -
                                behind) // size))
        equal(max(len(m.records) for m in messages), most)
        equal(largest, header + most * size + behind)
        check(largest <= limit or most == 1, f'{largest} bytes')
        equal({m.seq is not None for m in messages}, {bool(behind)})
        # A few may be part-full.
        check(len(messages) <= len(flows) / most + 4,
              f'{len(messages)} messages')


LENGTHS = [(1, 0), (44, 44), (79, 79), (None, 1472), (9187, 9187),
           (65507, 65507)]


def test_length_inet6():
    """A record longer than the length goes by itself"""
    length_inet6(0)


def test_length_inet6_numbered():
    """So it does with a number"""
    length_inet6(16)


def length_inet6(behind):
    with Quick(None if behind else 0) as w:
        w.backup.start('backup')
        w.master.start('master', '--sync-maxlen', '50')
        if behind:
            w.in_sync()
        ear = w.tap()
        flows = w.burst(10, DNS6) + w.burst(10)
        soon(lambda: len(w.backup.conns()) == len(flows), 'all arrive')
        equal({(m.size, len(m.records)) for m in ear.read()},
              {(80 + behind, 1), (44 + behind, 1)})


def test_length_backup():
    """A backup takes longer messages than it was told to"""
    with Quick() as w:
        w.backup.start('backup', '--sync-maxlen', '1024')
        w.master.start('master', '--sync-maxlen', '65507')
        flows = w.burst(250)
        soon(lambda: len(w.backup.conns()) == len(flows), 'all arrive')


def test_syncid():
    """A backup takes messages of its syncid only"""
    equal(syncids(0), 3)


def test_syncid_hello():
    """And HELLOs"""
    check(syncids(None) >= 6, 'HELLOs of others do not count')


def syncids(repair):
    """How many were rejected for their syncid, of three flows"""
    with Quick(repair) as w:
        w.backup.start('backup', syncid=7)
        for syncid, taken in (7, True), (8, False), (0, False), (255, False):
            # Not what the master before told the backup that joined
            ear = w.tap()
            w.master.start('master', syncid=syncid)
            equal(w.single(ear).syncid, syncid)
            w.master.stop('master')
            if taken:
                soon(w.backup.conns, 'on the backup')
            else:
                soon(lambda: w.backup.rejects(), 'a message is rejected')
        rejects = w.backup.rejects()
        equal(list(rejects), ['syncid'])
        equal(len(w.backup.conns()), 1)
        return rejects['syncid']


def test_syncid_any():
    """Syncid 0 takes those of all"""
    with Quick() as w:
        w.backup.start('backup', syncid=0)
        for i, syncid in enumerate((0, 1, 7, 255)):
            for version in 0, 1:
                w.inject(Record('udp', f'10.1.{version}.2:{1000 + i}', DNS,
                                f'{HOLE}:53'),
                         syncid=syncid, version=version)
        equal(len(w.backup.conns()), 8)


def test_syncid_range():
    """Syncid 255 is the last"""
    with Quick() as w:
        w.backup.start('backup', syncid=255)
        w.master.start('master', syncid=255)
        flow, = w.burst(1)
        soon(lambda: w.backup.conn(flow), 'on the backup')


def test_ttl():
    """The ttl, 1 unless told otherwise"""
    with Quick() as w:
        ear = w.tap()
        for options, ttl in ((), 1), (('--mcast-ttl', '5'), 5), \
                (('--mcast-ttl', '255'), 255):
            w.master.start('master', *options)
            equal(w.single(ear).ttl, ttl)
            w.master.stop('master')


def test_group():
    """The group and the port, others than the usual ones"""
    with Quick() as w:
        where = '--mcast-group', '239.1.2.3', '--mcast-port', '12345'
        usual, ear = w.tap(), w.tap(group='239.1.2.3', port=12345)
        w.backup.start('backup', *where)
        w.master.start('master', *where)
        w.single(ear)
        equal(usual.read(), [])
        soon(lambda: w.backup.conns(), 'on the backup')


def test_source():
    """Messages come from the address of the link"""
    with Quick() as w:
        ear = w.tap()
        w.master.start('master')
        equal(w.single(ear).source, '10.9.0.1')


def test_device():
    """A backup hears its link and no other"""
    with Quick() as w:
        w.backup.start('backup', device='rear')
        ear = w.tap()
        w.master.start('master')
        w.single(ear)
        equal(w.backup.count('backup.messages'), 0)


def test_unicast():
    """A backup does not listen to what is sent to itself"""
    with Quick() as w:
        w.backup.start('backup')
        data = lib.wire.message([Record('udp', '10.1.0.2:1000', DNS,
                                        f'{HOLE}:53')])
        w.datagram(data, group='10.9.0.12')
        time.sleep(0.5)
        equal(w.backup.count('backup.messages'), 0)


def test_both():
    """Two directors that are master and backup both"""
    with Quick() as w:
        for director in w.directors:
            director.start('master', syncid=7)
            director.start('backup', syncid=7)
        # Until then what they ask each other for is told twice.
        for director in w.directors:
            w.in_sync(director)
        here = w.burst(10)
        there = [w.flow('udp', dst=DNS, via=w.backup) for _ in range(10)]
        for flow in there:
            flow.send()
        for director in w.directors:
            soon(lambda d=director: len(d.conns()) == 20,
                 f'{director.name} has all')
            equal({c.key() for c in director.conns() if c.origin == 'SYNC'},
                  {f.key() for f in (there if director is w.master
                                     else here)})
        time.sleep(5)
        for director in w.directors:
            # Nobody hears himself or passes on what he heard.
            equal(director.count('backup.records'), 10)
            equal(director.count('master.records'), 10)


def test_both_stop():
    """One of two daemons of a director stops, the other goes on"""
    with Quick() as w:
        for director in w.directors:
            director.start('master')
            director.start('backup')
        w.master.stop('backup')
        flow, = w.burst(1)
        soon(lambda: w.backup.conn(flow), 'on the backup')
        w.backup.stop('master')
        flow, = w.burst(1)
        soon(lambda: w.backup.conn(flow), 'on the backup')
        check(not w.backup.run('ipvsadm', '-ln', '--daemon')
              .startswith('master'), 'the master still runs')


if __name__ == '__main__':
    lib.main(*((f'Messages of at most {maxlen or "the usual"} bytes, '
                f'version {version}' + ', numbered' * (repair is None),
                lambda maxlen=maxlen, version=version, limit=limit,
                repair=repair: length(maxlen, version, limit, repair))
               for maxlen, limit in LENGTHS
               for version, repair in ((0, 0), (1, 0), (1, None))))
