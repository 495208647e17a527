#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of ipvs-sync: what it prints of captures, sockets and counters.

    test.py PROGRAM [NAME...]

NAME picks tests that have it in their function's name. Messages are made by
the selftests' own idea of the wire format. Whatever the input, the program
must end by itself, with the status that the manual page tells; built with
sanitizers, with nothing to say from them.

The live tests work in a network namespace of their own:

    frames made here --> left ===== right <-- the program listens or captures
"""

import contextlib
import fcntl
import inspect
import ipaddress
import os
import pty
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

# pylint: disable=wrong-import-position
import corpus                                           # noqa: E402
import lib                                              # noqa: E402
import packet                                           # noqa: E402
import wire                                             # noqa: E402
from corpus import good, good6                          # noqa: E402
from lib import check, equal, perform, skip, soon       # noqa: E402
from wire import GROUP, PORT, Record, message           # noqa: E402

GROUP6 = 'ff02::81'
MASTER, MASTER6 = '10.9.0.1', 'fe80::1'
TIME = 1700000000               # 22:13:20 UTC
ENVIRONMENT = dict(os.environ, TZ='UTC')

EN10MB, RAW, LINUX_SLL, LINUX_SLL2, IEEE802_11 = 1, 101, 113, 276, 105
ETHERNET = bytes(12)

PROGRAM = ''


class Done:
    """What a run of the program left."""

    def __init__(self, argv, data=None, **how):
        how.setdefault('stdout', subprocess.PIPE)
        run = subprocess.run([PROGRAM, *argv], input=data, check=False,
                             stderr=subprocess.PIPE, env=ENVIRONMENT,
                             timeout=60, **how)
        self.argv, self.status = argv, run.returncode
        self.out = (run.stdout or b'').decode().splitlines()
        self.errors = run.stderr.decode(errors='replace').splitlines()
        sanitizer = [line for line in self.errors
                     if 'Sanitizer' in line or 'runtime error' in line]
        check(not sanitizer, f'{argv}: {sanitizer}')
        check(run.returncode in (0, 1, 2),
              f'{argv}: ended with {run.returncode}: {self.errors}')


def tool(*argv, status=0, **how):
    """Run the program; it must end with this status."""
    done = Done(argv, **how)
    check(done.status == status, f'{argv}: status {done.status}, want '
          f'{status}: {done.errors}')
    return done


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix='ipvs-sync-') as name:
        yield name


### frames

def udp(data, src=None, dst=None, port=PORT):
    """A message as an IP packet."""
    inet6 = ':' in (dst or src or '')
    src = ipaddress.ip_address(src or (MASTER6 if inet6 else MASTER))
    dst = ipaddress.ip_address(dst or (GROUP6 if inet6 else GROUP))
    return packet.packet(src, dst, 17, packet.udp(40000, port, data))


def fragments(data, size, ident=77):
    """A packet in fragments with so many bytes of payload each."""
    if data[0] >> 4 == 6:
        head, body = data[:40], data[40:]
    else:
        head, body = data[:20], data[20:]
    parts = []
    for offset in range(0, len(body), size):
        part = body[offset:offset + size]
        more = offset + size < len(body)
        if len(head) == 40:
            part = struct.pack('!BBHI', 17, 0, offset | more, ident) + part
            parts.append(head[:4] + struct.pack('!HB', len(part), 44) +
                         head[7:] + part)
            continue
        new = head[:2] + struct.pack('!HHH', 20 + len(part), ident,
                                     more << 13 | offset // 8) + \
            head[8:10] + bytes(2) + head[12:]
        new = new[:10] + struct.pack('!H', packet.checksum(new)) + new[12:]
        parts.append(new + part)
    return parts


def ethertype(data):
    return b'\x86\xdd' if data[0] >> 4 == 6 else b'\x08\x00'


def ethernet(data, tags=b''):
    return ETHERNET + tags + ethertype(data) + data


def pcap(frames, link=EN10MB, snaplen=65535):
    """A capture file. A frame may come as (seconds, frame)."""
    data = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, link)
    for number, frame in enumerate(frames):
        when = TIME
        if isinstance(frame, tuple):
            when, frame = TIME + frame[0], frame[1]
        data += struct.pack('<IIII', when, number,
                            min(len(frame), snaplen), len(frame))
        data += frame[:snaplen]
    return data


def dump(frames, *options, link=EN10MB, snaplen=65535):
    """What dump prints of these frames."""
    return tool('dump', *options, '-', data=pcap(frames, link, snaplen)).out


def dump_message(data, *options):
    return dump([ethernet(udp(data))], *options)


HEAD = f'22:13:20.000000 {MASTER} thread 0 '
GOOD = ('\tTCP 10.1.0.2:1000 -> 10.1.0.1:80 -> 10.2.0.2:8080 state '
        'ESTABLISHED flags masq timeout 900')


def test_seeds():
    """Each message of the corpus is read or refused as it should be"""
    for seed in corpus.seeds():
        done = tool('dump', '-', data=pcap([ethernet(udp(seed.data))]))
        lines, got = done.out, []
        whole = re.search(r' reject (\w+)$', lines[0])
        if whole:
            got.append(whole[1])
        for line in lines[1:]:
            reject = re.match(r'\treject (\w+)(?: records (\d+))?$', line)
            if reject:
                got += [reject[1]] * int(reject[2] or 1)
            elif not line.startswith('\tbytes behind'):
                got.append('ok')
        equal(got, seed.reasons, seed.name)
        number = 0 if ' version 2 ' in lines[0] else got.count('ok')
        refused = len([reason for reason in got if reason != 'ok'])
        equal(done.errors, [f'ipvs-sync: messages 1 records {number} '
                            f'rejected {refused}'], seed.name)


def test_reasons():
    """The corpus has every reason that the wire format can give"""
    path = os.path.join(HERE, '../../../net/netfilter/ipvs/ip_vs_sync_')
    code = ''
    for name in 'proto.c', 'control.c':
        with open(path + name, encoding='utf-8') as file:
            code += file.read().split('reject_names[', maxsplit=1)[0]
    used = set(re.findall(r'IP_VS_SYNC_R_(\w+)', code))
    have = {reason for seed in corpus.seeds() for reason in seed.reasons}
    equal(have - {'ok'}, {name.lower() for name in used}, 'reasons')


def line_of(record, version=1):
    """How dump shows a record."""
    lines = dump_message(message([record], 7, version))
    equal(len(lines), 2, f'lines of {record}')
    return lines[1]


def test_message():
    """The line of a message"""
    equal(dump_message(message([good()], 7)),
          [HEAD + 'version 1 syncid 7 bytes 44 records 1', GOOD])
    equal(dump_message(message([good()], 255, 0)),
          [HEAD + 'version 0 syncid 255 bytes 28 records 1',
           GOOD.replace(' timeout 900', '')])
    equal(dump_message(b'\1\7\0'), [HEAD + 'bytes 3 reject short'])
    equal(dump_message(message([good()], 7, tail=b'later')),
          [HEAD + 'version 1 syncid 7 bytes 49 records 1', GOOD,
           '\tbytes behind the last record 5'])
    equal(dump_message(message([good(), good().encode(1)[:-1]], 7,
                               count=3)),
          [HEAD + 'version 1 syncid 7 bytes 79 records 3', GOOD,
           '\treject truncated records 2'])
    equal(dump([ethernet(udp(message([good()], 7), port=PORT + 5))])[0],
          HEAD.replace('thread 0', 'thread 5') +
          'version 1 syncid 7 bytes 44 records 1')


def test_numbered():
    """Instance and number of a message that has them"""
    equal(dump_message(wire.numbered([good()], 0xabc, 2**32 - 1, syncid=7)),
          [HEAD + 'version 1 syncid 7 bytes 60 records 1 instance 00000abc '
           'seq 4294967295', GOOD])
    odd = good(pe_name=b'sip', pe_data=b'xy')
    lines = dump_message(wire.numbered([odd], 1, 2, syncid=7))
    equal(lines[0], HEAD + 'version 1 syncid 7 bytes 72 records 1 instance '
          '00000001 seq 2')
    equal(len(lines), 2, lines)
    equal(dump_message(message([good()], 7, tail=wire.trailer(1, 2, b'tags')))
          [1:], [GOOD, '\tbytes behind the sequence number 4'])
    for tail in (wire.trailer(1, 2) + b'more', wire.trailer(1, 2)[:-1],
                 b'more' + wire.trailer(1, 2)):
        lines = dump_message(message([good()], 7, tail=tail))
        check('instance' not in lines[0], lines)
        equal(lines[2], f'\tbytes behind the last record {len(tail)}')


def test_control():
    """What control messages say"""
    who = 0xfeed1234
    for data, head, *body in (
            (wire.hello(who, 9, 3, 1000, 5, 8), 'HELLO',
             'oldest 3 connections 1000 interval 1000 no pass'),
            (wire.hello(who, 9, 3, 1000, 5, 8, 0, 100), 'HELLO',
             'oldest 3 connections 1000 interval 100 pass 5 progress 0'),
            (wire.hello(who, 9, 3, 1000, 5, 8, 999, 100), 'HELLO',
             'oldest 3 connections 1000 interval 100 pass 5 progress 999'),
            (wire.hello(who, 9, 3, 1000, 5, 8, 1000), 'HELLO',
             'oldest 3 connections 1000 interval 1000 pass 5 done 8'),
            (wire.ranges(wire.FILL, [(1, 4), (6, 6)], who, 9), 'FILL',
             'messages 1 to 4', 'messages 6 to 6'),
            (wire.delete(7, [corpus.KEY, corpus.KEY6, corpus.TEMPLATE,
                             (99, *corpus.KEY[1:])], who, 9), 'DELETE',
             'order 7', 'TCP 10.1.0.2:1000 -> 10.1.0.1:80',
             'UDP [fd01::2]:1000 -> [fd01::1]:53',
             'IP 10.1.0.0:0 -> mark 7 template',
             'protocol 99 10.1.0.2:1000 -> 10.1.0.1:80'),
            (wire.control(wire.HELLO, b'bad!', who, 9), 'HELLO',
             'reject body'),
            (wire.hello(who, 9, 3, 1000, tag=b'tag!'), 'HELLO',
             'oldest 3 connections 1000 interval 1000 no pass',
             'bytes behind the sequence number 4')):
        equal(dump_message(data),
              [HEAD + f'version 2 syncid 0 bytes {len(data)} {head} instance '
               'feed1234 seq 9'] + ['\t' + line for line in body])
    data = wire.delete(7, [corpus.KEY, corpus.KEY6], who, 9)
    shown = b''.join(bytes.fromhex(line.split(':')[1])
                     for line in dump_message(data, '-v')
                     if line.startswith('\t\t'))
    equal(shown, data[8:-16], 'body')


def test_requests():
    """What backups ask masters is shown, to whatever port it goes"""
    for src, dst, shown in (('10.9.0.2', MASTER, f'{MASTER}:33333'),
                            ('fe80::2', MASTER6, f'[{MASTER6}]:33333')):
        for data, *want in (
                (wire.ranges(wire.NACK, [(1, 4), (8, 8)], 7, 9), 'NACK',
                 '\tmessages 1 to 4', '\tmessages 8 to 8'),
                (wire.ask_join(5, 7, 9), 'JOIN', '\tsince 5')):
            frame = ethernet(udp(data, src=src, dst=dst, port=33333))
            equal(dump([frame]),
                  [f'22:13:20.000000 {src} to {shown} version 2 syncid 0 '
                   f'bytes {len(data)} {want[0]} instance 00000007 seq 9',
                   *want[1:]])
            group = GROUP6 if ':' in src else GROUP
            equal(len(dump([frame], '-g', group, '-p', str(PORT))),
                  len(want), 'of the same family')
            group = GROUP if ':' in src else GROUP6
            equal(dump([frame], '-g', group), [], 'of the other family')
            equal(dump([frame], snaplen=60), [], 'cut off')
    for data in wire.hello(7, 9), wire.ask_join(5, 7, 9)[:-1]:
        equal(dump([ethernet(udp(data, dst=MASTER, port=33333))]), [],
              'no request')


def test_record():
    """Each field of a record"""
    for version in 0, 1:
        for record, want in (
                (good(), 'state ESTABLISHED'),
                (good(state=wire.TCP_SYNACK), 'state SYNACK'),
                (good(state=wire.TCP_LAST), f'state {wire.TCP_LAST} '),
                (corpus.other('udp'), 'UDP 10.1.0.2'),
                (corpus.other('udp'), 'state NORMAL'),
                (corpus.other('udp', state=1), 'state 1 '),
                (corpus.other('sctp', state=wire.SCTP_CLOSED),
                 'state CLOSED'),
                (corpus.other('sctp', state=wire.SCTP_LAST),
                 f'state {wire.SCTP_LAST} '),
                (corpus.other('ah'), 'AH 10.1.0.2'),
                (corpus.other('esp'), 'ESP 10.1.0.2'),
                (corpus.other(200), 'protocol 200 10.1.0.2'),
                (good(flags=wire.TEMPLATE, state=1), 'state ASSURED '),
                (good(flags=wire.TEMPLATE, state=0), 'state NONE '),
                (good(flags=wire.TEMPLATE, state=2), 'state 2 '),
                (good(flags=wire.LOCALNODE), 'flags local'),
                (good(flags=wire.TUNNEL), 'flags tunnel'),
                (good(flags=wire.DROUTE), 'flags route'),
                (good(flags=wire.BYPASS), 'flags bypass'),
                (good(flags=7), 'flags forward_7'),
                (good(flags=wire.INACTIVE | wire.NOOUTPUT | wire.SYNC |
                      wire.HASHED | wire.NO_CPORT),
                 'flags masq,sync,hashed,nooutput,inactive,no_cport'),
                (good(flags=0xc000), 'flags masq,0xc000'),
                (good(flags=wire.SEQ, seq=corpus.SEQ),
                 'flags masq,out_seq,in_seq'),
                (good(flags=wire.SEQ, seq=corpus.SEQ),
                 'in 4294967295 delta +4 before +0 '
                 'out 1000 delta -2 before +2'),
                (Record('ip', '10.1.0.0:0', '0.0.0.7:0', '10.2.0.2:0',
                        flags=wire.TEMPLATE),
                 'IP 10.1.0.0:0 -> mark 7 -> 10.2.0.2:0 state NONE flags '
                 'masq,template')):
            line = line_of(record, version) + ' '
            check(want in line, f'version {version}: no "{want}" in {line}')
    for record, want in (
            (good(flags=wire.NFCT), 'flags masq,nfct'),
            (good(fwmark=4294967295), 'fwmark 4294967295'),
            (good(options=[corpus.LEFT]), 'timeout 900 left 256'),
            (good(pe_name=b'sip', pe_data=b'call-7'),
             'pe "sip" data "call-7"'),
            (good(pe_name=b'a"b\\', pe_data=b'\xff\x00'),
             'pe "a\\"b\\\\" data 0xff00'),
            (good(pe_name=b'\x1b[2J', pe_data=b'\x7f'),
             'pe 0x1b5b324a data 0x7f'),
            (good6(), '\tTCP [fd01::2]:1000 -> [fd01::1]:80 -> '
             '[fd02::2]:8080 state ESTABLISHED')):
        line = line_of(record)
        check(want in line, f'no "{want}" in {line}')
    check('timeout' not in line_of(good(timeout=0)), 'timeout 0 is shown')


def test_bytes():
    """-v shows the bytes of records and of refused datagrams"""
    data = message([good(), good(type=2)], 7)
    lines = dump_message(data, '-v')
    shown = b''.join(bytes.fromhex(line.split(':')[1]) for line in lines
                     if line.startswith('\t\t'))
    equal(shown, data[8:], 'records')
    equal(lines[2].split(':')[0], '\t\t0x0008', 'first offset')
    data = message([good()], 7, size=3)
    shown = b''.join(bytes.fromhex(line.split(':')[1])
                     for line in dump_message(data, '-v')[1:])
    equal(shown, data, 'datagram')
    data = message([good().encode(1)[:-1]], 7)
    shown = b''.join(bytes.fromhex(line.split(':')[1])
                     for line in dump_message(data, '-v')[2:])
    equal(shown, data[8:], 'record that is cut')


def test_links():
    """Ethernet, VLAN tags, Linux cooked and raw captures"""
    for data, want in ((udp(message([good()], 7)), HEAD),
                       (udp(message([good()], 7), dst=GROUP6),
                        HEAD.replace(MASTER, MASTER6))):
        want = [want + 'version 1 syncid 7 bytes 44 records 1', GOOD]
        kind = ethertype(data)
        for name, link, frame in (
                ('Ethernet', EN10MB, ethernet(data)),
                ('padded', EN10MB, ethernet(data) + bytes(40)),
                ('VLAN', EN10MB, ethernet(data, b'\x81\0\0\7')),
                ('two VLANs', EN10MB,
                 ethernet(data, b'\x88\xa8\0\7\x81\0\0\x08')),
                ('cooked', LINUX_SLL, bytes(14) + kind + data),
                ('cooked 2', LINUX_SLL2, kind + bytes(18) + data),
                ('raw', RAW, data)):
            equal(dump([frame], link=link), want, name)


def test_headers():
    """Options and extension headers are passed over, what follows is left"""
    data = udp(message([good()], 7))
    behind = data[:2] + struct.pack('!H', len(data) + 4) + data[4:] + b'more'
    equal(dump([ethernet(behind)]), dump([ethernet(data)]), 'behind UDP')
    options = b'\x47' + data[1:2] + struct.pack('!H', len(data) + 8) + \
        data[4:20] + b'\x94\4\0\0' * 2 + data[20:]
    equal(dump([ethernet(options)])[1], GOOD, 'options of IPv4')
    data = udp(message([good()], 7), dst=GROUP6)
    for next_header in 0, 43, 60:
        extended = data[:4] + struct.pack(
            '!HB', len(data) - 40 + 16, next_header) + data[7:40] + \
            b'\x11\1' + bytes(14) + data[40:]
        equal(dump([ethernet(extended)])[1], GOOD,
              f'extension header {next_header}')


def test_fragments():
    """Messages in IP fragments, in any order"""
    number = 255
    records = [good(index) for index in range(number)]
    for dst in GROUP, GROUP6:
        data = message(records, 7)
        parts = fragments(udp(data, dst=dst), 1480)
        check(len(parts) > 5, 'not many fragments')
        shuffled = list(parts)
        random.Random(7).shuffle(shuffled)
        for name, order in (('in order', parts),
                            ('backwards', parts[::-1]),
                            ('shuffled', shuffled),
                            ('twice each', sorted(parts * 2)[:-1])):
            lines = dump([ethernet(part) for part in order])
            equal(len(lines), number + 1, f'{dst}, {name}')
            check(f'bytes {len(data)} records {number}' in lines[0], lines[0])
    one = fragments(udp(message(records, 1)), 1480, ident=1)
    two = fragments(udp(message(records, 2)), 1480, ident=2)
    mixed = [part for pair in zip(one, two) for part in pair]
    lines = [line for line in dump([ethernet(part) for part in mixed])
             if line[0] != '\t']
    check('syncid 1' in lines[0] and 'syncid 2' in lines[1], lines)
    largest = message([good6(pe_name=b'n' * 16, pe_data=bytes(range(255)))
                       for _ in range(185)], 7)
    lines = dump([ethernet(part) for part in
                  fragments(udp(largest, dst=GROUP6), 1448)])
    equal(len(lines), 186, f'records in {len(largest)} bytes')


def test_incomplete():
    """What lacks a fragment is told, soon and at the end"""
    data = message([good(index) for index in range(100)], 7)
    parts = [ethernet(part) for part in fragments(udp(data), 1480)]
    size = len(data) + 8
    equal(dump(parts[:-1]),
          [HEAD + f'fragments, {1480 * (len(parts) - 1)} bytes came'])
    last = size - 1480 * (len(parts) - 1)
    equal(dump(parts[1:]),
          [HEAD.replace('thread 0', 'thread ?') +
           f'fragments of {size} bytes, {size - 1480} came'])
    equal(dump([parts[0], parts[-1]]),
          [HEAD + f'fragments of {size} bytes, {1480 + last} came'])
    late = dump([parts[0], (31, ethernet(udp(message([good()], 7))))])
    check('fragments' in late[0] and 'version' in late[1],
          f'not given up after 30 s: {late}')
    # One more than there is room for
    many = [ethernet(fragments(udp(data), 1480, ident)[0])
            for ident in range(17)]
    lines = dump(many + [ethernet(udp(message([good()], 7)))])
    equal(len([line for line in lines if 'fragments' in line]), 17, lines)
    check('fragments' in lines[0] and 'version' not in lines[-1],
          f'not given up for others: {lines}')
    equal(len(dump([parts[0], ethernet(udp(message([good()], 7)))], '-c',
                   '1')), 2, 'end before it can be told')
    other = fragments(udp(data, port=53), 1480)
    equal(dump([ethernet(other[0])]), [], 'fragment of another port')


def test_cut():
    """Frames of which only the first bytes were captured"""
    data = message([good()], 7)
    frame = ethernet(udp(data))
    equal(dump([frame], snaplen=60), [HEAD + 'bytes 44 cut off at 18'])
    for snaplen in range(len(frame)):
        lines = dump([frame], snaplen=snaplen)
        check(not lines or 'cut off' in lines[0], f'{snaplen}: {lines}')


def test_choice():
    """-p, -g and -c choose messages"""
    frames = [ethernet(udp(message([good()], 7), dst=dst, port=port))
              for dst in (GROUP, '224.0.0.82', GROUP6)
              for port in (PORT - 1, PORT, PORT + 1, PORT + 63, PORT + 64)]
    for options, want in (((), 9), (('-p', str(PORT)), 3),
                          (('-p', f'{PORT - 1}-{PORT}'), 6),
                          (('-g', GROUP), 3), (('-g', GROUP6), 3),
                          (('-g', '224.0.0.99'), 0), (('-c', '4'), 4)):
        done = tool('dump', *options, '-', data=pcap(frames))
        lines = [line for line in done.out if line[0] != '\t']
        equal(len(lines), want, options)
        check(f'messages {want} records {want} rejected 0' in
              done.errors[0], done.errors)
        if options != ('-c', '4'):
            check(f'other frames {len(frames) - want}' in done.errors[0],
                  done.errors)
    equal(tool('dump', '-p', str(PORT - 1), '-',
               data=pcap(frames)).out[0].split()[3], '0', 'thread')


def test_arguments():
    """Bad arguments give a line, the usage and status 2"""
    for argv in ((), ('nothing',), ('dump',), ('dump', '-x'),
                 ('dump', 'a', 'b'), ('dump', '-i', 'lo', 'a'),
                 ('dump', '-u', 'a'), ('dump', '-p', '', 'a'),
                 ('dump', '-p', '0', 'a'), ('dump', '-p', '65536', 'a'),
                 ('dump', '-p', '9-8', 'a'), ('dump', '-p', '1-65', 'a'),
                 ('dump', '-p', '8848x', 'a'), ('dump', '-p', '-1', 'a'),
                 ('dump', '-p', '8848-', 'a'), ('dump', '-c', '0', 'a'),
                 ('dump', '-c', '-1', 'a'), ('dump', '-c', '1x', 'a'),
                 ('dump', '-c', '9' * 30, 'a'), ('dump', '-g', 'x', 'a'),
                 ('dump', '-g', '10.0.0.1', 'a'), ('dump', '-g', '::1', 'a'),
                 ('dump', '-i'), ('watch', '-n', '0'),
                 ('watch', '-n', 'x'), ('watch', '-n', 'nan'),
                 ('watch', '-n', '-1'), ('watch', '-n', '1e9'),
                 ('watch', '-n', '1s'), ('watch', '-c', '0'),
                 ('watch', '-c', 'x'), ('watch', 'there'),
                 ('watch', 'ssh:'), ('watch', 'file:'),
                 ('watch', 'netns:../x'), ('watch', *['local'] * 33)):
        done = tool(*argv, status=2)
        check('usage: ipvs-sync' in '\n'.join(done.errors[:2]),
              f'{argv}: {done.errors}')
        equal(done.out, [], argv)
    for argv in ('-h',), ('--help',), ('dump', '-h'), ('watch', '-h'):
        done = tool(*argv)
        check(done.out[0].startswith('usage: ipvs-sync'), done.out)
        equal(done.errors, [], argv)


def failure(*argv, **how):
    """The line that says why the program failed."""
    done = tool(*argv, status=1, **how)
    lines = [line for line in done.errors if ': messages ' not in line]
    equal(len(lines), 1, f'{argv}: lines of {done.errors}')
    check(lines[0].startswith('ipvs-sync: '), lines[0])
    return lines[0]


def test_files():
    """Files that can not be read give a line and status 1"""
    data = pcap([ethernet(udp(message([good()], 7)))] * 2)
    with folder() as name:
        path = os.path.join(name, 'file')
        check(path in failure('dump', path), 'missing file')
        check(name in failure('dump', name), 'directory')
        for what, text in (('empty', b''), ('text', b'hello world' * 9),
                           ('header cut', data[:20])):
            with open(path, 'wb') as file:
                file.write(text)
            line = failure('dump', path)
            check(path in line, f'{what}: {line}')
        with open(path, 'wb') as file:
            file.write(pcap([], IEEE802_11))
        check('type IEEE802_11' in failure('dump', path), 'link type')
        with open(path, 'wb') as file:
            file.write(data[:-1])
        done = tool('dump', path, status=1)
        equal(len(done.out), 2, 'what is in front of the cut is shown')
        check('truncated' in done.errors[0], done.errors)
    with open('/dev/full', 'wb') as full:
        check('could not write' in failure('dump', '-', data=data,
                                         stdout=full), 'full disk')


def test_interface():
    """An interface that is not there"""
    for more in (), ('-u',):
        check('nothing0' in failure('dump', '-i', 'nothing0', *more), more)


def test_noise():
    """Damaged frames do no harm"""
    rng = random.Random(20111122)
    whole = [udp(seed.data, dst=dst) for seed in corpus.seeds()
             for dst in (GROUP, GROUP6)]
    parts = [part for dst in (GROUP, GROUP6) for size in (8, 512, 1480)
             for part in fragments(
                 udp(message([good(index) for index in range(50)], 7),
                     dst=dst), size, size)]
    links = {EN10MB: ethernet, RAW: bytes,
             LINUX_SLL: lambda data: bytes(14) + ethertype(data) + data,
             LINUX_SLL2: lambda data: ethertype(data) + bytes(18) + data}
    for link, encapsulate in links.items():
        frames = []
        for _ in range(2000):
            data = rng.choice(parts if rng.random() < 0.3 else whole)
            frame = bytearray(encapsulate(data))
            for _ in range(rng.randrange(4)):
                at = rng.randrange(min(len(frame), 90))
                frame[at] = rng.choice((0, 1, 0x7f, 0xff,
                                        rng.randrange(256)))
            if rng.random() < 0.3:
                frame = frame[:rng.randrange(len(frame))]
            frames.append(bytes(frame))
        for options in (), ('-v',):
            lines = dump(frames, *options, link=link)
            check(len(lines) > 1000, f'only {len(lines)} lines')
            check(all(c == '\t' or ' ' <= c <= '~'
                      for line in lines for c in line), 'not printable')


### live

@contextlib.contextmanager
def cable():
    """Two ends of a cable, "left" and "right", in a namespace of our own."""
    if os.geteuid():
        skip('only root may make namespaces')
    if not shutil.which('ip'):
        skip('no ip')
    home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    # pylint: disable=protected-access
    if lib._libc.unshare(lib.CLONE_NEWNET):
        skip('may not make a network namespace')
    try:
        lib.run('ip', 'link', 'add', 'left', 'type', 'veth',
                'peer', 'name', 'right')
        for device in 'left', 'right':
            lib.run('ip', 'link', 'set', device, 'up')
        lib.run('ip', 'addr', 'add', '10.9.0.12/24', 'dev', 'right')
        yield
    finally:
        lib.Namespace.setns(home)
        os.close(home)


def members(device, group):
    """How many sockets have joined the group on this device."""
    index = socket.if_nametoindex(device)
    if ':' in group:
        want = ipaddress.ip_address(group).packed.hex()
        with open('/proc/net/igmp6', encoding='ascii') as file:
            return sum(int(line.split()[3]) for line in file
                       if line.split()[0] == str(index) and
                       line.split()[2] == want)
    want = f'{struct.unpack("=I", socket.inet_aton(group))[0]:08X}'
    here = False
    with open('/proc/net/igmp', encoding='ascii') as file:
        for line in file:
            if line[0] != '\t':
                here = line.split()[0] == str(index)
            elif here and line.split()[0] == want:
                return int(line.split()[1])
    return 0


class Live:
    """A dump that runs."""

    def __init__(self, device, *options, group=GROUP,
                 stdout=subprocess.PIPE, **how):
        want = members(device, group) + (64 if '-u' in options else 1)
        self.process = subprocess.Popen(
            [PROGRAM, 'dump', '-i', device, *options, '-g', group],
            stdout=stdout, stderr=subprocess.PIPE, env=ENVIRONMENT,
            text=True, **how)
        soon(lambda: members(device, group) == want or
             self.process.poll() is not None, 'group joined', 10)

    def end(self, sig=None):
        """The lines of messages and the summary."""
        if sig:
            self.process.send_signal(sig)
        out, errors = self.process.communicate(timeout=30)
        equal(self.process.returncode, 0, f'status; {errors}')
        return [line for line in out.splitlines() if line[0] != '\t'], errors


def send(device, data):
    """Send an IP packet to the group as an Ethernet frame."""
    mac = b'\x33\x33\0\0\0\x81' if data[0] >> 4 == 6 else \
        b'\1\0\x5e\0\0\x51'
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        sock.send(mac + b'\2\0\0\0\0\1' + ethertype(data) + data)


def live(*options):
    large = message([good(index) for index in range(255)], 7)
    for group in GROUP, GROUP6:
        dump_right = Live('right', *options, '-c', '3', group=group)
        send('left', udp(message([good()], 7), dst=group))
        send('left', udp(b'\1', dst=group, port=PORT + 3))
        for part in fragments(udp(large, dst=group), 1400):
            send('left', part)
        lines, errors = dump_right.end()
        equal(len(lines), 3, f'{group}: messages')
        source = MASTER6 if ':' in group else MASTER
        # Sockets of several ports are not read in the order of time
        equal(sorted(line.split(' ', 1)[1] for line in lines), [
            f'{source} thread 0 version 1 syncid 7 bytes 44 records 1',
            f'{source} thread 0 version 1 syncid 7 bytes {len(large)} '
            'records 255',
            f'{source} thread 3 bytes 1 reject short'], group)
        check('messages 3 records 256 rejected 1' in errors, errors)


def test_capture():
    """Live capture, large messages included"""
    with cable():
        live()


def test_sockets():
    """Live with sockets, large messages included"""
    with cable():
        live('-u')


def test_capture_own():
    """A capture has what this director sends; sockets have not"""
    with cable():
        lib.run('ip', 'addr', 'add', '10.9.0.1/24', 'dev', 'left')
        capture, sockets = Live('left', '-c', '1'), Live('left', '-u')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            socket.inet_aton(MASTER))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.sendto(message([good()], 7), (GROUP, PORT))
        equal(len(capture.end()[0]), 1, 'messages captured')
        equal(sockets.end(signal.SIGINT)[0], [], 'messages of the sockets')


def test_capture_requests():
    """A capture has what backups ask; sockets have not"""
    with cable():
        for group, master in (GROUP, MASTER), (GROUP6, MASTER6):
            capture = Live('right', '-c', '3', group=group)
            sockets = Live('right', '-u', group=group)
            for data in (wire.ask_join(5, 7, 9), wire.hello(7, 9),
                         wire.ranges(wire.NACK, [(1, 4)], 7, 9)):
                send('left', udp(data, dst=master, port=33333))
            # To the group, where nobody asks
            send('left', udp(wire.ask_join(6, 7, 9), dst=group))
            lines, _ = capture.end()
            equal([re.search(' ([A-Z]+) ', line)[1] for line in lines],
                  ['JOIN', 'NACK', 'JOIN'], group)
            lines, _ = sockets.end(signal.SIGTERM)
            equal(len(lines), 1, f'{group}: messages of sockets')
            end = f'[{group}]:{PORT}' if ':' in group else f'{group}:{PORT}'
            check(f' to {end} ' in lines[0], lines)


def test_beside():
    """Sockets listen beside others, and only on the interface"""
    with cable():
        lib.run('ip', 'addr', 'add', '10.8.0.1/24', 'dev', 'left')
        others = [Live('right', '-u'), Live('right', '-u'),
                  Live('left', '-u')]
        send('left', udp(message([good()], 7)))
        send('left', udp(message([good()], 8)))
        # Each has all by the time that one has
        probe = Live('right', '-c', '1')
        send('left', udp(message([good()], 9)))
        probe.end()
        for number, want in zip(range(3), (3, 3, 0)):
            lines, errors = others[number].end(signal.SIGTERM)
            equal(len(lines), want, f'{number}: messages')
            check(f'messages {want} ' in errors, errors)


def test_live_full():
    """Live, it ends when nobody takes what it prints"""
    with cable(), open('/dev/full', 'wb') as full:
        for options in (), ('-u',):
            process = Live('right', *options, stdout=full).process
            send('left', udp(message([good()], 7)))
            _, errors = process.communicate(timeout=30)
            equal(process.returncode, 1, 'status')
            check('could not write' in errors, errors)


@contextlib.contextmanager
def for_all():
    """The program where everybody may run it."""
    global PROGRAM              # pylint: disable=global-statement
    kept = PROGRAM
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        PROGRAM = shutil.copy(kept, folder)
        try:
            yield
        finally:
            PROGRAM = kept


def test_privilege():
    """Without privilege sockets work; else a line says so"""
    if os.geteuid():
        skip('needs root to give it up')
    with cable(), for_all():
        def drop():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        line = failure('dump', '-i', 'right', preexec_fn=drop)
        check('may not capture; -u' in line, line)
        sockets = Live('right', '-u', '-c', '1', preexec_fn=drop)
        send('left', udp(message([good()], 7)))
        equal(len(sockets.end()[0]), 1, 'messages')


### watch

COUNTERS = """\
master.walk.renewed 3
master.walk.passes 1
master.walk.passed 75
master.0.hellos 12
master.0.deleted 8
master.0.nacks 4
master.0.refused_far 0
master.0.messages 10
master.0.records 100
master.0.bytes 4000
master.0.waiting 4
master.0.waiting_max 40
master.0.since_message_ms 1500
master.0.send_blocked 0
master.0.send_errors 2
master.1.messages 5
master.1.records 50
master.1.bytes 2000
master.1.waiting 1
master.1.waiting_max 10
master.1.since_message_ms 20
master.1.send_blocked 0
master.1.send_errors 1
bound_late 0
"""
BACKUP = """\
bound_late 6
backup.0.messages 7
backup.0.records 70
backup.0.since_message_ms -1
backup.0.reject_size 0
backup.0.reject_state 9
"""


def figures(lines):
    """A table as {(role, row): cells}, and the lines above it."""
    rows, role, notes = {}, None, []
    for line in lines:
        cells = re.split(r' {2,}', line.strip())
        if re.search(r': (no data: |\d+ lines not understood)', line):
            notes.append(line)
        elif line and line[0] != ' ':
            role = line
        elif role:
            rows[role, cells[0]] = cells[1:]
    return rows, notes


def write(path, text):
    """Change a file at once."""
    with open(path + '.new', 'w', encoding='ascii') as file:
        file.write(text)
    os.rename(path + '.new', path)


def test_totals():
    """-1 prints totals, threads added up"""
    with folder() as name:
        path = os.path.join(name, 'm')
        write(path, COUNTERS)
        rows, notes = figures(tool('watch', '-1', f'file:{path}').out)
        equal(notes, [], 'notes')
        for row, want in (('threads', '2'), ('messages', '15'),
                          ('records', '150'), ('bytes', '6000'),
                          ('waiting', '5'), ('waiting_max', '50'),
                          ('since message', '20 ms - 1.5 s'),
                          ('walk.renewed', '3'), ('walk.passed', '75'),
                          ('hellos', '12'), ('deleted', '8'),
                          ('walk.passes', '1'), ('nacks', '4'),
                          ('send_errors', '3')):
            equal(rows.get(('master', row)), [want], row)
        check(('master', 'send_blocked') not in rows, 'a zero is shown')
        equal(rows['backup', 'threads'], ['-'], 'no backup')
        check(('namespace', 'bound_late') not in rows, 'a zero is shown')


def test_side_by_side():
    """Directors side by side; what one has not is -"""
    with folder() as name:
        master, backup = (os.path.join(name, n) for n in 'mb')
        write(master, COUNTERS)
        write(backup, BACKUP)
        rows, _ = figures(tool('watch', '-1', f'file:{master}',
                               f'file:{backup}').out)
        for key, want in ((('master', 'messages'), ['15', '-']),
                          (('backup', 'messages'), ['-', '7']),
                          (('backup', 'reject_state'), ['-', '9']),
                          (('backup', 'since message'), ['-', 'never']),
                          (('namespace', 'bound_late'), ['0', '6'])):
            equal(rows.get(key), want, key)


def test_ages():
    """The time since the last message, of all threads"""
    with folder() as name:
        path = os.path.join(name, 'f')
        for values, want in (((0,), '0 ms'), ((999,), '999 ms'),
                             ((1000,), '1.0 s'), ((60000,), '1 min'),
                             ((7200000,), '2 h'), ((-1, -1), 'never'),
                             ((5, 5), '5 ms'), ((5, -1), '5 ms, 1 never'),
                             ((70000, 5, -1), '5 ms - 1 min, 1 never')):
            write(path, ''.join(f'master.{n}.since_message_ms {value}\n'
                                for n, value in enumerate(values)))
            rows, _ = figures(tool('watch', '-1', f'file:{path}').out)
            equal(rows['master', 'since message'], [want], values)


def test_unknown():
    """Names and roles that are new, and lines that are none"""
    with folder() as name:
        path = os.path.join(name, 'f')
        write(path, 'master.0.messages 1\nmaster.0.later 5\nnew.0.thing 3\n'
              'new.0.zero 0\nalone 8\njunk\nmaster.0.x y\n\x1b[2J 5\n'
              f'master.0.big {"9" * 30}\na.b.c.d 1\n{"n" * 99} 1\n'
              'b.0.max 9223372036854775807\nb.1.max 9223372036854775807\n')
        rows, notes = figures(tool('watch', '-1', f'file:{path}').out)
        equal(rows['master', 'later'], ['5'])
        equal(rows['new', 'thing'], ['3'])
        equal(rows['namespace', 'alone'], ['8'])
        equal(rows['a', 'b.c.d'], ['1'])
        check(('new', 'zero') not in rows, 'a zero is shown')
        check('6 lines not understood' in notes[0], notes)


def test_no_data():
    """Sources without data: the reason, and status 1"""
    with folder() as name:
        path = os.path.join(name, 'f')
        for text, want in ((None, 'No such file'),
                           ('', 'no counters'), ('junk\n', 'no counters')):
            if text is not None:
                write(path, text)
            done = tool('watch', '-1', f'file:{path}', status=1)
            check(want in done.out[0] and 'no data' in done.out[0],
                  done.out[0])
        done = tool('watch', '-1', f'file:{name}', status=1)
        check('Is a directory' in done.out[0], done.out[0])
        done = tool('watch', '-1', 'netns:no-such-name', status=1)
        check('/run/netns/no-such-name: No such' in done.out[0], done.out[0])


class Watch:
    """A watch that runs, with its output table by table."""

    def __init__(self, *argv, environment=None):
        self.process = subprocess.Popen(
            [PROGRAM, 'watch', *argv], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env=environment or ENVIRONMENT)

    def table(self):
        lines = []
        for line in self.process.stdout:
            if line == '\n':
                return figures(lines)
            lines.append(line.rstrip('\n'))
        raise lib.Failed(f'ended: {lines}')

    def until(self, probe, what):
        """Skip tables until the probe likes one."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            rows, notes = self.table()
            if probe(rows, notes):
                return rows, notes
        raise lib.Failed(f'no table with {what}: {rows} {notes}')

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        rest = self.process.stdout.read()
        check(exc[0] or 'Sanitizer' not in rest, rest)
        check(exc[0] or status == 0, f'status {status}')


