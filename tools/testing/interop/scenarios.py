# SPDX-License-Identifier: GPL-2.0
"""What is played through a pair of directors: data only.

A Flow is one line of the connection tables, with the packets that lead to it.
A packet is written as its direction, > from the client and < from the real
server, then the flags of TCP or the chunk of SCTP, then a text.
"""

import dataclasses
import itertools
import os
import sys

sys.path.append(os.path.join(
    os.path.dirname(os.path.abspath(__file__)), os.pardir,
    'selftests/net/ipvs_sync'))

# pylint: disable=wrong-import-position
import wire                                                 # noqa: E402
from lib import GHOST, GHOST6, VIP, VIP6                    # noqa: E402

SERVERS = ['10.2.0.9', '10.2.0.10', '10.2.0.11']
SERVERS6 = ['fd02::9', 'fd02::a', 'fd02::b']
VIP_ALL = '10.1.0.21'   # of a service on all ports
PERSISTENCE = 300       # seconds
TCP_TIMEOUT = 900       # of ESTABLISHED

_ports = itertools.count(20000)


@dataclasses.dataclass
class Flow:
    protocol: str
    client: str
    virtual: str
    steps: list = ()
    state: str = None           # in the end, on the master
    after: list = ()            # packets after a take-over
    told: bool = True           # does the backup get to know it?
    origin: str = 'LOCAL'       # on the master
    engine: str = ''

    def key(self):
        return self.protocol, self.client, self.virtual


@dataclasses.dataclass
class Mark:
    """What comes for a port gets a firewall mark."""
    port: int
    value: int
    program: str = 'iptables'


@dataclasses.dataclass
class Scenario:
    name: str
    services: list              # lines for ipvsadm
    flows: list
    marks: list = ()
    again: list = ()            # flows that begin after a take-over
    packets: list = ()          # flows that are in no table
    told_first: list = ()       # records that made a backup of the master

    def everything(self):
        return [*self.flows, *self.packets, *self.again]


@dataclasses.dataclass
class Burst(Scenario):
    """Many flows at once, through daemons with options."""
    options: tuple = ()
    ports: int = 1
    maxlen: int = 1472
    versions: tuple = (0, 1)
    record: tuple = (24, 36)    # bytes of one with the gap, by version


def service(kind, ends, method='-m', servers=None, port='', more=''):
    """Lines for ipvsadm: a service and its real servers."""
    if servers is None:
        servers = [SERVERS6[0] if '[' in ends else SERVERS[0]]
    hosts = [f'[{host}]' if ':' in host else host for host in servers]
    port = port or ':' + ends.rsplit(':', 1)[1]
    return [f'-A {kind} {ends} -s rr {more}'.rstrip()] + \
        [f'-a {kind} {ends} -r {host}{port} {method}' for host in hosts]


def fresh(virtual, client=None):
    """A client's end that nobody has had."""
    if not client:
        client = GHOST6 if '[' in virtual else GHOST
    host = f'[{client}]' if ':' in client else client
    return f'{host}:{next(_ports)}'


def flows(protocol, virtual, scripts, after, more=''):
    """A flow for each script, {the state it leads to: steps}."""
    return [Flow(protocol, fresh(virtual), virtual, (more + steps).split(),
                 state.split(',')[0], [after])
            for state, steps in scripts.items()]


OPEN = '>S <SA >A >PA '
TCP_NAT = {
    'ESTABLISHED': '',
    'CLOSE_WAIT': '>FA',
    'TIME_WAIT': '>FA <FA >A',
    'FIN_WAIT': '<FA >A',
    'TIME_WAIT,the server first': '<FA >A >FA',
    'CLOSE': '>R',
    'CLOSE,the server': '<R >A',
}
# A director that sees one direction only
OPEN_ONE_WAY = '>S >A >PA '
TCP_ONE_WAY = {
    'ESTABLISHED': '',
    'FIN_WAIT': '>FA >A',
    'CLOSE': '>R',
}

SCTP_OPEN = '>init <init-ack >cookie-echo <cookie-ack >data >data '
SCTP_NAT = {
    'ESTABLISHED': '',
    'S-SENT': '<shutdown >data',
    'S-RECEIVED': '>shutdown',
    'S-ACK-SENT': '<shutdown <shutdown-ack >data',
    'CLOSED': '>shutdown <shutdown-ack >shutdown-complete',
    'CLOSED,aborted': '>abort',
}
SCTP_OPEN_ONE_WAY = '>init >cookie-echo >data '
SCTP_ONE_WAY = {
    'ESTABLISHED': '',
    'S-RECEIVED': '>shutdown',
    'CLOSED': '>abort',
}


