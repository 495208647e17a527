# SPDX-License-Identifier: GPL-2.0
"""Two directors' connections, field by field.

A difference is a field with a text; those of a scenario are {field: [text]}.
Fields that begin with "then" are of what the backup tells of its connections
when it has become master, compared with what the master goes on telling.
"""

import collections
import dataclasses

import wire

# What a backup takes over of a record's flags
CARRIED = wire.FWD | wire.NOOUTPUT | wire.INACTIVE | wire.SEQ | \
    wire.NO_CPORT | wire.TEMPLATE
# Most bytes of a record, those that align it with them
RECORD_MAX = 380


@dataclasses.dataclass
class Rules:
    """What the two kernels may do differently, in seconds."""
    late: int           # from a packet to the message that tells of it
    # Both ends show whole seconds and are not read at the same instant.
    rounding: int = 1

    def lifetime(self):
        """How much longer a flow may have on the backup: least and most."""
        return -self.rounding, self.late + self.rounding


ENDS = 'protocol client virtual server state '
Conn = collections.namedtuple('Conn', ENDS + 'origin expires engine')
Told = collections.namedtuple('Told', ENDS + 'flags fwmark timeout seq name '
                              'data')


def index(rows, kind):
    """{key: [row]} of what a guest has listed."""
    found = collections.defaultdict(list)
    for row in rows:
        found[tuple(row[:3])].append(kind(*row))
    return found


# Fields of the tables
OF_TABLES = {'master', 'told', 'missing', 'twice', 'server', 'state', 'engine',
             'origin', 'lifetime', 'persistent', 'active', 'inactive'}


class Differences(collections.defaultdict):
    def __init__(self):
        super().__init__(list)

    def add(self, field, text):
        self[field].append(text)

    def unless_equal(self, field, what, master, backup):
        if master != backup:
            self.add(field, f'{what}: {master} and {backup}')


def name(flow):
    return ' '.join(flow.key())


def tables(scenario, master, backup, rules):
    """What a scenario has left in the tables of both ends."""
    found = Differences()
    mine, theirs = (index(each['conns'], Conn) for each in (master, backup))
    for flow in scenario.flows:
        here, there = mine.get(flow.key()), theirs.get(flow.key())
        if not here or len(here) > 1 or here[0].state != flow.state or \
                here[0].origin != flow.origin or \
                here[0].engine != flow.engine:
            found.add('master', f'{name(flow)}: not as it should be on the '
                      f'master: {here}, want {flow.state} {flow.engine}')
        elif not flow.told:
            if there:
                found.add('told', f'{name(flow)}: told of')
        elif not there:
            found.add('missing', f'{name(flow)}: missing')
        else:
            one(found, flow, here[0], there, rules)
    count(found, scenario, master, backup)
    return found


def one(found, flow, here, there, rules):
    """One connection; the backup may have others with the same ends."""
    if len(there) > 1:
        found.add('twice', f'{name(flow)}: {there}')
    there = there[0]
    for field in 'server', 'state', 'engine':
        found.unless_equal(field, f'{name(flow)}: {field}',
                           getattr(here, field), getattr(there, field))
    found.unless_equal('origin', f'{name(flow)}: origin', 'SYNC',
                       there.origin)
    least, most = rules.lifetime()
    more = there.expires - here.expires
    if not least <= more <= most:
        found.add('lifetime', f'{name(flow)}: expires in {here.expires} s '
                  f'and {there.expires} s, want {least} to {most} more')


def service_key(line):
    """How the list of services begins the line of what a command made."""
    _, kind, ends, *_ = line.split()
    kind = {'-t': 'TCP', '-u': 'UDP', '-f': 'FWM'}.get(kind, 'SCTP')
    return f'{kind} {ends}'


def count(found, scenario, master, backup):
    """The counts of each real server."""
    fields = 'persistent', 'active', 'inactive'
    if not any(flow.told for flow in scenario.flows):
        master = {'counts': {key: [0, 0, 0] for key in master['counts']}}
    for line in scenario.services:
        if not line.startswith('-A'):
            continue
        key = service_key(line)
        mine, theirs = ({server: counts for server, counts in
                         each['counts'].items() if
                         server.startswith(key + ' ')}
                        for each in (master, backup))
        if not mine or mine.keys() != theirs.keys():
            found.add('master', f'{key}: servers {list(mine)} and '
                      f'{list(theirs)}')
            continue
        for server, counts in mine.items():
            for field, here, there in zip(fields, counts, theirs[server]):
                found.unless_equal(field, f'{server}: {field}', here, there)


def strangers(chosen, master, backup):
    """What is in the tables of both ends and of no scenario. A template that
    has no server when a client comes is put aside, with all its ports 65535.
    """
    known = {flow.key() for scenario in chosen
             for flow in scenario.everything()}
    found = Differences()
    for part, table in ('master', master), ('backup', backup):
        for row in table['conns']:
            aside = row[2].endswith(':65535') and row[3].endswith(':65535')
            if tuple(row[:3]) not in known and not aside:
                found.add('stranger', f'on the {part}: {row}')
    return found


def announcements(scenario, master, backup):
    """What both ends tell after the same packets."""
    found = Differences()
    mine, theirs = (index(each, Told) for each in (master, backup))
    again = {flow.key() for flow in scenario.again}
    for flow in [*scenario.flows, *scenario.again]:
        if not flow.told:
            continue
        if flow.key() not in mine:
            found.add('then untold', f'{name(flow)}: the master is silent')
        elif flow.key() not in theirs:
            found.add('then missing', f'{name(flow)}: the backup is silent')
        else:
            synced = flow.key() not in again
            told(found, flow, mine[flow.key()][0], theirs[flow.key()][0],
                 synced)
    return found


def told(found, flow, here, there, synced):
    for field in ('server', 'state', 'timeout', 'fwmark', 'seq', 'name',
                  'data'):
        found.unless_equal(f'then {field}', f'{name(flow)}: then {field}',
                           getattr(here, field), getattr(there, field))
    found.unless_equal('then flags', f'{name(flow)}: then flags',
                       hex(here.flags & CARRIED), hex(there.flags & CARRIED))
    found.unless_equal('then origin', f'{name(flow)}: then SYNC', synced,
                       bool(there.flags & wire.SYNC))


def told_all(burst, version, sizes):
    """Have so many bytes been heard as all records of a burst have?"""
    header = (4, 8)[version]
    return sum(size - header + -size % 4 - trailer
               for size, _, trailer in sizes) >= \
        len(burst.flows) * burst.record[version]


def traffic(found, burst, version, heard):
    """The messages of a burst: none is longer than it may be, and one is as
    long, or has as many records as it can count.
    """
    sizes, ports, bad = heard
    header, record = (4, 8)[version], burst.record[version]
    for size, records, trailer in sizes:
        # One record is told, whatever its size.
        if size > burst.maxlen and \
                (records > 1 or size > header + RECORD_MAX + trailer):
            found.add('length', f'a message of {size} bytes with {records} '
                      'records')
    full = min(burst.maxlen, header + record * min(len(burst.flows), 255))
    longest = max((size for size, *_ in sizes), default=0)
    trailer = max((trailer for *_, trailer in sizes), default=0)
    if burst.ports == 1 and longest <= full - record - trailer:
        found.add('filled', f'no message has more than {longest} bytes')
    for why in bad:
        found.add('malformed', why)
    if len(ports) < 2 <= burst.ports:
        found.add('ports', f'all is told to port {ports}')