def test_rates():
    """Rates, and none when a daemon was started anew"""
    with folder() as name:
        path = os.path.join(name, 'f')
        write(path, COUNTERS)
        start = time.monotonic()
        with Watch('-n', '0.25', f'file:{path}') as watch:
            rows, _ = watch.table()
            equal(rows['master', 'records/s'], ['-'], 'at first')
            equal(rows['master', 'hellos/s'], ['-'], 'no trouble')
            rows, _ = watch.table()
            equal(rows['master', 'records/s'], ['0.0'], 'then')
            equal(rows['master', 'send_errors'], ['3'], 'no change')
            write(path, COUNTERS.replace('records 100', 'records 1100')
                  .replace('send_errors 2', 'send_errors 12'))
            rows, _ = watch.until(
                lambda rows, _: rows['master', 'records/s'] != ['0.0'],
                'a rate')
            # 1000 in a quarter of a second; on a busy machine in up to all
            # the time that has gone, or, after a late look, in less
            rate = float(rows['master', 'records/s'][0])
            least = 1000 / (time.monotonic() - start)
            check(least < rate < 100000, f'records/s {rate}, least {least}')
            total, value = rows['master', 'send_errors'][0].split()
            equal(total, '13')
            # A hundredth of that
            check(0.97 < float(value[1:-2]) * 100 / rate < 1.03,
                  f'send_errors {value}, records/s {rate}')
            write(path, COUNTERS)
            watch.until(lambda rows, _: rows['master', 'records/s'] == ['-'],
                        'no rate after a restart')
            watch.until(lambda rows, _: rows['master', 'records/s'] ==
                        ['0.0'], 'rates again')