def protocols():
    """TCP, UDP and SCTP, forwarded in each way, over IPv4 and IPv6."""
    ways = [('LVS-NAT', '-m', 80), ('direct routing', '-g', 81),
            ('tunnel', '-i', 82)]
    for vip, family in (VIP, ''), (f'[{VIP6}]', ', IPv6'):
        for way, method, port in ways:
            nat = method == '-m'
            virtual = f'{vip}:{port}'
            # Another port shows that the record has both.
            extra = ':8080' if nat else ''
            yield Scenario(
                f'TCP, {way}{family}',
                service('-t', virtual, method, port=extra),
                flows('tcp', virtual, TCP_NAT if nat else TCP_ONE_WAY, '>A',
                      OPEN if nat else OPEN_ONE_WAY))
            yield Scenario(
                f'UDP, {way}{family}',
                service('-u', virtual, method, port=extra),
                flows('udp', virtual, {'UDP': '> > >'}, '>'))
            yield Scenario(
                f'SCTP, {way}{family}',
                service('--sctp-service', virtual, method, port=extra),
                flows('sctp', virtual, SCTP_NAT if nat else SCTP_ONE_WAY,
                      '>data', SCTP_OPEN if nat else SCTP_OPEN_ONE_WAY))


def ipsec():
    """ESP and AH have no connections, they belong to a key exchange."""
    virtual = f'{VIP}:500'
    return Scenario(
        'ESP and AH', service('-u', virtual),
        [Flow('udp', '10.1.0.31:500', virtual, ['>', '>esp', '>esp'], 'UDP',
              ['>esp']),
         Flow('udp', '10.1.0.32:500', virtual, ['>', '>ah', '>ah'], 'UDP',
              ['>ah'])])


def held():
    virtual = f'{VIP}:83'
    told = {'SYN_RECV': '>S <SA', 'ESTABLISHED': '>S <SA >A'}
    found = flows('tcp', virtual, told, '')
    for flow in found:
        flow.told, flow.after = False, []
    return Scenario('opening and below sync_threshold',
                    service('-t', virtual), found)


def repeated():
    virtual = f'{VIP}:84'
    return Scenario(
        'TCP, SYN sent three times', service('-t', virtual),
        flows('tcp', virtual, {'ESTABLISHED': '>S >S >S <SA >A >PA'}, '>A'))


def persistent(name, kind, ends, virtual, template, clients, marks=(),
               more=''):
    """Clients that keep to their servers by templates."""
    inet6 = '[' in virtual
    scripts = [flow for client in clients for flow in (
        Flow('tcp', fresh(virtual, client), virtual, OPEN.split(),
             'ESTABLISHED', ['>A']),
        Flow(*template(client), state='ASSURED'))]
    again = [Flow('tcp', fresh(virtual, client), virtual, OPEN.split(),
                  'ESTABLISHED') for client in clients]
    # Without a template these would go to the same servers if they had the
    # order of those before, since the scheduler takes turns.
    return Scenario(
        name, service(kind, ends, servers=SERVERS6 if inet6 else SERVERS,
                      port='' if ends == virtual else ':0',
                      more=f'{more} -p {PERSISTENCE}'),
        scripts, marks, again[::-1])


def templates():
    clients = ['10.1.0.41', '10.1.0.42', '10.1.0.43']
    clients6 = ['fd01::41', 'fd01::42', 'fd01::43']
    virtual = f'{VIP}:85'
    yield persistent(
        'persistent', '-t', virtual, virtual,
        lambda client: ('tcp', f'{client}:0', virtual), clients)
    yield persistent(
        'persistent, all ports', '-t', f'{VIP_ALL}:0', f'{VIP_ALL}:86',
        lambda client: ('tcp', f'{client}:0', f'{VIP_ALL}:0'), clients)
    yield persistent(
        'persistent, firewall mark', '-f', '5', f'{VIP}:87',
        lambda client: ('ip', f'{client}:0', '0.0.0.5:0'), clients,
        [Mark(87, 5)])
    virtual6 = f'[{VIP6}]:85'
    yield persistent(
        'persistent, IPv6', '-t', virtual6, virtual6,
        lambda client: ('tcp', f'[{client}]:0', virtual6), clients6)
    yield persistent(
        'persistent, firewall mark, IPv6', '-f', '6 -6', f'[{VIP6}]:87',
        lambda client: ('ip', f'[{client}]:0', '[0:6::]:0'), clients6,
        [Mark(87, 6, 'ip6tables')])


def marked():
    """A service of a firewall mark, without persistence."""
    virtual = f'{VIP}:88'
    return Scenario(
        'firewall mark', service('-f', '7', port=':0', servers=SERVERS),
        flows('tcp', virtual, TCP_NAT, '>A', OPEN), [Mark(88, 7)])


