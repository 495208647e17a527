# SPDX-License-Identifier: GPL-2.0
"""What a master's records are about.

A Meter sees all sync messages that a device receives. They wait in a ring
that is shared with the kernel, so that nobody has to run for each: read()
has to come before the ring is full. It counts IPv4 records of version 1 as

    new     the flow is not known, or its time has run out since
    turn    another state than the record before
    keep    the same state, and 7/16 of the time that the record before gave
            have gone, as good as the half of it: without this one, or one
            soon after, a backup would forget the flow
    again   all others

and bytes of what the stock engine does not send: control messages with their
headers, trailers.
"""

import collections
import mmap
import socket
import struct

FRAME = 2048            # a message of 1500 bytes fits
FRAMES = 32768
BLOCK = 65536

# From linux/socket.h and linux/if_packet.h
SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 5, 6, 10
TPACKET_V2 = 1
# tp_status, tp_len, tp_snaplen, tp_mac, tp_net, tp_sec, tp_nsec
FRAME_HEAD = struct.Struct('=IIIHHII')

HEADERS = 14 + 20 + 8   # Ethernet, IP, UDP
MESSAGE = 8             # and that of a message
RECORD = struct.Struct('!xBHIH3HII4s')
CLASSES = 'new', 'turn', 'keep', 'again'
TEMPLATE = 0x1000
PROTOCOLS = {6: 'tcp', 17: 'udp'}


class Meter:
    """Counts the records that come to a device of a namespace."""

    def __init__(self, ns, device):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        self.sock.setsockopt(SOL_PACKET, PACKET_RX_RING,
                             struct.pack('=4I', BLOCK,
                                         FRAMES * FRAME // BLOCK, FRAME,
                                         FRAMES))
        self.ring = mmap.mmap(self.sock.fileno(), FRAMES * FRAME)
        self.sock.bind((device, 0x0800))
        self.frame = 0
        self.flows = {}         # (time, state, timeout) of the last record
        self.counts = collections.Counter()     # of (kind, class)
        self.control = self.trailers = 0        # bytes

    def read(self):
        """Count what has come since the last call."""
        while True:
            at = self.frame * FRAME
            status, size, _, mac, _, sec, nsec = FRAME_HEAD.unpack_from(
                self.ring, at)
            if not status & 1:
                break
            data = self.ring[at + mac:at + mac + size]
            if data[23] == socket.IPPROTO_UDP:
                self.message(data[HEADERS:], sec + nsec / 1e9)
            self.ring[at:at + 4] = bytes(4)
            self.frame = (self.frame + 1) % FRAMES
        _, lost = struct.unpack('=II', self.sock.getsockopt(
            SOL_PACKET, PACKET_STATISTICS, 8))
        if lost:
            raise OverflowError(f'{lost} sync messages went by uncounted')

    def message(self, data, now):
        # A control message has no records
        if not data[0] and data[5] == 2:
            self.control += HEADERS + len(data)
            return
        if data[0] or data[5] != 1:
            raise ValueError('not a message of version 1')
        pos = MESSAGE
        for _ in range(data[4]):
            pos += -pos % 4
            (protocol, size, flags, state, cport, vport, _, _, timeout,
             caddr) = RECORD.unpack_from(data, pos)
            pos += size & 0xfff
            key = protocol, caddr, cport, vport
            before, old, granted = self.flows.get(key, (now, None, 0))
            self.flows[key] = now, state, timeout
            age = now - before
            if old is None or age >= granted + granted / 8:
                what = 'new'
            elif old != state:
                what = 'turn'
            else:
                what = 'keep' if age >= granted * 7 / 16 else 'again'
            kind = 'template' if flags & TEMPLATE else \
                PROTOCOLS.get(protocol, str(protocol))
            self.counts[kind, what] += 1
        self.trailers += len(data) - pos
