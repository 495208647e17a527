#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""Malformed datagrams: each is refused, for the right reason, and counted.

    hand-made messages, a bad record between two good ones --> backup

Where the start of the next record is known, the good ones apply. Where it is
not, all that follow count as refused; a datagram refused as a whole is one.
"""

import random
import struct

import lib
import wire
from lib import HOLE, VIP, World, check, equal, soon
from wire import Record, message

SYNCID = 7


def good(port, **more):
    more.setdefault('state', wire.TCP_ESTABLISHED)
    more.setdefault('timeout', 300)
    return Record('tcp', f'10.1.0.2:{port}', f'{VIP}:80', f'{HOLE}:80',
                  **more)


def bad(**more):
    return good(2000, **more)


def other(protocol, state=0, flags=0):
    return Record(protocol, '10.1.0.2:2000', f'{VIP}:80', f'{HOLE}:80',
                  state=state, flags=flags, timeout=300)


def inet6(**more):
    return Record('tcp', '[fd01::2]:2000', '[fd01::1]:80', '[fd02::9]:80',
                  state=wire.TCP_ESTABLISHED, timeout=300, **more)


def size(record, value):
    """A record that lies about its size."""
    data = bytearray(record.encode(1))
    data[2:4] = struct.pack('!H', value)
    return bytes(data)


SEQ = bytes(24)
DATA, NAME = (wire.OPT_PE_DATA, b'call'), (wire.OPT_PE_NAME, b'sip')

# Whole datagrams: (what, bytes, reason)
DATAGRAMS = [
    ('one byte', b'\1', 'short'),
    ('three bytes', b'\1\7\0', 'short'),
    ('v0, size too large', message([bad()], SYNCID, 0, size=29), 'size'),
    ('v0, size too small', message([bad()], SYNCID, 0, size=27), 'size'),
    ('v0, size 0', message([bad()], SYNCID, 0, size=0), 'size'),
    ('v1, size too large', message([bad()], SYNCID, size=45), 'size'),
    ('v1, size too small', message([bad()], SYNCID, size=43), 'size'),
    ('v1, size 65535', message([bad()], SYNCID, size=65535), 'size'),
    ('v1, header cut off', struct.pack('!BBH', 0, SYNCID, 4), 'version'),
    ('v1, header cut short', struct.pack('!BBH3x', 0, SYNCID, 7), 'version'),
    ('version 0 in a header of v1',
     message([bad()], SYNCID, message_version=0), 'version'),
    ('version 2', message([bad()], SYNCID, message_version=2), 'version'),
    ('version 255', message([bad()], SYNCID, message_version=255),
     'version'),
    ('spare 1', message([bad()], SYNCID, spare=1), 'version'),
    ('spare 0xff00', message([bad()], SYNCID, spare=0xff00), 'version'),
    ('v0, syncid of others', message([bad()], 8, 0), 'syncid'),
    ('v1, syncid of others', message([bad()], 8), 'syncid'),
    ('v1, syncid 0', message([bad()], 0), 'syncid'),
]

# Records: (what, record, reason); all three for v1
RECORDS = [
    ('one-packet', bad(flags=wire.ONE_PACKET), 'flags'),
    ('template without client port',
     bad(flags=wire.TEMPLATE | wire.NO_CPORT, state=0), 'flags'),
    ('protocol that is not balanced', other('ip'), 'protocol'),
    ('protocol 255', other(255), 'protocol'),
    ('ICMP', other(1), 'protocol'),
    ('state of TCP', bad(state=wire.TCP_LAST), 'state'),
    ('state 65535', bad(state=65535), 'state'),
    ('state of UDP', other('udp', wire.UDP_LAST), 'state'),
    ('state of SCTP', other('sctp', wire.SCTP_LAST), 'state'),
    ('state of a template',
     bad(flags=wire.TEMPLATE, state=wire.TEMPLATE_LAST), 'state'),
]
RECORDS_V1 = [
    ('version 1 of a record', bad(version=1), 'record_version'),
    ('version 15 of a record', bad(version=15), 'record_version'),
    ('type 2', bad(type=2), 'type'),
    ('type 3', inet6(type=3), 'type'),
    ('type 0x80', bad(type=0x80), 'type'),
    ('IPv6 with IPv4 addresses', bad(type=1), ('option_size', 'record_size')),
    ('no room for addresses', size(bad(), 24) + b'', 'truncated'),
    ('option empty', bad(options=[(wire.OPT_SEQ, b'')]), 'option_size'),
    ('unknown option empty', bad(options=[(0x45, b'')]), 'option_size'),
    ('option beyond its record',
     bad(options=[(wire.OPT_PE_NAME, b'abc', 4)]), 'option_size'),
    ('skipped option beyond its record',
     bad(options=[(0x45, b'abc', 255)]), 'option_size'),
    ('half an option header',
     bad(options=[(0x45, b'')]).encode(1)[:-1], None),
    ('sequence data too short', bad(options=[(wire.OPT_SEQ, SEQ[1:])]),
     'option_size'),
    ('sequence data too long', bad(options=[(wire.OPT_SEQ, SEQ + b'x')]),
     'option_size'),
    ('engine name too long',
     bad(options=[DATA, (wire.OPT_PE_NAME, b'n' * 17)]), 'option_size'),
    ('sequence data twice', bad(options=[(wire.OPT_SEQ, SEQ)] * 2),
     'option_twice'),
    ('engine data twice', bad(options=[DATA, DATA, NAME]), 'option_twice'),
    ('engine name twice', bad(options=[DATA, NAME, NAME]), 'option_twice'),
    ('unknown option', bad(options=[(5, b'x')]), 'option_unknown'),
    ('option 0', bad(options=[(0, b'x')]), 'option_unknown'),
    ('option 0x85', bad(options=[(0x85, b'x')]), 'option_unknown'),
    ('engine data without a name', bad(options=[DATA], flags=wire.TEMPLATE),
     'pe_name'),
    ('engine that is not there',
     bad(options=[DATA, (wire.OPT_PE_NAME, b'none')], flags=wire.TEMPLATE),
     'pe_name'),
]
# What is above but needs its size given
for index, (what, record, reason) in enumerate(RECORDS_V1):
    if what == 'no room for addresses':
        RECORDS_V1[index] = (what, size(bad(), 24)[:24],
                             ('option_size', 'record_size'))
    elif what == 'half an option header':
        RECORDS_V1[index] = (what, size(bad(), 37) + b'\x45', 'option_size')

# Records behind which nothing can be found: (what, version, record, reason)
LAST = [
    ('size 0', 1, size(bad(), 0), 'record_size'),
    ('size 23', 1, size(bad(), 23), 'record_size'),
    ('size beyond the message', 1, size(bad(), 4095), 'truncated'),
    ('v0, sequence data missing', 0, bad(flags=wire.IN_SEQ), 'truncated'),
]


class Backup(World):
    """A World whose backup takes syncid 7."""

    def make(self):
        super().make()
        self.backup.start('backup', syncid=SYNCID)

    def rejected(self, what, data, reasons, count=1):
        """A datagram counts so often for one of the reasons."""
        before = self.backup.rejects()
        self.inject(data)
        after = self.backup.rejects()
        added = {reason: after[reason] - before.get(reason, 0)
                 for reason in after
                 if after[reason] != before.get(reason, 0)}
        reasons = [reasons] if isinstance(reasons, str) else reasons
        check(added in [{reason: count} for reason in reasons],
              f'{what}: counted {added}, want {count} {"/".join(reasons)}')

    def has(self, *ports):
        return sorted(int(c.client.split(':')[1])
                      for c in self.backup.conns()) == sorted(ports)


def test_datagrams():
    """Datagrams that are refused as a whole"""
    with Backup() as w:
        for what, data, reason in DATAGRAMS:
            w.rejected(what, data, reason)
            check(w.has(), f'{what}: applied')


def records(version, table):
    with Backup() as w:
        base = 1000
        want = []
        for what, record, reason in table:
            data = message([good(base), record, good(base + 1)], SYNCID,
                           version)
            w.rejected(what, data, reason)
            want += [base, base + 1]
            check(w.has(*want), f'{what}: the good ones do not apply')
            base += 2


def test_records_0():
    """Version 0: records that are refused between good ones"""
    records(0, RECORDS)


def test_records_1():
    """Version 1: records that are refused between good ones"""
    records(1, RECORDS)


def test_records_1_only():
    """Version 1: sizes, types and options"""
    records(1, RECORDS_V1)


def test_last():
    """Records behind which nothing can be found"""
    with Backup() as w:
        want = []
        for port, (what, version, record, reason) in enumerate(LAST, 1000):
            tail = [] if version == 0 else [good(2001), good(2002)]
            w.rejected(what, message([good(port), record, *tail], SYNCID,
                                     version), reason, 1 + len(tail))
            want.append(port)
            check(w.has(*want), f'{what}: what is before it')


def test_cut():
    """Messages that end at each possible byte"""
    for version, records_ in (
            (0, [good(1000), good(1001, flags=wire.SEQ, seq=(0,) * 6)]),
            (1, [good(1000), good(1001, seq=(0,) * 6, pe_name=b'sip',
                                  pe_data=b'x')])):
        with Backup() as w:
            whole = message(records_, SYNCID, version)
            header = 8 if version else 4
            for length in range(header, len(whole)):
                data = bytearray(whole[:length])
                data[2:4] = struct.pack('!H', length)
                before = sum(w.backup.rejects().values())
                w.inject(bytes(data))
                left = sum(w.backup.rejects().values()) - before
                first = len(records_[0].encode(version))
                equal(left, 1 if length >= header + first else 2,
                      f'v{version}: refused at {length} bytes')
                check(w.has(*([1000] if length >= header + first or
                              w.backup.conns() else [])), 'connections')
            equal(set(w.backup.rejects()), {'truncated'})


def test_count():
    """More records announced than there are"""
    with Backup() as w:
        for version in 0, 1:
            w.rejected(f'v{version}', message([good(1000)], SYNCID, version,
                                              count=255), 'truncated', 254)
        check(w.has(1000), 'the one that is there')


def test_stale():
    """The last word on a server that the flow has left"""
    with Backup() as w:
        for version in 0, 1:
            there = good(1000 + version)
            w.inject(there, syncid=SYNCID, version=version)
            late = good(1000 + version, flags=wire.INACTIVE,
                        state=wire.TCP_CLOSE)
            late.server = '10.2.0.3:80'
            w.rejected(f'v{version}', message([late], SYNCID, version),
                       'stale')
            conn = w.backup.conn(there)
            equal((conn.server, conn.state), (there.server, 'ESTABLISHED'))
            # The first word on a new server is not stale.
            late.flags, late.state = 0, wire.TCP_ESTABLISHED
            w.inject(late, syncid=SYNCID, version=version)
            soon(lambda late=late: [
                c.server for c in w.backup.conns()
                if c.key() == late.flow()] == [late.server], 'replaced')
        equal(w.backup.count('backup.replaced'), 2)


def test_moved():
    """A flow that the master has given to another server moves here too"""
    with Backup() as w:
        # UDP is always INACTIVE, which must not make it stale.
        for protocol, flags in ('udp', wire.INACTIVE), ('tcp', 0), \
                ('sctp', 0):
            state = {'udp': 0, 'tcp': wire.TCP_ESTABLISHED,
                     'sctp': wire.SCTP_ESTABLISHED}[protocol]
            record = Record(protocol, '10.1.0.2:2000', f'{VIP}:80',
                            f'{HOLE}:80', flags=flags, state=state,
                            timeout=300)
            w.inject(record, syncid=SYNCID)
            record.server = '10.2.0.3:80'
            w.inject(record, syncid=SYNCID)
            soon(lambda record=record: [
                c.server for c in w.backup.conns()
                if c.key() == record.flow()] == [record.server],
                 f'{protocol} moves')
        equal(w.backup.rejects(), {})


def test_harmless():
    """What looks odd but may be"""
    with Backup() as w:
        w.inject(good(1000, flags=wire.SEQ),            # no data with it
                 good(1001, flags=0xf000c018),          # unknown flags
                 good(1002, options=[NAME]),            # a name, no data
                 good(1003, options=[(0x41, SEQ)]),     # known, skippable
                 good(1004, fwmark=0xffffffff),
                 good(1005, flags=wire.NO_CPORT), syncid=SYNCID)
        equal(w.backup.rejects(), {})
        equal(len(w.backup.conns()), 6)


def test_all_reasons():
    """Each counter of rejects has been seen to count"""
    # Memory does not run out here, and IPv6 is built in.
    seen = {'family', 'nomem', 'stale'}
    for table in DATAGRAMS, RECORDS, RECORDS_V1, LAST:
        for *_, reason in table:
            seen.update([reason] if isinstance(reason, str) else reason)
    with Backup() as w:
        names = {key.split('.reject_')[1] for key in w.backup.counts()
                 if '.reject_' in key}
        equal(names, seen)


def test_random():
    """Valid messages with random damage: nothing worse than a reject"""
    rng = random.Random(20120424)
    with Backup() as w:
        for sent in range(1, 3001):
            version = rng.randrange(2)
            some = [rng.choice([good(rng.randrange(65536)), inet6()])
                    if version else good(rng.randrange(65536))
                    for _ in range(rng.randrange(1, 6))]
            for record in some:
                if rng.random() < 0.3:
                    record.flags, record.seq = wire.SEQ, (1, 2, 3, 4, 5, 6)
                if version and rng.random() < 0.3:
                    record.pe_name, record.pe_data = b'sip', b'd' * 9
                    record.flags |= wire.TEMPLATE
            data = bytearray(message(some, SYNCID, version))
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            if rng.random() < 0.3:
                data = data[:rng.randrange(len(data)) + 1]
            if rng.random() < 0.8 and len(data) >= 4:
                data[1] = SYNCID
                data[2:4] = struct.pack('!H', len(data))
            w.datagram(bytes(data))
            if not sent % 50:       # or its buffer would overflow
                soon(lambda sent=sent:
                     w.backup.count('backup.messages') == sent, 'all read')
        record = Record('udp', '10.1.77.7:7777', f'{VIP}:53', f'{HOLE}:53',
                        timeout=300)
        w.inject(record, syncid=SYNCID)
        check(w.backup.conn(record), 'the backup does not work any more')


if __name__ == '__main__':
    lib.main()
