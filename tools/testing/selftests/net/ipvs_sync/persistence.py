#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""Persistence: templates, firewall marks, persistence engines.

    clients --packets--> master --messages--> tap, backup --packets--> servers

The backup must send a client to the server it had on the master. There are
three to choose from, which a scheduler that knew nothing would use in turn.
"""

import shutil
import time

import lib
import wire
from lib import VIP, VIP6, World, check, equal, skip, soon
from wire import Record, TEMPLATE

SERVERS = ['10.2.0.9', '10.2.0.10', '10.2.0.11']
SERVERS6 = ['[fd02::9]', '[fd02::a]', '[fd02::b]']


class Sticky(World):
    """A World with three servers that say nothing."""

    def make(self):
        super().make()
        for director in self.directors:
            director.ip(*(f'neighbour replace {server.strip("[]")} dev rear '
                          'lladdr 02:00:00:00:00:09'
                          for server in SERVERS + SERVERS6))

    def persistent(self, option, *more, port='', servers=None, dest=''):
        """Configure a service with three servers; dest is their port."""
        self.service(f'-A {option}{port} -s rr {" ".join(more)}',
                     *(f'-a {option}{port} -r {server}{dest or port} -m'
                       for server in servers or SERVERS))

    def templates(self, ns):
        return [c for c in ns.conns() if c.state in ('NONE', 'ASSURED')]

    def server_of(self, flow, director):
        """Open a connection; which server did it get?"""
        flow.mac = director.mac('front')
        if flow.protocol == 'tcp':
            flow.open()
        else:
            flow.send(times=3)
        return wire.split(director.conn(flow).server)[0]

    def clients(self, count, protocol='tcp', dst=f'{VIP}:80'):
        inet6 = dst.startswith('[')
        return [self.flow(protocol, dst=dst,
                          client=f'fd01::1:{i + 1}' if inet6 else
                          f'10.1.0.{100 + i}')
                for i in range(count)]

    def again(self, flow, dst=None):
        """Another flow of the same client."""
        return self.flow(flow.protocol, dst=dst or flow.virtual,
                         client=str(flow.src))

    def same_servers(self, count=7, **which):
        """Clients open connections at the master, then others at the
        backup: to the same servers?
        """
        flows = self.clients(count, **which)
        had = [self.server_of(flow, self.master) for flow in flows]
        check(len(set(had)) == 3, 'the scheduler does not take turns')
        soon(lambda: len(self.templates(self.backup)) == count,
             f'{count} templates on the backup')
        got = [self.server_of(self.again(flow), self.backup)
               for flow in flows]
        equal(got, had)


def test_port():
    """A persistent service"""
    for version in 0, 1:
        with Sticky() as w:
            w.sysctl(sync_version=version)
            w.persistent(f'-t {VIP}', '-p 300', port=':80')
            w.start()
            w.same_servers()


def test_all_ports():
    """A persistent service on all ports"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':0')
        w.start()
        w.same_servers()


def test_inet6():
    """A persistent service on IPv6"""
    with Sticky() as w:
        w.persistent(f'-t [{VIP6}]', '-p 300', port=':80', servers=SERVERS6)
        w.start()
        w.same_servers(dst=f'[{VIP6}]:80')


def test_netmask():
    """Clients of a network share a template"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300 -M 255.255.255.0', port=':80')
        w.start()
        first = w.server_of(w.flow('tcp', client='10.1.7.1'), w.master)
        soon(lambda: w.templates(w.backup), 'template on the backup')
        for i in range(2, 6):
            equal(w.server_of(w.flow('tcp', client=f'10.1.7.{i}'),
                              w.backup), first)
        equal(len(w.templates(w.backup)), 1)


def mark(director, value):
    """Mark what clients send."""
    for program in 'iptables', 'ip6tables':
        # Debian's default one needs nf_tables.
        legacy = f'{program}-legacy'
        director.run(legacy if shutil.which(legacy) else program, '-t',
                     'mangle', '-A', 'PREROUTING', '-i', 'front', '-p', 'tcp',
                     '-j', 'MARK', '--set-mark', str(value))


def test_mark():
    """A connection of a firewall mark"""
    with Sticky() as w:
        w.persistent('-f 5', dest=':0')
        for director in w.directors:
            mark(director, 5)
        w.start()
        ear = w.tap()
        flow = w.flow('tcp')
        w.server_of(flow, w.master)
        record, = soon(ear.records, 'a record')
        equal((record.flow(), record.fwmark), (flow.key(), 5))
        soon(lambda: w.backup.conn(flow), 'on the backup')
        server = wire.split(record.server)[0]
        equal(w.backup.dest(f'{server}:0'), (1, 0))


def test_mark_version_0():
    """Version 0 does not tell the mark: held, bound to no server"""
    with Sticky() as w:
        w.sysctl(sync_version=0)
        w.persistent('-f 5', dest=':0')
        for director in w.directors:
            mark(director, 5)
        w.start()
        flow = w.flow('tcp')
        server = w.server_of(flow, w.master)
        soon(lambda: w.backup.conn(flow), 'on the backup')
        equal(w.backup.dest(f'{server}:0'), (0, 0))


def test_mark_persistent():
    """A persistent service of a firewall mark"""
    with Sticky() as w:
        w.persistent('-f 5', '-p 300', dest=':0')
        for director in w.directors:
            mark(director, 5)
        w.start()
        ear = w.tap()
        w.same_servers()
        templates = [r for r in ear.records() if r.flags & TEMPLATE]
        check(templates, 'no template was told')
        for record in templates:
            equal((record.protocol, record.virtual, record.fwmark),
                  ('ip', '0.0.0.5:0', 5))


def test_mark_persistent_inet6():
    """The same on IPv6"""
    with Sticky() as w:
        w.persistent('-f 5 -6', '-p 300', servers=SERVERS6, dest=':0')
        for director in w.directors:
            mark(director, 5)
        w.start()
        w.same_servers(dst=f'[{VIP6}]:80')


def test_template_record():
    """A template as it is told: flags, state, timeout, ends"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.start()
        ear = w.tap()
        flow, = w.clients(1)
        server = w.server_of(flow, w.master)
        time.sleep(1)
        record = [r for r in ear.records() if r.flags & TEMPLATE][-1]
        equal(record.flow(), ('tcp', f'{flow.src}:0', f'{VIP}:80'))
        equal(record.server, f'{server}:80')
        equal(record.state, wire.TEMPLATE_ASSURED)
        equal(record.timeout, 300)
        template, = w.templates(w.backup)
        equal(template.state, 'ASSURED')
        check(298 <= template.expires <= 300, f'in {template.expires} s')