def test_retry():
    """A source that is gone is said to be, and comes back"""
    with folder() as name:
        path = os.path.join(name, 'f')
        write(path, COUNTERS)
        with Watch('-n', '0.2', f'file:{path}') as watch:
            watch.until(lambda rows, notes: not notes, 'data')
            os.unlink(path)
            rows, _ = watch.until(
                lambda rows, notes: notes and 'No such file' in notes[0],
                'a reason')
            equal(rows['master', 'threads'], ['-'], 'gone')
            write(path, COUNTERS)
            rows, _ = watch.until(lambda rows, notes: not notes, 'data')
            equal(rows['master', 'records/s'], ['-'], 'rate over the gap')


# Stands in for ssh: runs the command here, where "cat" gives FILE
SSH = """\
#!/bin/sh
for last; do :; done
[ -e "{name}/flood" ] && exec yes
echo "$@" >> "{name}/calls"
[ -e "{name}/refuse" ] && {{ echo 'refused: no \x1b[2Jkey' >&2; exit 255; }}
[ -e "{name}/silent" ] && exec sleep 60
PATH={name}/bin:$PATH
exec sh -c "$last"
"""
CAT = """\
#!/bin/sh
exec /bin/cat "{name}/f"
"""


@contextlib.contextmanager
def fake_ssh():
    with folder() as name:
        os.mkdir(os.path.join(name, 'bin'))
        for path, text in (('ssh', SSH), ('bin/cat', CAT)):
            path = os.path.join(name, path)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text.format(name=name))
            os.chmod(path, 0o755)
        write(os.path.join(name, 'f'), COUNTERS)
        yield name, dict(ENVIRONMENT, PATH=f'{name}:{os.environ["PATH"]}')


