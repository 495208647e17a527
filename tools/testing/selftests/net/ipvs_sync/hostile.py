#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hostile datagrams by the thousand, then a valid stream that arrives whole.

    random, cut and mutated datagrams --> backup

How many is $DATAGRAMS. In a kernel with KASAN and kmemleak this is where
reads beyond the message and what is never freed come to light.
"""

import os
import random
import socket
import struct
import time

import lib
import wire
from lib import CLIENT, HOLE, HOLE6, VIP, VIP6, World, check, equal, soon
from wire import Record, message

MANY = int(os.environ.get('DATAGRAMS', '20000'))
KMEMLEAK = '/sys/kernel/debug/kmemleak'
SYNCID = 7
PEERS = 500         # of the flows told: few, so that they hit each other


def kmemleak(command):
    with open(KMEMLEAK, 'w', encoding='ascii') as file:
        file.write(command)


class Target(World):
    """A backup with services of every kind, and a socket to speak to it."""

    def __init__(self):
        super().__init__()
        self.sock = None
        self.sent = 0

    def make(self):
        super().make()
        self.service(
            f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m',
            f'-A -t {VIP}:21 -s rr', f'-a -t {VIP}:21 -r {HOLE} -m',
            f'-A -u {VIP}:5060 -s rr -p 300 --pe sip -o',
            f'-a -u {VIP}:5060 -r {HOLE}:5060 -m',
            f'-A -t [{VIP6}]:80 -s rr',
            f'-a -t [{VIP6}]:80 -r [{HOLE6}]:80 -m',
            '-A -f 7 -s rr -p 60', f'-a -f 7 -r {HOLE} -g')
        self.backup.sysctl(sync_sock_size=1 << 22)
        with open('/proc/sys/net/core/rmem_max', 'w',
                  encoding='ascii') as file:
            file.write(str(1 << 23))
        self.backup.start('backup', syncid=SYNCID)
        with self.master:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                             socket.inet_aton(self.master.sync))
        self.sock.connect((wire.GROUP, wire.PORT))

    def remove(self):
        if self.sock:
            self.sock.close()
        super().remove()

    def send(self, data):
        self.sock.send(data)
        self.sent += 1

    def heard(self):
        """How many datagrams the backup has read, or had no room for."""
        counts = self.backup.counts()
        return counts['backup.0.messages'] + \
            counts['backup.0.receive_dropped']

    def settle(self):
        soon(lambda: self.heard() == self.sent,
             'each datagram is read or counted as dropped', 60)


def record(rng):
    """A record that may well be valid."""
    port = rng.randrange(1, PEERS)
    template = rng.random() < 0.3
    if rng.random() < 0.3:
        ends = f'[fd01::2]:{port}', f'[{VIP6}]:80', f'[{HOLE6}]:80'
    else:
        service = rng.choice((80, 21, 5060))
        ends = f'{CLIENT}:{port}', f'{VIP}:{service}', f'{HOLE}:{service}'
    told = Record(rng.choice(('tcp', 'udp', 'sctp', rng.randrange(256))),
                  *ends, state=rng.choice((0, 1, 2, 4, 5, 6, 7, 40)),
                  flags=rng.choice((0, 0x100, 0x1f, rng.getrandbits(32))),
                  timeout=rng.choice((0, 1, 60, 900, 0xffffffff)),
                  fwmark=rng.choice((0, 7, rng.getrandbits(32))))
    if template:
        told.flags |= wire.TEMPLATE
    if rng.random() < 0.3:
        told.seq = tuple(rng.getrandbits(32) for _ in range(6))
        told.flags |= wire.SEQ
    if rng.random() < 0.3:
        told.pe_name = rng.choice((b'sip', b'none', b'', b's' * 16))
        told.pe_data = rng.randbytes(rng.randrange(1, 255))
    if rng.random() < 0.2:
        told.options = [(rng.randrange(256), rng.randbytes(
            rng.choice((0, 1, 4, 24))))]
    return told


def number(rng, seqs=range(1, 2000)):
    """Of a message, or of what may be one."""
    return rng.choice((0, 1, 0x7fffffff, 0x80000000, 0xffffffff,
                       *rng.choices(seqs, k=15)))


def control(rng, instances, seqs=range(1, 2000)):
    """A control message that may well be valid."""
    who = {'instance': rng.choice(instances), 'seq': number(rng, seqs),
           'syncid': SYNCID}
    kind = rng.randrange(1, 6)
    if kind == wire.HELLO:
        return wire.hello(**who, oldest=number(rng, seqs),
                          conns=number(rng), start=number(rng, seqs),
                          done=number(rng, seqs),
                          progress=rng.choice((0, 500, 1000, wire.NO_PASS)),
                          interval=rng.choice((1, 100, 1000, 0xffff)))
    if kind in (wire.FILL, wire.NACK):
        pairs = [sorted((number(rng, seqs), number(rng, seqs)))
                 for _ in range(rng.choice((1, 1, 2, 64)))]
        if rng.random() < 0.7:
            who['seq'] = max(seqs)
        return wire.ranges(kind, pairs, **who)
    if kind == wire.JOIN:
        return wire.ask_join(number(rng, seqs), **who)
    keys = [(*each.flow(), bool(each.flags & wire.TEMPLATE))
            for each in (record(rng) for _ in range(rng.choice((1, 5, 30))))]
    return wire.delete(number(rng, seqs), keys, **who)


def damage(rng, data):
    """Cut, mutate or splice a message."""
    data = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] = rng.choice(
            (0, 1, 0x40, 0xff, rng.randrange(256)))
    if rng.random() < 0.2:
        data = data[:rng.randrange(len(data)) + 1]
    if rng.random() < 0.1:
        data += rng.randbytes(rng.randrange(64))
    if rng.random() < 0.9 and len(data) >= 4:
        data[1] = SYNCID
        data[2:4] = struct.pack('!H', len(data))
    return bytes(data)


def datagram(rng):
    """Random bytes, or a message that was cut, mutated or spliced."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice((0, 1, 3, 4, 7, 8, 44, 300)))
    # More instances than a backup knows at a time
    instances = range(1, 20)
    if rng.random() < 0.3:
        return damage(rng, control(rng, instances))
    version = rng.randrange(2)
    some = [record(rng) for _ in range(rng.choice((1, 1, 2, 5, 30)))]
    if not version:
        some = [each for each in some if not each.client.startswith('[')]
    if version and rng.random() < 0.5:
        return damage(rng, wire.numbered(some, rng.choice(instances),
                                         number(rng), syncid=SYNCID))
    return damage(rng, message(some, SYNCID, version))


