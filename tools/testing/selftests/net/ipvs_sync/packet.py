# SPDX-License-Identifier: GPL-2.0
"""Packets made by hand, so that a test says which ones pass a director.

A Flow is one client's side of a conversation with a virtual service. Its
packets leave the client's namespace as Ethernet frames, straight to the
director that is asked for: no route or neighbour has a say in it.

    flow = Flow(client, 'tcp', '10.1.0.2:1000', '10.1.0.1:80', mac)
    flow.send('S')              # a SYN
    flow.send('A', times=3, gap=0.5)
"""

import dataclasses
import socket
import struct
import time

import wire

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86dd

TCP_FLAGS = {'F': 1, 'S': 2, 'R': 4, 'P': 8, 'A': 16}

# Chunks of SCTP by the name a test calls them
CHUNKS = {'data': 0, 'init': 1, 'init-ack': 2, 'abort': 6, 'shutdown': 7,
          'shutdown-ack': 8, 'cookie-echo': 10, 'cookie-ack': 11,
          'shutdown-complete': 14}


def checksum(data):
    """The Internet checksum."""
    if len(data) & 1:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return ~crc & 0xffffffff


def tcp(sport, dport, flags, seq, ack, data):
    bits = sum(TCP_FLAGS[flag] for flag in flags)
    return struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff,
                       ack & 0xffffffff, 5 << 4, bits, 8192, 0, 0) + data


def udp(sport, dport, data):
    return struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data


def sctp(sport, dport, chunk, data):
    chunk = struct.pack('!BBH', CHUNKS[chunk], 3, 4 + len(data)) + data
    chunk += bytes(-len(chunk) % 4)
    head = struct.pack('!HHI', sport, dport, 1)
    crc = crc32c(head + bytes(4) + chunk)
    return head + struct.pack('<I', crc) + chunk


def packet(src, dst, number, body):
    """An IP packet with the checksums it needs."""
    where = {6: 16, 17: 6}.get(number)
    if where is not None:
        pseudo = src.packed + dst.packed + struct.pack(
            '!II', len(body), number)
        sum_ = checksum(pseudo + body)
        body = body[:where] + struct.pack('!H', sum_ or 0xffff) + \
            body[where + 2:]
    if src.version == 6:
        return struct.pack('!IHBB', 6 << 28, len(body), number, 64) + \
            src.packed + dst.packed + body
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(body), 0, 0, 64,
                       number, 0) + src.packed + dst.packed
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + body


class Sender:
    """Sends frames out of one device."""

    def __init__(self, ns, device):
        self.device = device
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

    def send(self, data, mac):
        kind = ETH_P_IPV6 if data[0] >> 4 == 6 else ETH_P_IP
        self.sock.sendto(data, (self.device, kind, 0, 0, mac))


class Flow:
    """One side of one conversation."""

    def __init__(self, sender, mac, protocol, src, dst):
        self.sender, self.mac = sender, mac
        self.protocol = protocol
        self.number = wire.PROTOCOLS[protocol]
        self.client, self.virtual = src, dst
        self.src, self.sport = wire.split(src)
        self.dst, self.dport = wire.split(dst)

    def send(self, what='', data=b'', times=1, gap=0, seq=1, ack=1):
        """What: flags of TCP, a chunk of SCTP. Pauses before each but the
        first packet; gives the times at which they were sent.
        """
        if self.protocol == 'tcp':
            body = tcp(self.sport, self.dport, what, seq, ack, data)
        elif self.protocol == 'udp':
            body = udp(self.sport, self.dport, data)
        else:
            body = sctp(self.sport, self.dport, what, data)
        frame = packet(self.src, self.dst, self.number, body)
        sent = []
        for i in range(times):
            if i and gap:
                time.sleep(gap)
            sent.append(time.time())
            self.sender.send(frame, self.mac)
        return sent

    def open(self):
        """The three packets of a client that connects and asks."""
        for flags in 'S', 'A', 'PA':
            self.send(flags)

    def key(self):
        """As a wire.Record tells it."""
        return self.protocol, self.client, self.virtual


@dataclasses.dataclass
class Packet:
    """A packet that was seen."""
    protocol: str
    src: str
    dst: str
    flags: str = ''             # TCP's
    seq: int = 0
    ack: int = 0
    data: bytes = b''


def parse(data):
    """Take an IP packet apart, or None if it is none we know."""
    if data[0] >> 4 == 6:
        number, pos = data[6], 40
        src, dst = data[8:24], data[24:40]
    else:
        number, pos = data[9], (data[0] & 15) * 4
        src, dst = data[12:16], data[16:20]
        data = data[:struct.unpack_from('!H', data, 2)[0]]
    if number not in wire.NAMES or len(data) < pos + 8:
        return None
    ends = [wire.join(wire.ipaddress.ip_address(addr), port)
            for addr, port in zip((src, dst),
                                  struct.unpack_from('!HH', data, pos))]
    seen = Packet(wire.NAMES[number], *ends)
    if seen.protocol == 'tcp':
        seen.seq, seen.ack, offset, bits = struct.unpack_from(
            '!IIBB', data, pos + 4)
        seen.flags = ''.join(flag for flag, bit in TCP_FLAGS.items()
                             if bits & bit)
        seen.data = data[pos + (offset >> 4) * 4:]
    elif seen.protocol == 'udp':
        seen.data = data[pos + 8:]
    return seen


class Sniffer:
    """Sees what a device receives, or what leaves by it."""

    def __init__(self, ns, device, leaving=False):
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                      socket.htons(ETH_P_ALL))
        self.sock.bind((device, ETH_P_ALL))
        self.sock.setblocking(False)
        self.leaving = leaving

    def read(self):
        """The packets since the last call."""
        packets = []
        while True:
            try:
                data, (_, kind, way, *_) = self.sock.recvfrom(65536)
            except BlockingIOError:
                return packets
            if (way == socket.PACKET_OUTGOING) != self.leaving:
                continue
            seen = kind in (ETH_P_IP, ETH_P_IPV6) and parse(data)
            if seen:
                packets.append(seen)
