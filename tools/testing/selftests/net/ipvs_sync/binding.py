#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""A connection that came before its service or server is bound late.

    hand-made messages --> backup --packet--> HOLE, seen by the server's side
                              ^
                              +-- services, configured only now

What it came as (direct routing here) must be forgotten by then: it goes the
way of the server it is bound to, with that server's application helper.
"""

import lib
import packet
import wire
from lib import HOLE, HOLE6, VIP, VIP6, World, check, equal, soon
from wire import DROUTE, Record

NAT = f'{HOLE}:8080'


class Late(World):
    """A World with a look at what reaches the servers."""

    def make(self):
        super().make()
        # Without any service IPVS looks at no packet.
        self.backup.ipvsadm(f'-A -t {VIP}:99 -s rr',
                            f'-A -t [{VIP6}]:99 -s rr')
        self.backup.start('backup')
        self.seen = packet.Sniffer(self.server, 'backup')

    def sent_to(self, record, what='A'):
        """Where the backup sends a packet of a connection."""
        self.seen.read()
        client, port = wire.split(record.client)
        self.flow(record.protocol, dst=record.virtual, client=str(client),
                  port=port, via=self.backup).send(what)
        found = [p.dst for p in self.seen.read()
                 if p.protocol == record.protocol and
                 p.src == record.client]
        return found[0] if found else None

    def bound(self):
        return self.backup.count('bound_late')


def tcp(flags=DROUTE, port=1000, server=NAT, virtual=f'{VIP}:80', **more):
    return Record('tcp', f'10.1.0.9:{port}', virtual, server, flags=flags,
                  state=wire.TCP_ESTABLISHED, timeout=300, **more)


def configure(w, method='-m', dest=NAT):
    w.backup.ipvsadm(f'-A -t {VIP}:80 -s rr',
                     f'-a -t {VIP}:80 -r {dest} {method}')


def test_packet():
    """A packet binds: server, counts, way of forwarding"""
    with Late() as w:
        record = tcp()
        w.inject(record)
        equal(w.sent_to(record), f'{VIP}:80', 'unbound, as it came')
        configure(w)
        equal(w.backup.dest(NAT), (0, 0))
        w.sent_to(record)
        equal(w.backup.dest(NAT), (1, 0))
        equal(w.sent_to(record), NAT, 'bound')
        equal(w.backup.dest(NAT), (1, 0), 'bound once')


def test_update():
    """The next message binds"""
    for version in 0, 1:
        with Late() as w:
            record = tcp()
            w.inject(record, version=version)
            configure(w)
            equal(w.bound(), 0)
            w.inject(record, version=version)
            equal(w.backup.dest(NAT), (1, 0))
            equal(w.bound(), 1)
            w.inject(record, version=version)
            equal(w.backup.dest(NAT), (1, 0))
            equal(w.bound(), 1)
            equal(w.sent_to(record), NAT)


def test_to_direct():
    """NAT on the wire, direct routing here"""
    with Late() as w:
        record = tcp(wire.MASQ, server=f'{HOLE}:80')
        w.inject(record)
        equal(w.sent_to(record), f'{HOLE}:80', 'unbound, as it came')
        configure(w, '-g', HOLE)
        w.inject(record)
        equal(w.sent_to(record), f'{VIP}:80', 'bound')


def test_server_later():
    """A service without the server does not bind, the server does"""
    with Late() as w:
        record = tcp()
        w.inject(record)
        configure(w, dest=f'{HOLE}:8081')
        w.inject(record)
        equal(w.sent_to(record), f'{VIP}:80')
        equal(w.bound(), 0)
        w.backup.ipvsadm(f'-a -t {VIP}:80 -r {NAT} -m')
        w.inject(record)
        equal(w.bound(), 1)
        equal(w.sent_to(record), NAT)
        equal(w.backup.dest(f'{HOLE}:8081'), (0, 0))


def test_inet6():
    """IPv6 is bound late by an IPv6 transmitter"""
    with Late() as w:
        nat = f'[{HOLE6}]:8080'
        record = Record('tcp', '[fd01::9]:1000', f'[{VIP6}]:80', nat,
                        flags=DROUTE, state=wire.TCP_ESTABLISHED,
                        timeout=300)
        w.inject(record)
        equal(w.sent_to(record), f'[{VIP6}]:80')
        w.backup.ipvsadm(f'-A -t [{VIP6}]:80 -s rr',
                         f'-a -t [{VIP6}]:80 -r {nat} -m')
        w.inject(record)
        equal(w.sent_to(record), nat)


def test_udp():
    """UDP is bound late as well"""
    with Late() as w:
        record = Record('udp', '10.1.0.9:1000', f'{VIP}:53', NAT,
                        flags=DROUTE | wire.INACTIVE, timeout=300)
        w.inject(record)
        equal(w.sent_to(record), f'{VIP}:53')
        w.backup.ipvsadm(f'-A -u {VIP}:53 -s rr',
                         f'-a -u {VIP}:53 -r {NAT} -m')
        w.sent_to(record)
        equal(w.backup.dest(NAT), (0, 1))
        equal(w.sent_to(record), NAT)


def test_mark():
    """A connection of a firewall mark is bound to the mark's service"""
    with Late() as w:
        nat = f'{HOLE}:80'      # a mark's servers have no port of their own
        record = tcp(DROUTE, server=nat, fwmark=5)
        w.inject(record)
        equal(w.sent_to(record), f'{VIP}:80')
        w.backup.ipvsadm('-A -f 4 -s rr', f'-a -f 4 -r {HOLE} -m')
        w.inject(record)
        equal(w.bound(), 0, 'the wrong mark')
        w.backup.ipvsadm('-A -f 5 -s rr', f'-a -f 5 -r {HOLE} -m')
        w.inject(record)
        equal(w.bound(), 1, 'the right mark')
        equal(w.sent_to(record), nat)


