#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write messages to start fuzzing from: every kind there is, good and bad.

    corpus.py DIRECTORY

They are made by the selftests' own idea of the wire format, which shares
nothing with the code that is fuzzed. test.py checks that each is read or
refused as it says here.
"""

import collections
import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, '../../testing/selftests/net/ipvs_sync'))

# pylint: disable=wrong-import-position
import wire                                     # noqa: E402
from wire import Record, control, message       # noqa: E402

# Reasons are of the datagram, or one for each record, or for each line of a
# control message; 'ok' is no reason
Seed = collections.namedtuple('Seed', 'name data reasons')

SEQ = (4294967295, 4, 0, 1000, 4294967294, 2)
DATA = (wire.OPT_PE_DATA, b'call-7@client')
NAME = (wire.OPT_PE_NAME, b'sip')
LEFT = (wire.OPT_SKIP | 4, b'\0\0\1\0')


def good(number=0, **more):
    more.setdefault('state', wire.TCP_ESTABLISHED)
    more.setdefault('timeout', 900)
    return Record('tcp', f'10.1.0.2:{1000 + number}', '10.1.0.1:80',
                  '10.2.0.2:8080', **more)


def good6(**more):
    return Record('tcp', '[fd01::2]:1000', '[fd01::1]:80', '[fd02::2]:8080',
                  state=wire.TCP_ESTABLISHED, timeout=900, **more)


def other(protocol, **more):
    return Record(protocol, '10.1.0.2:1000', '10.1.0.1:80', '10.2.0.2:8080',
                  **more)


def sized(record, size):
    """A record that lies about its size."""
    record.size = size
    return record.encode(1)


# What both versions can tell: (name, records, reasons)
BOTH = [
    ('tcp', [good()], ['ok']),
    ('udp', [other('udp')], ['ok']),
    ('sctp', [other('sctp', state=wire.SCTP_ESTABLISHED)], ['ok']),
    ('ah', [other('ah')], ['ok']),
    ('esp', [other('esp')], ['ok']),
    ('protocol', [other(255)], ['ok']),
    ('state', [good(state=65535)], ['ok']),
    ('flags', [good(flags=wire.DROUTE | wire.INACTIVE | wire.NOOUTPUT)],
     ['ok']),
    ('no-cport', [good(flags=wire.NO_CPORT)], ['ok']),
    ('sequence', [good(flags=wire.SEQ, seq=SEQ)], ['ok']),
    ('template', [good(flags=wire.TEMPLATE, state=wire.TEMPLATE_ASSURED)],
     ['ok']),
    ('template-mark',
     [Record('ip', '10.1.0.0:0', '0.0.0.7:0', '10.2.0.2:0',
             flags=wire.TEMPLATE)], ['ok']),
    ('many', [good(number) for number in range(40)], ['ok'] * 40),
    ('one-packet', [good(), good(flags=wire.ONE_PACKET), good()],
     ['ok', 'flags', 'ok']),
    ('template-no-cport',
     [good(), good(flags=wire.TEMPLATE | wire.NO_CPORT), good()],
     ['ok', 'flags', 'ok']),
]

# (name, records or bytes of them, reasons)
VERSION_0 = [
    ('sequence-cut', [good(flags=wire.IN_SEQ)], ['truncated']),
    ('cut', [good(), good().encode(0)[:-1], good()],
     ['ok', 'ok', 'truncated']),
]

VERSION_1 = [
    ('inet6', [good6()], ['ok']),
    ('families', [good6(), good(), good6(seq=SEQ, flags=wire.SEQ)],
     ['ok', 'ok', 'ok']),
    ('fwmark', [good(fwmark=7)], ['ok']),
    ('no-timeout', [good(timeout=0)], ['ok']),
    ('nfct', [good(flags=wire.NFCT)], ['ok']),
    ('pe', [good(flags=wire.TEMPLATE, pe_name=b'sip', pe_data=b'call-7')],
     ['ok']),
    ('pe-longest',
     [good(pe_name=b'n' * 16, pe_data=bytes(range(255)), seq=SEQ)], ['ok']),
    ('pe-longest-inet6',
     [good6(pe_name=b'n' * 16, pe_data=b'\xff' * 255, seq=SEQ)], ['ok']),
    ('pe-name-only', [good(options=[NAME])], ['ok']),
    ('pe-name-first', [good(options=[NAME, DATA])], ['ok']),
    ('skip', [good(options=[(0x45, b'later'), DATA, NAME])], ['ok']),
    ('skip-known', [good(options=[(wire.OPT_SKIP | DATA[0], DATA[1]),
                                  NAME])], ['ok']),
    ('left', [good(options=[LEFT])], ['ok']),
    ('all-inet6', [good6(pe_name=b'n' * 16, pe_data=b'\xff' * 255, seq=SEQ,
                         flags=wire.SEQ, options=[LEFT])], ['ok']),
    ('odd-sizes', [good(pe_name=b'sip', pe_data=b'x' * length)
                   for length in range(1, 5)], ['ok'] * 4),
    ('record-version', [good(), good(version=1), good()],
     ['ok', 'record_version', 'ok']),
    ('type', [good(), good(type=2), good()], ['ok', 'type', 'ok']),
    ('inet6-too-small', [good(), good(type=1), good()],
     ['ok', 'record_size', 'ok']),
    ('size-0', [good(), sized(good(), 0), good()],
     ['ok', 'record_size', 'record_size']),
    ('size-23', [sized(good(), 23)], ['record_size']),
    ('size-24', [sized(good(), 24)[:24], good()], ['record_size', 'ok']),
    ('size-beyond', [good(), sized(good(), 0xfff), good()],
     ['ok', 'truncated', 'truncated']),
    ('cut', [good(), good().encode(1)[:-13]], ['ok', 'truncated']),
    ('cut-in-head', [good().encode(1)[:23]], ['truncated']),
    ('option-empty', [good(options=[(wire.OPT_PE_DATA, b'')]), good()],
     ['option_size', 'ok']),
    ('option-half', [sized(good(), 37) + b'\x45', good()],
     ['option_size', 'ok']),
    ('option-beyond', [good(options=[(wire.OPT_PE_NAME, b'abc', 4)]),
                       good()], ['option_size', 'ok']),
    ('option-beyond-last', [good(options=[(wire.OPT_PE_NAME, b'abc', 4)])],
     ['option_size']),
    ('sequence-short', [good(options=[(wire.OPT_SEQ, bytes(23))])],
     ['option_size']),
    ('name-too-long', [good(options=[DATA, (wire.OPT_PE_NAME, b'n' * 17)])],
     ['option_size']),
    ('left-short', [good(options=[(LEFT[0], b'\0\0\1')])],
     ['option_size']),
    ('left-twice', [good(options=[LEFT, LEFT])], ['option_twice']),
    ('sequence-twice', [good(options=[(wire.OPT_SEQ, bytes(24))] * 2)],
     ['option_twice']),
    ('data-twice', [good(options=[DATA, DATA, NAME])], ['option_twice']),
    ('name-twice', [good(options=[DATA, NAME, NAME])], ['option_twice']),
    ('option-unknown', [good(options=[(5, b'x')])], ['option_unknown']),
    ('data-without-name', [good(options=[DATA])], ['pe_name']),
]

WHO = 0x1234            # an instance
KEY = ('tcp', '10.1.0.2:1000', '10.1.0.1:80')
KEY6 = ('udp', '[fd01::2]:1000', '[fd01::1]:53')
TEMPLATE = ('ip', '10.1.0.0:0', '0.0.0.7:0', True)
BEYOND = [(number, number) for number in range(2, 132, 2)]


def asked(pairs, seq, **more):
    return wire.ranges(wire.NACK, pairs, WHO, seq, **more)


def deleted(order, keys, seq, **more):
    return wire.delete(order, keys, WHO, seq, **more)


def delete_of(body, seq=9):
    return control(wire.DELETE, struct.pack('!I', 9) + body, WHO, seq)


# What makes version 1 complete: (name, message, reasons)
COMPLETE = [
    ('numbered', wire.numbered([good()], WHO, 1), ['ok']),
    ('numbered-odd',
     wire.numbered([good(pe_name=b'sip', pe_data=b'xy')], WHO, 2), ['ok']),
    ('numbered-empty', wire.numbered([], WHO, 3), []),
    ('numbered-full',
     wire.numbered([good(number) for number in range(40)], WHO, 2**32 - 1),
     ['ok'] * 40),
    ('numbered-tag',
     message([good()], tail=wire.trailer(WHO, 4, b'tag!')), ['ok']),
    ('numbered-version-0',
     message([good()], 7, 0, count=1, tail=wire.trailer(WHO, 4)), ['ok']),
    ('numbered-behind',
     message([good()], count=1, tail=wire.trailer(WHO, 4) + b'more'),
     ['ok']),
    ('hello', wire.hello(WHO, 9), ['ok']),
    ('hello-pass', wire.hello(WHO, 9, 3, 1000, 5, 0, 432, 100), ['ok']),
    ('hello-done', wire.hello(WHO, 9, 3, 1000, 5, 8, 1000), ['ok']),
    ('hello-tag', wire.hello(WHO, 9, tag=b'authentication code.'), ['ok']),
    ('hello-tag-longest', wire.hello(WHO, 9, tag=bytes(236)), ['ok']),
    ('hello-progress', wire.hello(WHO, 9, progress=1001), ['body']),
    ('hello-interval', wire.hello(WHO, 9, interval=0), ['body']),
    ('hello-short', control(wire.HELLO, bytes(16), WHO, 9), ['body']),
    ('hello-long', control(wire.HELLO, bytes(24), WHO, 9), ['body']),
    ('fill', wire.ranges(wire.FILL, [(1, 4), (6, 6)], WHO, 9), ['ok'] * 2),
    ('nack', asked([(1, 4), (6, 6), (8, 9)], 9), ['ok'] * 3),
    ('nack-wrap', asked([(2**32 - 9, 3)], 9), ['ok']),
    ('nack-most', asked(BEYOND[:64], 500), ['ok'] * 64),
    ('nack-beyond', asked(BEYOND, 500), ['body']),
    ('nack-none', asked([], 9), ['body']),
    ('nack-backwards', asked([(4, 3)], 9), ['body']),
    ('nack-unsent', asked([(4, 10)], 9), ['body']),
    ('nack-half', control(wire.NACK, bytes(12), WHO, 9), ['body']),
    ('join', wire.ask_join(5, WHO, 9), ['ok']),
    ('join-long', control(wire.JOIN, bytes(8), WHO, 9), ['body']),
    ('delete', deleted(9, [KEY, KEY6, TEMPLATE, KEY6 + (True,)], 9),
     ['ok'] * 5),
    ('delete-again', deleted(7, [KEY], 9), ['ok'] * 2),
    ('delete-none', deleted(9, [], 9), ['ok']),
    ('delete-unsent', deleted(10, [KEY], 9), ['body']),
    ('delete-no-order', control(wire.DELETE, b'', WHO, 9), ['body']),
    # What is behind it would do as one
    ('delete-no-order-late', control(wire.DELETE, b'', WHO, 0x49565360),
     ['body']),
    ('delete-cut', delete_of(bytes(12)), ['ok', 'truncated']),
    ('delete-cut-head', delete_of(bytes(4)), ['ok', 'truncated']),
    ('delete-cut-inet6', delete_of(b'\1' + bytes(15)), ['ok', 'truncated']),
    ('delete-type', delete_of(bytes(16) + b'\4' + bytes(31)),
     ['ok', 'ok', 'type']),
    ('kind-0', control(0, b'', WHO, 9), ['kind']),
    ('kind-6', control(6, b'', WHO, 9), ['kind']),
    ('control-size', wire.hello(WHO, 9, size=40), ['size']),
    ('control-spare', wire.hello(WHO, 9, spare=1), ['version']),
    ('control-version', wire.hello(WHO, 9, version=3), ['version']),
    ('control-odd', control(wire.JOIN, bytes(5), WHO, 9), ['trailer']),
    ('control-no-trailer', message([good()], message_version=2),
     ['trailer']),
]


def seeds():
    """Every message, with what is to become of it."""
    record = [good()]
    yield Seed('short', b'\1\7\0', ['short'])
    yield Seed('empty', b'', ['short'])
    for version in 0, 1:
        for name, records, reasons in BOTH + (VERSION_0, VERSION_1)[version]:
            yield Seed(f'v{version}-{name}',
                       message(records, 7, version), reasons)
        for name, size in ('size-less', 27), ('size-more', 45):
            yield Seed(f'v{version}-{name}',
                       message(record, 7, version, size=size), ['size'])
        yield Seed(f'v{version}-behind',
                   message(record, 7, version, count=1, tail=b'tail'),
                   ['ok'])
        yield Seed(f'v{version}-count',
                   message(record, 7, version, count=255),
                   ['ok'] + ['truncated'] * 254)
        yield Seed(f'v{version}-full',
                   message([good(number) for number in range(255)], 7,
                           version), ['ok'] * 255)
    yield Seed('v1-no-record', message([], 7), [])
    yield Seed('v1-header-cut', b'\0\7\0\7\1\1\0', ['version'])
    yield Seed('v1-version', message(record, 7, message_version=3),
               ['version'])
    yield Seed('v1-spare', message(record, 7, spare=1), ['version'])
    for seed in COMPLETE:
        yield Seed(*seed)
    # No messages: what happens to a window and a history
    for number in range(8):
        yield Seed(f'events-{number}', b'\xff\xff' +
                   random.Random(number).randbytes(100 << number % 4),
                   ['size'])


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: corpus.py DIRECTORY')
    os.makedirs(sys.argv[1], exist_ok=True)
    for seed in seeds():
        with open(os.path.join(sys.argv[1], seed.name), 'wb') as file:
            file.write(seed.data)


if __name__ == '__main__':
    main()