def test_ssh():
    """Another director over ssh, and when ssh dies"""
    with fake_ssh() as (name, environment), \
            Watch('-n', '0.2', 'ssh:root@lb2', 'ssh:-x',
                  environment=environment) as watch:
        rows, _ = watch.until(lambda rows, notes: not notes, 'data')
        equal(rows['master', 'threads'], ['2', '2'])
        with open(os.path.join(name, 'calls'), encoding='ascii') as file:
            calls = file.read()
        for want in ' -- root@lb2 ', ' -- -x ', 'BatchMode=yes':
            check(want in calls, f'no {want} in {calls}')
        watch.until(lambda rows, _: rows['master', 'records/s'] ==
                    ['0.0', '0.0'], 'rates')
        with open(os.path.join(name, 'refuse'), 'wb'):
            os.rename(os.path.join(name, 'f'), os.path.join(name, 'g'))
        _, notes = watch.until(
            lambda rows, notes: len(notes) == 2 and 'refused' in notes[1],
            'the reason')
        check('no data: refused: no ?[2Jkey' in notes[1], notes)
        os.rename(os.path.join(name, 'g'), os.path.join(name, 'f'))
        os.unlink(os.path.join(name, 'refuse'))
        watch.until(lambda rows, notes: not notes, 'data again')