def test_template_state():
    """A template that is not assured is told so, then assured"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.start()
        flow, = w.clients(1)
        flow.send('S')
        soon(lambda: [c.state for c in w.templates(w.backup)] == ['NONE'],
             'a template on the backup')
        flow.send('A')
        flow.send('PA')
        soon(lambda: [c.state for c in w.templates(w.backup)] ==
             ['ASSURED'], 'the template is assured')


def test_template_refresh():
    """A packet of a connection with no news announces its template"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.sysctl(sync_refresh_period=20)
        w.start()
        flow, = w.clients(1)
        w.server_of(flow, w.master)
        time.sleep(15)
        other = w.again(flow)
        w.server_of(other, w.master)
        # The template was told with the first one, this one 10 s ago
        time.sleep(10)
        ear = w.tap()
        other.send('A')
        time.sleep(1)
        equal([r.flow() for r in ear.records()],
              [('tcp', f'{flow.src}:0', f'{VIP}:80')])


def test_template_counts():
    """A template counts as persistent, not as active or inactive"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.start()
        flow, = w.clients(1)
        server = w.server_of(flow, w.master)
        soon(lambda: len(w.backup.conns()) == 2, 'both on the backup')
        equal(w.backup.dest(f'{server}:80'), (1, 0))
        out = w.backup.run('ipvsadm', '-ln', '--persistent-conn')
        words = [line.split() for line in out.splitlines()
                 if f'{server}:80' in line][0]
        equal(words[3:], ['1', '1', '0'], 'weight, persistent, active...')


def test_template_moved():
    """A template that got another server replaces the old one"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.backup.start('backup')
        for server in SERVERS:
            w.inject(Record('tcp', '10.1.0.77:0', f'{VIP}:80',
                            f'{server}:80', flags=TEMPLATE,
                            state=wire.TEMPLATE_ASSURED, timeout=300))
            soon(lambda server=server:
                 [c.server for c in w.templates(w.backup)] ==
                 [f'{server}:80'], f'one template, to {server}')
        flow = w.flow('tcp', client='10.1.0.77')
        equal(str(w.server_of(flow, w.backup)), SERVERS[-1])


def test_template_own():
    """A backup that is master too keeps the templates it gave out"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.backup.start('master')
        w.backup.start('backup')
        flow, = w.clients(1)
        server = w.server_of(flow, w.backup)
        other = next(s for s in SERVERS if s != str(server))
        w.inject(Record('tcp', f'{flow.src}:0', f'{VIP}:80', f'{other}:80',
                        flags=TEMPLATE, state=wire.TEMPLATE_ASSURED,
                        timeout=300))
        equal(w.backup.rejects(), {'stale': 1})
        equal(w.server_of(w.again(flow), w.backup), server)


def test_persist_mode():
    """With sync_persist_mode only templates are told"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.persistent(f'-t {VIP}', port=':81')
        w.sysctl(sync_persist_mode=1, sync_threshold='3 5')
        w.start()
        ear = w.tap()
        flow, = w.clients(1)
        server = w.server_of(flow, w.master)
        flow.send('A', times=20)
        flow.send('FA')
        other = w.flow('tcp', dst=f'{VIP}:81')
        w.server_of(other, w.master)
        time.sleep(1)
        told = ear.records()
        check(any(r.flags & TEMPLATE for r in told), 'no template')
        equal({r.flow() for r in told if not r.flags & TEMPLATE},
              {other.key()})
        equal(w.backup.conn(flow), None)
        equal(w.server_of(w.again(flow), w.backup), server)