def template(how):
    """A template comes early; after how(w, template), new connections of
    its client must go to its server.
    """
    with Late() as w:
        # Of many servers, which the scheduler would all use in turn.
        servers = [f'{HOLE}:80', '10.2.0.3:80', '10.2.0.4:80']
        early = Record('tcp', '10.1.0.7:0', f'{VIP}:80', servers[2],
                       flags=wire.TEMPLATE | DROUTE,
                       state=wire.TEMPLATE_ASSURED, timeout=300)
        w.inject(early)
        w.backup.ipvsadm(f'-A -t {VIP}:80 -s rr -p 300',
                         *(f'-a -t {VIP}:80 -r {server} -m'
                           for server in servers))
        how(w, early)
        for _ in range(4):
            flow = w.flow('tcp', client='10.1.0.7', via=w.backup)
            flow.open()
            equal(w.backup.conn(flow).server, servers[2])
        equal(w.bound(), 1)


def test_template_update():
    """A template is bound by the next message and then chooses the server"""
    template(lambda w, early: w.inject(early))


def test_template_packet():
    """A template is bound when it is needed"""
    template(lambda w, early: None)


FTP = f'{HOLE}:21'
REPLY = b'227 Entering Passive Mode (10,2,0,9,4,210).\r\n'


def passive(w, record):
    """What the client gets to read when it asks for passive mode."""
    back = packet.Sniffer(w.client, 'backup')
    client, port = wire.split(record.client)
    flow = w.flow('tcp', dst=record.virtual, client=str(client), port=port,
                  via=w.backup)
    flow.send('PA', b'PASV\r\n', seq=100, ack=500)
    w.reply(flow, 'PA', REPLY, server=FTP, via=w.backup, seq=500, ack=106)
    data = [p.data for p in back.read() if p.dst == record.client and p.data]
    return data[0] if data else None


def helper(how):
    with Late() as w:
        record = tcp(DROUTE, server=FTP, virtual=f'{VIP}:21')
        w.inject(record)
        w.backup.ipvsadm(f'-A -t {VIP}:21 -s rr',
                         f'-a -t {VIP}:21 -r {FTP} -m')
        how(w, record)
        text = passive(w, record)
        check(text and b'(10,1,0,1,4,210)' in text, f'client reads {text}')
        data = soon(lambda: [c for c in w.backup.conns()
                             if c.server == f'{HOLE}:1234'],
                    'the data connection is expected')
        equal(data[0].virtual, f'{VIP}:1234')


def test_helper_update():
    """FTP's helper works after the next message bound its connection"""
    helper(lambda w, record: w.inject(record))


def test_helper_packet():
    """FTP's helper works after a packet bound its connection"""
    helper(lambda w, record: w.sent_to(record))


def test_helper_known():
    """FTP's helper works where the service was there before"""
    with Late() as w:
        w.backup.ipvsadm(f'-A -t {VIP}:21 -s rr',
                         f'-a -t {VIP}:21 -r {FTP} -m')
        record = tcp(DROUTE, server=FTP, virtual=f'{VIP}:21')
        w.inject(record)
        text = passive(w, record)
        check(text and b'(10,1,0,1,4,210)' in text, f'client reads {text}')


if __name__ == '__main__':
    lib.main()