def test_ssh_once():
    """-1 waits for ssh, or for its end"""
    with fake_ssh() as (name, environment):
        run = subprocess.run([PROGRAM, 'watch', '-1', 'ssh:lb2'], text=True,
                             stdout=subprocess.PIPE, check=False,
                             env=environment, timeout=60)
        rows, _ = figures(run.stdout.splitlines())
        equal(run.returncode, 0, 'status')
        equal(rows['master', 'messages'], ['15'])
        os.unlink(os.path.join(name, 'f'))
        run = subprocess.run([PROGRAM, 'watch', '-1', 'ssh:lb2'], text=True,
                             stdout=subprocess.PIPE, check=False,
                             env=environment, timeout=60)
        equal(run.returncode, 1, 'status')
        check('No such file' in run.stdout, run.stdout)


def test_ssh_flood():
    """A host that says too much is no data"""
    with fake_ssh() as (name, environment):
        with open(os.path.join(name, 'flood'), 'wb'):
            pass
        run = subprocess.run([PROGRAM, 'watch', '-1', 'ssh:lb2'], text=True,
                             stdout=subprocess.PIPE, check=False,
                             env=environment, timeout=60)
        check('no data: says too much' in run.stdout, run.stdout)
        equal(run.returncode, 1, 'status')


def test_ssh_silent():
    """A link that hangs is no data"""
    with fake_ssh() as (name, environment):
        with open(os.path.join(name, 'silent'), 'wb'):
            pass
        with Watch('-n', '0.2', 'ssh:lb2', environment=environment) as watch:
            watch.until(lambda rows, notes: 'nothing for' in notes[0],
                        'silence')


