#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""Sequence numbers: deltas of connections whose text is rewritten, and FTP.

    hand-made messages --> backup --client's packets--> HOLE
                              <--server's answers------

A helper that changes the length of what it rewrites has to shift all later
sequence numbers; a backup that takes over must shift them by the same.
"""

import lib
import packet
import wire
from lib import HOLE, VIP, World, check, equal, soon
from wire import IN_SEQ, OUT_SEQ, Record

FTP = f'{HOLE}:21'
# In: 7 before number 1000, 10 after it; out: 3 before 2000, 5 after it
SEQ = (1000, 10, 7, 2000, 5, 3)


class Shift(World):
    """A World with FTP, whose helper shifts numbers."""

    def make(self):
        super().make()
        self.service(f'-A -t {VIP}:21 -s rr', f'-a -t {VIP}:21 -r {FTP} -m')
        self.backup.start('backup')
        self.rear_seen = packet.Sniffer(self.server, 'backup')
        self.front_seen = packet.Sniffer(self.client, 'backup')

    def forward(self, flow, seq, ack):
        """The numbers at the server of a packet from the client."""
        self.rear_seen.read()
        flow.send('A', seq=seq, ack=ack)
        found = [p for p in self.rear_seen.read() if p.src == flow.client]
        return found and (found[0].seq, found[0].ack)

    def back(self, flow, seq, ack):
        """The numbers at the client of a packet from the server."""
        self.front_seen.read()
        self.reply(flow, 'A', server=FTP, via=self.backup, seq=seq, ack=ack)
        found = [p for p in self.front_seen.read() if p.dst == flow.client]
        return found and (found[0].seq, found[0].ack)


def record(flow, flags=IN_SEQ | OUT_SEQ, seq=SEQ):
    return Record('tcp', flow.client, f'{VIP}:21', FTP, flags=flags,
                  state=wire.TCP_ESTABLISHED, timeout=300, seq=seq)


def shifted(version):
    with Shift() as w:
        flow = w.flow('tcp', dst=f'{VIP}:21', via=w.backup)
        w.inject(record(flow), version=version)
        # Numbers of the client are shifted by the in deltas, what it
        # acknowledges was shifted by the out deltas.
        equal(w.forward(flow, 500, 1500), (507, 1497), 'before both')
        equal(w.forward(flow, 1500, 2500), (1510, 2495), 'after both')
        equal(w.back(flow, 1500, 500), (1503, 493), 'back, before')
        equal(w.back(flow, 2500, 1500), (2505, 1490), 'back, after')


def test_received_0():
    """Deltas of version 0 are applied"""
    shifted(0)


def test_received_1():
    """Deltas of version 1 are applied"""
    shifted(1)


def test_one_way():
    """Only the direction that is flagged is shifted"""
    for flags, there, back in ((IN_SEQ, (1510, 2500), (2500, 1490)),
                               (OUT_SEQ, (1500, 2495), (2505, 1500))):
        for version in 0, 1:
            with Shift() as w:
                flow = w.flow('tcp', dst=f'{VIP}:21', via=w.backup)
                w.inject(record(flow, flags), version=version)
                equal(w.forward(flow, 1500, 2500), there)
                equal(w.back(flow, 2500, 1500), back)


def test_no_data():
    """A flag without numbers shifts nothing, whatever used the memory of
    the connection before
    """
    with Shift() as w:
        before, after = [[w.flow('tcp', dst=f'{VIP}:21', via=w.backup)
                          for _ in range(20)] for _ in range(2)]
        records = [record(flow) for flow in before]
        for each in records:
            each.timeout = 1
        w.inject(*records)
        equal(len(w.backup.conns()), 20)
        soon(lambda: not w.backup.conns(), 'all are gone')
        w.inject(*(record(flow, seq=None) for flow in after))
        for flow in after:
            equal(w.forward(flow, 500, 1500), (500, 1500))
            equal(w.back(flow, 1500, 500), (1500, 500))


def test_update():
    """An update brings new deltas, or none any more"""
    for version in 0, 1:
        with Shift() as w:
            flow = w.flow('tcp', dst=f'{VIP}:21', via=w.backup)
            w.inject(record(flow, 0, None), version=version)
            equal(w.forward(flow, 1500, 2500), (1500, 2500), 'without')
            w.inject(record(flow), version=version)
            equal(w.forward(flow, 1500, 2500), (1510, 2495), 'with')
            w.inject(record(flow, seq=(3000, 20, 10, 4000, 15, 5)),
                     version=version)
            equal(w.forward(flow, 3500, 4500), (3520, 4485), 'with others')
            w.inject(record(flow, 0, None), version=version)
            equal(w.forward(flow, 3500, 4500), (3500, 4500), 'without')


def test_negative():
    """A text can have become shorter"""
    for version in 0, 1:
        with Shift() as w:
            flow = w.flow('tcp', dst=f'{VIP}:21', via=w.backup)
            less = 0x100000000 - 4
            w.inject(record(flow, seq=(1000, less, 0, 2000, less, 0)),
                     version=version)
            equal(w.forward(flow, 1500, 2500), (1496, 2504))


def test_passed_on():
    """What a backup took over it tells in its turn, as master"""
    for version, repair, size in ((0, 0, 4 + 24 + 24),
                                  (1, 0, 8 + 36 + 2 + 24),
                                  (1, 65536, 8 + 36 + 2 + 24 + 2 + 16)):
        with Shift() as w:
            flow = w.flow('tcp', dst=f'{VIP}:21', via=w.backup)
            w.inject(record(flow), version=version)
            w.backup.stop('backup')
            w.backup.sysctl(sync_version=version, sync_repair=repair)
            ear = w.tap(w.master)
            w.backup.start('master')
            flow.send('A')
            m, = soon(ear.read, 'a message')
            told, = m.records
            equal((m.version, told.seq), (version, SEQ))
            equal(told.flags & wire.SEQ, wire.SEQ)
            equal(m.size, size)


def test_ftp_data():
    """FTP's control and data connection are told, with its NAT"""
    with Shift() as w:
        w.sysctl(sync_threshold='1 10')
        w.master.start('master')
        front = packet.Sniffer(w.client, 'master')
        flow = w.flow('tcp', dst=f'{VIP}:21')
        flow.send('S', seq=100)
        w.reply(flow, 'SA', server=FTP, seq=500, ack=101)
        flow.send('A', seq=101, ack=501)
        flow.send('PA', b'PASV\r\n', seq=101, ack=501)
        w.reply(flow, 'PA', b'227 Entering Passive Mode (10,2,0,9,4,210).'
                b'\r\n', server=FTP, seq=501, ack=107)
        text, = soon(lambda: [p.data for p in front.read()
                              if b'227' in p.data], 'the client is answered')
        check(b'(10,1,0,1,4,210)' in text, f'client reads {text}')
        data = w.flow('tcp', dst=f'{VIP}:1234')
        data.open()
        equal(w.master.conn(data).server, f'{HOLE}:1234')
        for each in flow, data:
            soon(lambda each=each: w.backup.state(each) == 'ESTABLISHED',
                 f'{each.virtual} on the backup')
            equal(w.backup.conn(each).server, w.master.conn(each).server)
        # The data connection passes the backup.
        w.rear_seen.read()
        data.mac = w.backup.mac('front')
        data.send('PA', b'x')
        equal([p.dst for p in w.rear_seen.read() if p.src == data.client],
              [f'{HOLE}:1234'])


if __name__ == '__main__':
    lib.main()