def test_hostile():
    """All are read and refused or applied, and a valid stream after them"""
    rng = random.Random(98078)
    with Target() as w:
        for sent in range(1, MANY + 1):
            w.send(datagram(rng))
            if not sent % 200:
                w.settle()
        w.settle()
        rejects = w.backup.rejects()
        check(sum(rejects.values()) > MANY // 10, f'rejects: {rejects}')
        check(w.backup.count('backup.created') > 100, 'hardly any applied')
        valid = [Record('tcp', f'10.1.77.7:{port}', f'{VIP}:80',
                        f'{HOLE}:80', state=wire.TCP_ESTABLISHED,
                        timeout=300) for port in range(1, 1001)]
        for first in range(0, len(valid), 40):
            w.send(message(valid[first:first + 40], SYNCID))
            w.settle()
        have = {c.key(): c for c in w.backup.conns()}
        equal([r for r in valid if r.flow() not in have], [], 'missing')
        equal({have[r.flow()].state for r in valid}, {'ESTABLISHED'})


def test_hostile_requests():
    """A master reads them and answers or refuses, and goes on"""
    rng = random.Random(55379)
    with World() as w:
        w.service(f'-A -u {VIP}:53 -s rr', f'-a -u {VIP}:53 -r {HOLE} -m')
        w.sysctl(sync_threshold='0 0')
        ear = w.tap()
        w.start('--sync-maxlen', '100', syncid=SYNCID)
        flows = w.burst(200)
        soon(lambda: not w.missing(flows), 'all arrive')
        last = ear.read(control=True)[-1]
        asker = wire.Asker(w.backup, last)
        for sent in range(1, MANY // 4 + 1):
            asker.send(damage(rng, control(
                rng, (last.instance,), range(1, last.seq + 1))))
            if not sent % 20:
                time.sleep(0.01)
        refused = {name.split('refused_')[1] for name, value in
                   w.master.counts().items() if '.refused_' in name and value}
        check(refused >= {'kind', 'trailer', 'body', 'unsent', 'size'},
              f'{refused}')
        for name in 'nacks', 'joins':
            check(w.master.count(f'master.{name}') > MANY // 400,
                  f'hardly any {name}')
        flow, = w.burst(1)
        soon(lambda: w.backup.conn(flow), 'it goes on')
        w.backup.stop('backup')
        w.backup.start('backup', syncid=SYNCID)
        w.in_sync()
        equal(w.missing([*flows, flow]), 0)


def leaks():
    """Nothing of it is left behind"""
    # It looks at what is older than 5 s; twice, as the first look may find
    # what is about to be freed.
    for _ in range(2):
        time.sleep(6)
        kmemleak('scan')
    with open(KMEMLEAK, encoding='ascii', errors='replace') as file:
        found = file.read()
    check('ip_vs' not in found, found[:2000])


if os.path.exists(KMEMLEAK):        # a kernel to find faults with
    test_leaks = leaks


if __name__ == '__main__':
    lib.main()
