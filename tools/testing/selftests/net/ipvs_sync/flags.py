#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""Which flags of a connection a backup takes over, and what it counts.

    hand-made messages --> backup --packet--> HOLE
                              |
                              +--> what it says of the connection itself

/proc does not show flags. So the backup runs a master too, and a packet that
passes it makes it announce the connection: that record shows them all.
"""

import lib
import wire
from lib import HOLE, VIP, World, check, equal, soon
from wire import (DROUTE, FWD, HASHED, INACTIVE, IN_SEQ, MASQ, NFCT,
                  NOOUTPUT, NO_CPORT, ONE_PACKET, OUT_SEQ, SEQ, SYNC, TUNNEL,
                  Record)

NAT = f'{HOLE}:80'
DR = f'{HOLE}:81'           # of a service on port 81: DR keeps the port
SEQS = (1, 2, 3, 4, 5, 6)


class Mirror(World):
    """A World whose backup announces too, on a link of its own."""

    def make(self):
        super().make()
        self.backup.ip(
            'link add echo type veth peer name echo netns '
            + self.master.name, 'address add 10.8.0.12/24 dev echo',
            'link set echo up')
        self.master.ip('address add 10.8.0.1/24 dev echo',
                       'link set echo up')
        self.backup.start('backup', syncid=7)
        self.backup.start('master', device='echo', syncid=9)
        self.echo = wire.Tap(self.master, 'echo')

    def services(self):
        self.backup.ipvsadm(f'-A -t {VIP}:80 -s rr',
                            f'-a -t {VIP}:80 -r {NAT} -m',
                            f'-A -t {VIP}:81 -s rr',
                            f'-a -t {VIP}:81 -r {DR} -g')

    def told(self, record, what='A'):
        """What the backup tells of a connection after a packet."""
        self.echo.read()
        client = wire.split(record.client)
        flow = self.flow(record.protocol, dst=record.virtual,
                         client=str(client[0]), port=client[1],
                         via=self.backup)
        flow.send(what)
        told = soon(lambda: [r for r in self.echo.records()
                             if r.flow() == record.flow()],
                    'the backup announces the connection')
        return told[-1]

    def flags(self, record):
        return self.told(record).flags


def tcp(flags=0, port=1000, server=NAT, state=wire.TCP_ESTABLISHED, **more):
    vport = server.split(':')[1]
    return Record('tcp', f'10.1.0.9:{port}', f'{VIP}:{vport}', server,
                  flags=flags, state=state, timeout=300, **more)


def unrelated(w):
    """Without any service IPVS looks at no packet."""
    w.backup.ipvsadm(f'-A -t {VIP}:99 -s rr')


def test_nooutput_no_server():
    """NOOUTPUT is ignored where no server is known"""
    with Mirror() as w:
        unrelated(w)
        record = tcp(MASQ | NOOUTPUT)
        w.inject(record, syncid=7)
        equal(hex(w.flags(record)), hex(SYNC))
        # A director that saw the client only would make it FIN_WAIT.
        w.told(record, 'FA')
        equal(w.backup.state(record), 'CLOSE_WAIT')


def test_nooutput_server():
    """NOOUTPUT follows from this director's own server"""
    with Mirror() as w:
        w.services()
        nat, direct = tcp(NOOUTPUT), tcp(MASQ, server=DR)
        w.inject(nat, direct, syncid=7)
        equal(hex(w.flags(nat) & NOOUTPUT), '0x0', 'NAT')
        equal(hex(w.flags(direct) & NOOUTPUT), hex(NOOUTPUT), 'DR')
        w.told(nat, 'FA')
        equal(w.backup.state(nat), 'CLOSE_WAIT')
        w.told(direct, 'FA')
        equal(w.backup.state(direct), 'FIN_WAIT')


def test_nooutput_update():
    """NOOUTPUT of an update is ignored too"""
    with Mirror() as w:
        w.services()
        for version in 0, 1:
            record = tcp(port=1000 + version)
            w.inject(record, syncid=7)
            record.flags = NOOUTPUT
            w.inject(record, syncid=7, version=version)
            equal(hex(w.flags(record) & NOOUTPUT), '0x0', f'v{version}')