def test_persist_mode_off():
    """Turned off again, connections are told again"""
    with Sticky() as w:
        w.persistent(f'-t {VIP}', '-p 300', port=':80')
        w.sysctl(sync_persist_mode=1)
        w.start()
        flow, = w.clients(1)
        w.server_of(flow, w.master)
        w.sysctl(sync_persist_mode=0)
        other = w.again(flow)
        w.server_of(other, w.master)
        soon(lambda: w.backup.conn(other), 'on the backup')


def test_one_packet_server():
    """A template is told even if its server is set up for one packet"""
    with Sticky() as w:
        w.sysctl(sync_threshold='0 0')
        for director in w.directors:
            director.ipvsadm(f'-A -u {VIP}:53 -s rr -p 300')
            director.one_packet_server(f'{VIP}:53', f'{SERVERS[0]}:53')
        w.start()
        flow = w.flow('udp', dst=f'{VIP}:53')
        flow.send()
        for director in w.directors:
            soon(lambda director=director: len(w.templates(director)) == 1,
                 f'a template on {director.name}')
        equal(len(w.backup.conns()), 1, 'and nothing else')


def test_one_packet():
    """Templates of a one-packet service are told, packets are not"""
    with Sticky() as w:
        w.persistent(f'-u {VIP}', '-p 300 -o', port=':53')
        w.start()
        flow, = w.clients(1, protocol='udp', dst=f'{VIP}:53')
        flow.send(times=5)
        template, = soon(lambda: w.templates(w.backup) or w.backup.conns(),
                         'the template')
        equal(len(w.backup.conns()), 1)
        equal(template.client, f'{flow.src}:0')


CALL = b'INVITE sip:a@b SIP/2.0\r\nCall-ID: %s\r\nContent-Length: 0\r\n\r\n'


def sip(w):
    out = w.master.run('ipvsadm', '-A', '-u', f'{VIP}:5060', '-s', 'rr',
                       '-p', '300', '--pe', 'sip', '-o', ok=False)
    if out:
        skip(f'no persistence engine sip: {out.strip()}')
    w.backup.ipvsadm(f'-A -u {VIP}:5060 -s rr -p 300 --pe sip -o')
    for director in w.directors:
        director.ipvsadm(*(f'-a -u {VIP}:5060 -r {server}:5060 -m'
                           for server in SERVERS))


def call(w, name, director):
    """Send a call's packets; the server of the call's template."""
    flow = w.flow('udp', dst=f'{VIP}:5060')
    flow.mac = director.mac('front')
    flow.send(data=CALL % name, times=3)
    server, = [c.server for c in director.conns()
               if c.engine == ['sip', name.decode()]]
    return server


def test_engine():
    """A persistence engine's name and data, and what they choose"""
    with Sticky() as w:
        sip(w)
        w.start()
        ear = w.tap()
        # Odd lengths, so that records have to be aligned.
        names = [b'call-%s@x' % (b'y' * i) for i in range(1, 9)]
        had = [call(w, name, w.master) for name in names]
        check(len(set(had)) == 3, 'the scheduler does not take turns')
        soon(lambda: len(w.backup.conns()) == len(names), 'on the backup')
        told = {r.pe_data: (r.pe_name, r.server) for r in ear.records()}
        equal(told, {name: (b'sip', server)
                     for name, server in zip(names, had)})
        equal(sorted(c.engine for c in w.backup.conns()),
              sorted(['sip', name.decode()] for name in names))
        # The same calls, from other ports
        equal([call(w, name, w.backup) for name in names], had)
        equal(len(w.backup.conns()), len(names), 'templates')


def test_engine_length():
    """Its data at its shortest and its longest"""
    with Sticky() as w:
        sip(w)
        w.backup.start('backup')
        for size in 1, 2, 3, 254, 255:
            name = b'n' * size
            w.inject(Record('udp', f'10.1.0.7:{size}', f'{VIP}:5060',
                            '10.2.0.9:5060', flags=TEMPLATE, timeout=300,
                            pe_name=b'sip', pe_data=name))
            check(['sip', name.decode()] in
                  [c.engine for c in w.backup.conns()], f'{size} bytes')
        equal(w.backup.rejects(), {})


def test_engine_update():
    """A second message about a call updates it"""
    with Sticky() as w:
        sip(w)
        w.backup.start('backup')
        record = Record('udp', '10.1.0.7:0', f'{VIP}:5060', '10.2.0.9:5060',
                        flags=TEMPLATE, timeout=100, pe_name=b'sip',
                        pe_data=b'abc')
        w.inject(record)
        record.timeout = 200
        w.inject(record)
        conn, = w.backup.conns()
        check(conn.expires > 190, f'expires in {conn.expires}')
        equal(w.backup.count('backup.updated'), 1)


def test_engine_not_template():
    """Engine data of what is no template is not taken"""
    with Sticky() as w:
        sip(w)
        w.backup.start('backup')
        w.inject(Record('udp', '10.1.0.7:9', f'{VIP}:5060', '10.2.0.9:5060',
                        timeout=100, pe_name=b'sip', pe_data=b'abc'))
        conn, = w.backup.conns()
        equal(conn.engine, [])


if __name__ == '__main__':
    lib.main()
