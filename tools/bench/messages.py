# SPDX-License-Identifier: GPL-2.0
"""Sync messages to replay: full ones of version 1, a record for each UDP
connection of a table.

They lie one behind the other in a file, all of the same size. A master of
either kernel would send the same but for the order and, ours, a trailer.
"""

import random
import socket
import struct

SIZE = {4: 1448, 6: 1448}           # of a message
RECORDS = {4: 40, 6: 20}            # in a message
FIRST = 0x64000000                  # 100.0.0.0, fd64::
TIMEOUT = 300
HEADER = struct.Struct('!BBHBBH')
# Up to the addresses: type, protocol, size, flags, state, ports, firewall
# mark, timeout
HEAD = struct.Struct('!BBHIH3HII')


def record_of(family, vip, server):
    """A function that gives the record of a number's connection."""
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    ends = socket.inet_pton(kind, vip) + socket.inet_pton(kind, server)
    size = HEAD.size + (48 if family == 6 else 12)
    front = HEAD.pack(family == 6, socket.IPPROTO_UDP, size, 0, 0, 2000, 53,
                      53, 0, TIMEOUT)
    if family == 6:
        front += bytes.fromhex('fd640000') + bytes(8)
    return lambda n: front + (FIRST + n).to_bytes(4, 'big') + ends


def write(path, family, connections, vip, server, shuffled):
    """A table's messages, in its order or another that is always the same."""
    record = record_of(family, vip, server)
    n = RECORDS[family]
    order = list(range(connections))
    if shuffled:
        random.Random(20111228).shuffle(order)
    header = HEADER.pack(0, 0, SIZE[family], n, 1, 0)
    with open(path, 'wb') as file:
        for at in range(0, connections, n):
            file.write(header + b''.join(map(record, order[at:at + n])))