def test_method():
    """The way of forwarding is the own server's, else the record's"""
    with Mirror() as w:
        w.services()
        nat, direct = tcp(TUNNEL), tcp(MASQ, server=DR)
        other = tcp(DROUTE, server=f'{HOLE}:82')
        w.inject(nat, direct, other, syncid=7)
        equal(w.flags(nat) & FWD, MASQ, 'NAT server')
        equal(w.flags(direct) & FWD, DROUTE, 'DR server')
        equal(w.flags(other) & FWD, DROUTE, 'no server')


def test_synced():
    """A connection that came by sync is known as such"""
    with Mirror() as w:
        w.services()
        for version in 0, 1:
            record = tcp(port=1000 + version)
            w.inject(record, syncid=7, version=version)
            equal(w.backup.conn(record).origin, 'SYNC')
            equal(hex(w.flags(record) & SYNC), hex(SYNC))
        local = w.flow('tcp', via=w.backup)
        local.open()
        equal(w.backup.conn(local).origin, 'LOCAL')


def test_created():
    """A new connection has no flags but those that it may have"""
    odd = HASHED | SYNC | 0x18 | 0xc000
    with Mirror() as w:
        unrelated(w)
        for port, version, flags in ((1000, 0, odd), (1001, 1, odd),
                                     (1002, 1, odd | 0xffff0000)):
            record = tcp(flags, port)
            w.inject(record, syncid=7, version=version)
            equal(hex(w.flags(record)), hex(SYNC), f'v{version}')


def test_one_packet_server():
    """What comes by sync is hashed, so it is no one-packet connection,
    whatever its server is set up for
    """
    with Mirror() as w:
        unrelated(w)
        late, soon_bound = [Record('udp', f'10.1.0.9:{port}', f'{VIP}:53',
                                   f'{HOLE}:53', timeout=300)
                            for port in (1000, 1001)]
        w.inject(late, syncid=7)
        w.backup.ipvsadm(f'-A -u {VIP}:53 -s rr')
        w.backup.one_packet_server(f'{VIP}:53', f'{HOLE}:53')
        # It is one: a client's own connection there does not last.
        flow = w.flow('udp', dst=f'{VIP}:53', via=w.backup)
        flow.send()
        equal(w.backup.conn(flow), None, 'a connection of its own')
        w.inject(late, soon_bound, syncid=7)
        equal(sum(w.backup.dest(f'{HOLE}:53')), 2, 'bound')
        for record in late, soon_bound:
            equal(hex(w.flags(record) & ONE_PACKET), '0x0')
            check(w.backup.conn(record), 'a packet has ended it')


def update_bits(with_server):
    with Mirror() as w:
        if with_server:
            w.services()
        else:
            unrelated(w)
        record = tcp()
        w.inject(record, syncid=7)
        equal(hex(w.flags(record)), hex(SYNC), 'as created')
        # The one in the middle changes a bit at a time; all the others
        # carry what an update may not touch.
        wrong = DROUTE | NOOUTPUT | NO_CPORT | HASHED | NFCT | 0xfffe0000
        for bits in INACTIVE, IN_SEQ, OUT_SEQ, SEQ | INACTIVE, 0:
            record.flags = wrong | bits
            record.seq = SEQS if bits & SEQ else None
            w.inject(record, syncid=7)
            equal(hex(w.flags(record)), hex(SYNC | bits), 'updated')
        for bits in SEQ | INACTIVE, 0:
            record.flags = (wrong | bits) & 0xffff
            record.seq = SEQS if bits & SEQ else None
            w.inject(record, syncid=7, version=0)
            equal(hex(w.flags(record)), hex(SYNC | bits), 'updated by v0')


def test_update_server():
    """An update changes INACTIVE and the SEQ bits, no others"""
    update_bits(True)