def test_netns():
    """A namespace by its name has the same counters as inside"""
    if os.geteuid() or not shutil.which('ip'):
        skip('only root with ip may make namespaces')
    name = f'ipvs-sync-{os.getpid()}'
    lib.run('ip', 'netns', 'add', name)
    try:
        inside = subprocess.run(
            ['ip', 'netns', 'exec', name, 'cat', '/proc/net/ip_vs_sync'],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        with cable():
            # That file is here only, so it must have found back
            here = '/proc/net/dev_snmp6/left'
            check(os.path.exists(here), f'no {here}')
            done = Done(('watch', '-1', f'netns:{name}', f'file:{here}'))
        mine = [line for line in done.out if line.startswith(f'netns:{name}')]
        check(not any(line.startswith(f'file:{here}: no data')
                      for line in done.out), done.out)
        if inside.returncode:
            check('net/ip_vs_sync: No such file' in mine[0], done.out)
        else:
            equal(mine, [], 'no data')
    finally:
        lib.run('ip', 'netns', 'del', name)


def screen(rows, columns, *argv):
    """The lines of a screen of this size."""
    try:
        pid, fd = pty.fork()
    except OSError as why:
        skip(str(why))
    if not pid:
        fcntl.ioctl(1, termios.TIOCSWINSZ,
                    struct.pack('HHHH', rows, columns, 0, 0))
        os.execv(PROGRAM, [PROGRAM, 'watch', '-c', '1', *argv])
    data = b''
    with contextlib.suppress(OSError):      # the end of a terminal
        while True:
            more = os.read(fd, 65536)
            if not more:
                break
            data += more
    os.close(fd)
    equal(os.waitpid(pid, 0)[1], 0, 'status')
    check(data.startswith(b'\x1b[2J\x1b[H'), f'starts with {data[:9]}')
    check(data.rstrip().split(b'\x1b[J')[0] != data, 'no end of the screen')
    text = re.sub(rb'\x1b\[[A-Z0-9]*', b'', data).decode()
    return text.replace('\r\n', '\n').split('\n')


def test_screen():
    """On a terminal the table fits the window"""
    with folder() as name:
        path = os.path.join(name, 'f')
        write(path, COUNTERS + BACKUP)
        sources = [f'file:{path}'] * 3
        large = screen(60, 200, *sources)
        rows, _ = figures(large)
        equal(rows['backup', 'reject_state'], ['9', '9', '9'])
        low = screen(10, 200, *sources)
        check(len(low) <= 10, f'{len(low)} lines')
        check('more lines' in low[-1], low[-1])
        width = len(large[1]) - 10
        narrow = screen(60, width, *sources)
        check(max(map(len, narrow)) <= width, 'too wide')
        rows, _ = figures(narrow)
        equal(rows['backup', 'reject_state'], ['9', '9'])
        check(any('1 more: widen' in line for line in narrow), narrow)
        for size in (1, 1), (3, 10), (2, 80):
            lines = screen(*size, path and sources[0])
            check(max(map(len, lines)) <= max(size[1], 40), lines)


def main():
    global PROGRAM              # pylint: disable=global-statement
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit('usage: test.py PROGRAM [NAME...]')
    PROGRAM = os.path.abspath(sys.argv[1])
    wanted = sys.argv[2:]
    tests = [(name, test) for name, test in globals().items()
             if name.startswith('test_') and
             (not wanted or any(word in name for word in wanted))]
    print(f'TAP version 13\n1..{len(tests)}', flush=True)
    good_ones = [
        perform(number, inspect.getdoc(test).splitlines()[0], test)
        for number, (_, test) in enumerate(tests, 1)]
    skipped = None in good_ones and os.environ.get('CI') == 'true'
    sys.exit(1 if False in good_ones or skipped else 0)


if __name__ == '__main__':
    main()
