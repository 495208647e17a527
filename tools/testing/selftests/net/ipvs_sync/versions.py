#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""Both versions of the format, sent and received, field by field.

    client --packets--> master --messages--> tap, backup
                          hand-made messages --> backup
"""

import time

import lib
import wire
from lib import HOLE, HOLE6, VIP, VIP6, World, check, equal, soon
from wire import DROUTE, INACTIVE, MASQ, NOOUTPUT, TUNNEL, Record


class Both(World):
    """A World with a service for each way of forwarding."""

    def __init__(self, repair=None):
        super().__init__()
        self.repair = repair

    def make(self):
        super().make()
        if self.repair is not None:
            self.sysctl(sync_repair=self.repair)
        self.service(f'-A -t {VIP}:80 -s rr',
                     f'-a -t {VIP}:80 -r {HOLE}:8080 -m',
                     f'-A -t {VIP}:81 -s rr', f'-a -t {VIP}:81 -r {HOLE} -g',
                     f'-A -t {VIP}:82 -s rr', f'-a -t {VIP}:82 -r {HOLE} -i',
                     f'-A -u {VIP}:53 -s rr', f'-a -u {VIP}:53 -r {HOLE} -m',
                     f'-A -t [{VIP6}]:80 -s rr',
                     f'-a -t [{VIP6}]:80 -r [{HOLE6}]:8080 -m')

    def one(self, ear, flow):
        """The next message, which tells of one flow, and its record."""
        m, = soon(ear.read, 'a message')
        equal([record.flow() for record in m.records], [flow.key()])
        # What it says, said by us, must be the same to the byte.
        record = m.records[0]
        record.type = record.size = None
        numbered = m.version == 1 and self.repair is None
        equal(m.seq is not None, numbered)
        more = {'syncid': m.syncid, 'version': m.version}
        said = wire.numbered([record], m.instance, m.seq, **more) \
            if numbered else wire.message([record], **more)
        equal(m.data.hex(), said.hex())
        return m, record

    def all_sent(self, ear):
        """Without numbers there is nothing but records."""
        if self.repair == 0 or not self.master.numbers():
            time.sleep(5)
            equal([m.kind for m in ear.read(control=True)
                   if not m.records], [])


def sent(version, repair=None):
    with Both(repair) as w:
        w.sysctl(sync_version=version)
        w.start(syncid=7)
        ear = w.tap()
        for port, flags, dport in ((80, MASQ, 8080),
                                   (81, DROUTE | NOOUTPUT, 81),
                                   (82, TUNNEL | NOOUTPUT, 82)):
            flow = w.flow('tcp', dst=f'{VIP}:{port}')
            flow.open()
            m, record = w.one(ear, flow)
            equal((m.version, m.syncid), (version, 7))
            equal(m.size, 4 + 24 if not version else
                  8 + 36 if repair == 0 else 8 + 36 + 16)
            equal(m.source, '10.9.0.1')
            equal(record, Record(
                'tcp', flow.client, f'{VIP}:{port}', f'{HOLE}:{dport}',
                flags=flags, state=wire.TCP_ESTABLISHED,
                timeout=900 if version else 0))
            # Shortened for the rest of its life
            flow.send('FA')
            m, record = w.one(ear, flow)
            state = wire.TCP_CLOSE_WAIT if flags == MASQ else \
                wire.TCP_FIN_WAIT
            equal(record, Record(
                'tcp', flow.client, f'{VIP}:{port}', f'{HOLE}:{dport}',
                flags=flags | INACTIVE, state=state,
                timeout=(60 if flags == MASQ else 120) if version else 0))
        flow = w.flow('udp', dst=f'{VIP}:53')
        flow.send(times=3)
        m, record = w.one(ear, flow)
        equal(record, Record(
            'udp', flow.client, f'{VIP}:53', f'{HOLE}:53', flags=INACTIVE,
            state=wire.UDP_NORMAL, timeout=300 if version else 0))
        soon(lambda: len(w.backup.conns()) == 4, 'all on the backup')
        equal(w.backup.rejects(), {})
        w.all_sent(ear)


def test_sent_0():
    """Version 0 as it is sent"""
    sent(0)


def test_sent_1():
    """Version 1 as it is sent"""
    sent(1, 0)


def test_sent_1_numbered():
    """Version 1 as it is sent with numbers"""
    sent(1)


def test_sent_inet6():
    """IPv6 in version 1"""
    sent_inet6(0)


def test_sent_inet6_numbered():
    """IPv6 in version 1 with numbers"""
    sent_inet6(None)


def sent_inet6(repair):
    with Both(repair) as w:
        w.start()
        ear = w.tap()
        flow = w.flow('tcp', dst=f'[{VIP6}]:80')
        flow.open()
        m, record = w.one(ear, flow)
        equal(m.size, 8 + 72 + 16 * (repair is None))
        equal(record, Record(
            'tcp', flow.client, f'[{VIP6}]:80', f'[{HOLE6}]:8080',
            state=wire.TCP_ESTABLISHED, timeout=900))
        equal(m.data[8], 1, 'type of the record')


def test_inet6_version_0():
    """Version 0 can not tell of IPv6: counted, not sent"""
    with Both() as w:
        w.sysctl(sync_version=0)
        w.start()
        ear = w.tap()
        inet6, inet = w.flow('tcp', dst=f'[{VIP6}]:80'), w.flow('tcp')
        inet6.open()
        inet.open()
        time.sleep(0.1)
        equal([r.flow() for r in ear.records()], [inet.key()])
        equal(w.master.count('master.untold'), 1)


def test_switch():
    """The version that is sent changes with the sysctl, at once"""
    with Both() as w:
        w.start()
        ear = w.tap()
        for version in 1, 0, 1:
            w.master.sysctl(sync_version=version)
            flow = w.flow('tcp')
            flow.open()
            equal(w.one(ear, flow)[0].version, version)
            soon(lambda flow=flow: w.backup.conn(flow), 'on the backup')


def test_many():
    """Records follow each other without a gap"""
    for version, size, repair in (0, 24, None), (1, 36, 0), (1, 36, None):
        behind = 16 if version and repair is None else 0
        with Both(repair) as w:
            w.sysctl(sync_version=version)
            w.start()
            ear = w.tap()
            flows = [w.flow('tcp') for _ in range(10)]
            for flow in flows:
                flow.open()
            time.sleep(0.1)
            m, = ear.read()
            equal(m.size, (8 if version else 4) + 10 * size + behind)
            equal({r.flow() for r in m.records}, {f.key() for f in flows})


FIELDS = [
    ('protocol', Record('udp', '10.1.0.9:1', f'{VIP}:2', '10.2.0.9:3')),
    ('addresses and ports',
     Record('tcp', '1.2.3.4:258', '5.6.7.8:772', '9.10.11.12:1286',
            state=wire.TCP_ESTABLISHED)),
    ('highest values',
     Record('tcp', '255.255.255.254:65535', '223.255.255.254:65534',
            '223.255.255.253:65533', state=wire.TCP_ESTABLISHED)),
    ('SCTP', Record('sctp', '10.1.0.9:1', f'{VIP}:2', '10.2.0.9:3',
                    state=wire.SCTP_ESTABLISHED)),
    ('AH', Record('ah', '10.1.0.9:500', f'{VIP}:500', '10.2.0.9:500')),
    ('ESP', Record('esp', '10.1.0.9:500', f'{VIP}:500', '10.2.0.9:500')),
]


def received(version):
    """Every field of a record arrives."""
    with Both() as w:
        w.backup.start('backup')
        for what, record in FIELDS:
            record.timeout = 1234 if version else 0
            w.inject(record, version=version)
            conn = w.backup.conn(record)
            check(conn, f'{what}: no connection')
            equal(conn.server, record.server, what)
            if version:
                check(1230 <= conn.expires <= 1234,
                      f'{what}: expires in {conn.expires}')
        equal(w.backup.rejects(), {})


def test_received_0():
    """Version 0 as it is received"""
    received(0)


def test_received_1():
    """Version 1 as it is received"""
    received(1)


def test_received_inet6():
    """IPv6 in version 1 as it is received"""
    with Both() as w:
        w.backup.start('backup')
        record = Record('tcp', '[1:203:405:607:809:a0b:c0d:e0f]:258',
                        '[2001:db8:1:2:3:4:5:6]:772',
                        '[2001:db8:f:e:d:c:b:a]:1286',
                        state=wire.TCP_FIN_WAIT, timeout=77)
        w.inject(record)
        conn = w.backup.conn(record)
        equal((conn.server, conn.state), (record.server, 'FIN_WAIT'))
        check(75 <= conn.expires <= 77, f'expires in {conn.expires}')


STATES = {'tcp': ['NONE', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT',
                  'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK', 'LISTEN',
                  'SYNACK'],
          'udp': ['UDP'],
          'sctp': ['NONE', 'INIT1', 'INIT', 'C-SENT', 'C-REPLIED', 'C-WAIT',
                   'COOKIE', 'C-ECHOED', 'ESTABLISHED', 'S-SENT',
                   'S-RECEIVED', 'S-ACK-SENT', 'REJECTED', 'CLOSED']}


def test_states():
    """Every state of every protocol"""
    for version in 0, 1:
        with Both() as w:
            w.backup.start('backup')
            records = {(protocol, state):
                       Record(protocol, f'10.1.0.2:{1000 + state}',
                              f'{VIP}:80', f'{HOLE}:80', state=state,
                              timeout=100)
                       for protocol, names in STATES.items()
                       for state in range(len(names))}
            w.inject(*records.values(), version=version)
            for (protocol, state), record in records.items():
                equal(w.backup.state(record), STATES[protocol][state])
            equal(w.backup.rejects(), {})


def expires(w, record):
    return w.backup.conn(record).expires


def test_timeout_table():
    """Without a timeout on the wire it is that of the state here"""
    table = {wire.TCP_ESTABLISHED: 900, wire.TCP_FIN_WAIT: 120,
             wire.TCP_CLOSE: 10, wire.TCP_CLOSE_WAIT: 60}
    for version in 0, 1:
        with Both() as w:
            w.backup.start('backup')
            for state, seconds in table.items():
                record = Record('tcp', f'10.1.0.2:{1000 + state}',
                                f'{VIP}:80', f'{HOLE}:8080', state=state)
                w.inject(record, version=version)
                check(seconds - 2 <= expires(w, record) <= seconds,
                      f'v{version}: state {state} expires in '
                      f'{expires(w, record)}')
            record = Record('tcp', '10.1.0.2:0', f'{VIP}:80', f'{HOLE}:8080',
                            flags=wire.TEMPLATE)
            w.inject(record, version=version)
            check(178 <= expires(w, record) <= 180, 'template expires in '
                  f'{expires(w, record)}')


def test_timeout_range():
    """Timeouts from a second to the longest"""
    with Both() as w:
        w.backup.start('backup')
        record = Record('tcp', '10.1.0.2:1000', f'{VIP}:80', f'{HOLE}:8080',
                        state=wire.TCP_ESTABLISHED)
        for seconds in 1, 59, 86400, 1 << 20:
            record.timeout = seconds
            w.inject(record)
            check(seconds - 1 <= expires(w, record) <= seconds,
                  f'{seconds}: expires in {expires(w, record)}')
        record.timeout = 0xffffffff
        w.inject(record)
        check(w.backup.conn(record), 'gone with the longest timeout')
        record.timeout = 1
        w.inject(record)
        soon(lambda: not w.backup.conn(record), 'expired')


def test_two_masters():
    """Masters of both versions, one backup"""
    with Both() as w:
        w.backup.start('backup')
        for i in range(10):
            for version in 0, 1:
                w.inject(Record('tcp', f'10.1.{version}.2:{1000 + i}',
                                f'{VIP}:80', f'{HOLE}:8080',
                                state=wire.TCP_ESTABLISHED),
                         version=version)
        equal(len(w.backup.conns()), 20)
        equal(w.backup.dest(f'{HOLE}:8080'), (20, 0))


def test_tail():
    """Bytes behind the last record do no harm"""
    with Both() as w:
        w.backup.start('backup')
        for version in 0, 1:
            for i, size in enumerate((1, 3, 32, 1000)):
                record = Record('tcp', f'10.1.{version}.2:{1000 + i}',
                                f'{VIP}:80', f'{HOLE}:8080',
                                state=wire.TCP_ESTABLISHED)
                w.inject(record, version=version, tail=b'\xff' * size)
                check(w.backup.conn(record), f'v{version}, {size} bytes')
        equal(w.backup.rejects(), {})


def test_skipped_option():
    """An option that may be skipped is, whatever it is"""
    with Both() as w:
        w.backup.start('backup')
        for i, text in enumerate((b'x', b'y' * 255, b'\0' * 7)):
            record = Record('tcp', f'10.1.0.2:{1000 + i}', f'{VIP}:80',
                            f'{HOLE}:8080', state=wire.TCP_ESTABLISHED,
                            options=[(wire.OPT_SKIP | 5, text)])
            after = Record('tcp', f'10.1.1.2:{1000 + i}', f'{VIP}:80',
                           f'{HOLE}:8080', state=wire.TCP_ESTABLISHED)
            w.inject(record, after)
            check(w.backup.conn(record) and w.backup.conn(after),
                  f'{len(text)} bytes')
        equal(w.backup.rejects(), {})


def test_empty():
    """A message without records is none"""
    with Both() as w:
        w.backup.start('backup')
        for version in 0, 1:
            # In version 0 no records means version 1 or what it ignores.
            w.inject(version=version)
        equal(w.backup.conns(), [])
        w.inject(Record('udp', '10.1.0.2:1000', f'{VIP}:53', f'{HOLE}:53'))
        equal(len(w.backup.conns()), 1)


if __name__ == '__main__':
    lib.main()