def ftp():
    """Both kinds of data connections, whose control session lives on."""
    virtual = f'{VIP}:21'
    server = '10.2.0.11'
    passive, active = fresh(virtual), fresh(virtual)
    control = OPEN.split()
    pasv = f'<PA 227 Entering Passive Mode ({server},4,210).\r\n'
    port = f'>PA PORT {GHOST},4,211\r\n'
    found = [
        Flow('tcp', passive, virtual,
             control + ['>PA PASV\r\n', pasv.replace('.', ',', 3)],
             'ESTABLISHED', ['>A']),
        Flow('tcp', fresh(virtual), f'{VIP}:1234', OPEN.split(),
             'ESTABLISHED', ['>A']),
        Flow('tcp', active, virtual,
             control + [port.replace('.', ',', 3)],
             'ESTABLISHED', ['>A']),
        Flow('tcp', f'{GHOST}:1235', f'{VIP}:20',
             ['<S', '>SA', '<A', '>A', '>A'], 'ESTABLISHED', ['>A'])]
    return Scenario('FTP, passive and active',
                    service('-t', virtual, servers=[server]), found)


def sequence():
    """Numbers that a helper has shifted. Since FTP leaves that to conntrack,
    they come from a director before: a record that the master got as a backup.
    """
    virtual = f'{VIP}:89'
    both = wire.IN_SEQ | wire.OUT_SEQ
    numbers = (1000, 10, 7, 2000, 0xfffffffc, 3)
    told, found = [], []
    for flags in wire.IN_SEQ, wire.OUT_SEQ, both:
        client = fresh(virtual)
        told.append(wire.Record('tcp', client, virtual, f'{SERVERS[0]}:89',
                                flags=flags, state=wire.TCP_ESTABLISHED,
                                timeout=TCP_TIMEOUT, seq=numbers))
        # Stock passes on at the next threshold what came by sync.
        found.append(Flow('tcp', client, virtual, ['>A'] * 50, 'ESTABLISHED',
                          ['>A'], origin='SYNC'))
    return Scenario('sequence deltas', service('-t', virtual), found,
                    told_first=told)


def invite(call):
    return f'> INVITE sip:a@b SIP/2.0\r\nCall-ID: {call}\r\n' \
        'Content-Length: 0\r\n\r\n'


def calls(virtual, names):
    """(templates, the packets that made them): the connections of such a
    service have one packet each, and are in no table.
    """
    clients = [f'10.1.{2 + i // 200}.{1 + i % 200}'
               for i in range(len(names))]
    return [Flow('udp', f'{client}:0', virtual, state='NONE',
                 engine=f'sip {name}')
            for client, name in zip(clients, names)], \
        [Flow('udp', fresh(virtual, client), virtual, [invite(name)],
              after=[invite(name)])
         for client, name in zip(clients, names)]


def sip_service(virtual):
    return service('-u', virtual, servers=SERVERS, port=':5060',
                   more=f'-p {PERSISTENCE} --pe sip -o')


def sip():
    virtual = f'{VIP}:5060'
    names = ['x', 'call-yy@host', 'n' * 60, 'm' * 255]
    found, packets = calls(virtual, names)
    return Scenario('SIP', sip_service(virtual), found, packets=packets)


def last():
    """The flow whose arrival says that all before it have been told."""
    return Scenario('last', service('-u', f'{VIP}:9'),
                    flows('udp', f'{VIP}:9', {'UDP': '> > >'}, '>'))


TABLE = [*protocols(), ipsec(), held(), repeated(), *templates(), marked(),
         ftp(), sequence(), sip(), last()]


def burst(name, port, count, **more):
    virtual = f'{VIP}:{port}'
    return Burst(name, service('-u', virtual),
                 flows('udp', virtual,
                       {f'UDP,{i}': '>' for i in range(count)}, '>'), **more)


def bursts():
    yield burst('sync_ports 4', 1000, 60, ports=4)
    # A message can not count beyond 255.
    for i, (maxlen, count) in enumerate(((1, 30), (100, 60), (576, 60),
                                         (1472, 100), (9000, 300),
                                         (65507, 300))):
        options = () if maxlen == 1472 else ('--sync-maxlen', str(maxlen))
        yield burst(f'sync_maxlen {maxlen}', 1001 + i, count, maxlen=maxlen,
                    options=options)
    virtual = f'{VIP}:5061'
    names = [f'{i:03}' + 'x' * 252 for i in range(250)]
    found, packets = calls(virtual, names)
    yield Burst('sync_maxlen 65507, SIP', sip_service(virtual), found,
                packets=packets, maxlen=65507, versions=(1,),
                options=('--sync-maxlen', '65507'),
                record=(None, 36 + 2 + 255 + 2 + 3 + 2))


BURSTS = list(bursts())
NAMED = {scenario.name: scenario for scenario in TABLE + BURSTS}