def test_update_no_server():
    """So it does for a connection without a server"""
    update_bits(False)


def test_update_keeps_template():
    """A connection and a template of the same ends do not mix"""
    with Mirror() as w:
        w.services()
        record = tcp()
        template = tcp(wire.TEMPLATE, state=wire.TEMPLATE_ASSURED)
        w.inject(record, template, syncid=7)
        states = sorted(conn.state for conn in w.backup.conns())
        equal(states, ['ASSURED', 'ESTABLISHED'])


def test_count_new():
    """A new connection is counted as INACTIVE says"""
    with World() as w:
        w.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {NAT} -m')
        w.backup.start('backup')
        w.inject(tcp())
        equal(w.backup.dest(NAT), (1, 0))
        # Not from the state: only the flag counts.
        w.inject(tcp(INACTIVE, port=1001))
        equal(w.backup.dest(NAT), (1, 1))
        w.inject(tcp(0, port=1002, state=wire.TCP_FIN_WAIT), version=0)
        equal(w.backup.dest(NAT), (2, 1))
        w.inject(tcp(INACTIVE, port=1003, state=wire.TCP_FIN_WAIT),
                 version=0)
        equal(w.backup.dest(NAT), (2, 2))
        # A template is neither.
        w.inject(tcp(wire.TEMPLATE, port=0, state=wire.TEMPLATE_ASSURED))
        equal(w.backup.dest(NAT), (2, 2))


def test_count_update():
    """The counts follow an update, and only what changes"""
    with World() as w:
        w.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {NAT} -m')
        w.backup.start('backup')
        for flags, counts in ((0, (1, 0)), (0, (1, 0)), (INACTIVE, (0, 1)),
                              (INACTIVE, (0, 1)), (NOOUTPUT, (1, 0)),
                              (INACTIVE, (0, 1)), (0, (1, 0))):
            for version in 0, 1:
                w.inject(tcp(flags), version=version)
                equal(w.backup.dest(NAT), counts, f'flags {flags:#x}')


def test_count_end():
    """When synced connections end the counts are back at nothing"""
    with World() as w:
        w.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {NAT} -m')
        w.backup.start('backup')
        records = [tcp(flags, port) for port, flags in
                   ((1000, 0), (1001, INACTIVE), (1002, 0),
                    (1003, INACTIVE))]
        w.inject(*records)
        equal(w.backup.dest(NAT), (2, 2))
        for record in records:
            record.timeout = 1
        records[2].flags, records[3].flags = INACTIVE, 0
        w.inject(*records)
        equal(w.backup.dest(NAT), (2, 2))
        soon(lambda: not w.backup.conns(), 'all are gone')
        equal(w.backup.dest(NAT), (0, 0))


def test_count_late():
    """What is bound late is counted as its latest INACTIVE says"""
    with World() as w:
        w.backup.start('backup')
        records = [tcp(flags, port) for port, flags in
                   ((1000, 0), (1001, INACTIVE), (1002, INACTIVE))]
        w.inject(*records)
        w.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {NAT} -m')
        equal(w.backup.dest(NAT), (0, 0), 'not bound yet')
        records[0].flags, records[1].flags = INACTIVE, 0
        w.inject(*records)
        equal(w.backup.dest(NAT), (1, 2))


def test_count_local():
    """A connection of this director's own is counted the same way"""
    with World() as w:
        w.service(f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {NAT} -m')
        w.backup.start('backup')
        flow = w.flow('tcp', via=w.backup)
        flow.open()
        equal(w.backup.dest(NAT), (1, 0))
        w.inject(tcp(INACTIVE, flow.sport, state=wire.TCP_FIN_WAIT))
        equal(w.backup.dest(NAT), (0, 1))
        equal(w.backup.state(flow), 'FIN_WAIT')
        w.inject(tcp(0, flow.sport))
        equal(w.backup.dest(NAT), (1, 0))
        equal(w.backup.conn(flow).origin, 'LOCAL')


if __name__ == '__main__':
    lib.main()
