#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The tracepoints tell the way of a connection, and why a record was refused.

    client --packets--> master --messages--> backup
"""

import os
import re

import lib
import wire
from lib import HOLE, VIP, World, check, equal, run, soon

DNS = f'{VIP}:53'
TRACING = '/sys/kernel/tracing'


class Traced(World):
    """A World with the tracepoints on."""

    def make(self):
        if not os.path.exists(f'{TRACING}/events/ip_vs_sync'):
            if not os.path.isdir(TRACING):
                lib.skip('needs TRACING')
            run('mount', '-t', 'tracefs', 'none', TRACING)
        if not os.path.exists(f'{TRACING}/events/ip_vs_sync'):
            lib.skip('needs tracepoints of IPVS sync')
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        self.sysctl(sync_threshold='0 2')
        self.start()
        self.write_trace('trace', '')
        self.switch(1)

    def remove(self):
        self.switch(0)
        super().remove()

    @staticmethod
    def write_trace(name, text):
        with open(f'{TRACING}/{name}', 'w', encoding='ascii') as file:
            file.write(text)

    def switch(self, on):
        path = 'events/ip_vs_sync/enable'
        if os.path.exists(f'{TRACING}/{path}'):
            self.write_trace(path, str(on))

    @staticmethod
    def events():
        """What was traced: [(event, {name: value})]."""
        with open(f'{TRACING}/trace', encoding='ascii') as file:
            found = re.findall(r': ip_vs_sync_(\w+): (.*)', file.read())
        return [(event, dict(word.split('=', 1) for word in text.split()))
                for event, text in found]

    def count(self, event):
        return len([1 for name, _ in self.events() if name == event])


def test_way():
    """Announced, sent, received, applied: new first, then not"""
    with Traced() as w:
        flow = w.flow('udp', dst=DNS)
        for number in '1', '2':
            w.write_trace('trace', '')
            flow.send(times=int(number))
            soon(lambda: w.count('applied') and w.count('sent'),
                 'it is sent and applied')
            events = w.events()
            # Another CPU may have it before this one says that it was sent
            equal([event for event, _ in events if event != 'sent'],
                  ['announced', 'received', 'applied'])
            found = dict(events)
            announced, sent, received, applied = (
                found[event] for event in
                ('announced', 'sent', 'received', 'applied'))
            equal(len(events), len(found), 'events')
            for conn in announced, applied:
                equal(conn['client'], flow.client)
                equal(conn['vip'], DNS)
                equal(conn['server'], f'{HOLE}:53')
                equal(conn['protocol'], '17')
                equal(conn['new'], '1' if number == '1' else '0')
            check(announced['netns'] != applied['netns'],
                  'both are in one namespace')
            equal(announced['netns'], sent['netns'])
            equal(received['netns'], applied['netns'])
            for message in sent, received:
                equal(message['thread'], '0')
                equal(message['records'], '1')
                equal(message['bytes'], '60')     # numbered


def test_inet6():
    """Addresses of IPv6 are told as such"""
    with Traced() as w:
        record = wire.Record('tcp', '[fd01::2]:2000', '[fd01::1]:80',
                             '[fd02::9]:80', timeout=300,
                             state=wire.TCP_ESTABLISHED)
        w.inject(record)
        (_, applied), = [e for e in w.events() if e[0] == 'applied']
        equal(applied['client'], record.client)
        equal(applied['server'], record.server)


def test_rejected():
    """A reject is told with its reason by name, and how many it hit"""
    with Traced() as w:
        record = wire.Record('udp', '10.1.0.9:1', DNS, f'{HOLE}:53',
                             timeout=9)
        bad = wire.Record('udp', '10.1.0.9:2', DNS, f'{HOLE}:53', state=9,
                          timeout=9)
        w.inject(record, bad)
        w.inject(wire.message([record], message_version=3))
        w.inject(wire.message([record], count=3))
        told = [(e['reason'], e['count']) for name, e in w.events()
                if name == 'rejected']
        equal(told, [('state', '1'), ('version', '1'), ('truncated', '2')])


def test_aligned():
    """Addresses lie where every machine can read them"""
    with Traced():
        path = f'{TRACING}/events/ip_vs_sync/ip_vs_sync_announced/format'
        with open(path, encoding='ascii') as file:
            found = re.findall(r'u8 (client|vip|server)\[.*offset:(\d+);',
                               file.read())
        equal([what for what, _ in found], ['client', 'vip', 'server'])
        equal([int(offset) % 4 for _, offset in found], [0] * 3)


def test_off():
    """Nothing is traced when it is off"""
    with Traced() as w:
        w.switch(0)
        w.write_trace('trace', '')
        flow = w.flow('udp', dst=DNS)
        flow.send()
        soon(lambda: w.backup.conn(flow), 'it arrives')
        equal(w.events(), [])


if __name__ == '__main__':
    lib.main()
