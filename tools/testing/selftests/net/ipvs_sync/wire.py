# SPDX-License-Identifier: GPL-2.0
"""The wire format of IPVS sync, written from its description only.

Nothing here is shared with the kernel's code, so that a mistake there does
not cancel itself out. A message is built from records, and every field of
either can be given a wrong value; what is received is taken apart again:

    data = message([Record('udp', '10.1.0.2:1000', '10.1.0.1:53',
                           '10.2.0.9:53', timeout=300)], syncid=7)
    tap = Tap(namespace, 'sync')
    for m in tap.read(): print(m)
"""

import dataclasses
import ipaddress
import socket
import struct

GROUP = '224.0.0.81'
PORT = 8848

# Flags of a connection
FWD = 0x0007            # how packets are forwarded:
MASQ, LOCALNODE, TUNNEL, DROUTE, BYPASS = range(5)
SYNC = 0x0020
HASHED = 0x0040
NOOUTPUT = 0x0080
INACTIVE = 0x0100
OUT_SEQ = 0x0200
IN_SEQ = 0x0400
SEQ = OUT_SEQ | IN_SEQ
NO_CPORT = 0x0800
TEMPLATE = 0x1000
ONE_PACKET = 0x2000
NFCT = 0x10000

# States
(TCP_NONE, TCP_ESTABLISHED, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT,
 TCP_TIME_WAIT, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_LISTEN,
 TCP_SYNACK, TCP_LAST) = range(12)
UDP_NORMAL = 0
UDP_LAST = 1
(SCTP_NONE, SCTP_INIT1, SCTP_INIT, SCTP_COOKIE_SENT, SCTP_COOKIE_REPLIED,
 SCTP_COOKIE_WAIT, SCTP_COOKIE, SCTP_COOKIE_ECHOED, SCTP_ESTABLISHED,
 SCTP_SHUTDOWN_SENT, SCTP_SHUTDOWN_RECEIVED, SCTP_SHUTDOWN_ACK_SENT,
 SCTP_REJECTED, SCTP_CLOSED, SCTP_LAST) = range(15)
TEMPLATE_NONE, TEMPLATE_ASSURED, TEMPLATE_LAST = range(3)

# Options of a record
OPT_SEQ, OPT_PE_DATA, OPT_PE_NAME = 1, 2, 3
OPT_SKIP = 0x40         # a receiver that does not know it may skip it

PROTOCOLS = {'ip': 0, 'tcp': 6, 'udp': 17, 'esp': 50, 'ah': 51, 'sctp': 132}
NAMES = {number: name for name, number in PROTOCOLS.items()}


def split(text):
    """'10.1.0.2:1000' or '[fd01::2]:1000' as address and port."""
    host, port = text.rsplit(':', 1)
    return ipaddress.ip_address(host.strip('[]')), int(port)


def join(addr, port):
    return f'[{addr}]:{port}' if addr.version == 6 else f'{addr}:{port}'


@dataclasses.dataclass
class Record:
    """One connection. What is below `options` is wrong on purpose."""
    protocol: str
    client: str
    virtual: str
    server: str
    flags: int = 0
    state: int = 0
    timeout: int = 0
    fwmark: int = 0
    seq: tuple = None           # six numbers: in, then out
    pe_name: bytes = None
    pe_data: bytes = None
    options: list = dataclasses.field(default_factory=list)
    type: int = None
    version: int = 0
    size: int = None
    reserved: int = 0

    def number(self):
        return PROTOCOLS.get(self.protocol, self.protocol)

    def flow(self):
        return self.protocol, self.client, self.virtual

    def encode(self, version):
        return self.encode_v1() if version else self.encode_v0()

    def encode_v0(self):
        ends = [split(end)
                for end in (self.client, self.virtual, self.server)]
        data = struct.pack('!BB3H', self.reserved, self.number(),
                           *(port for _, port in ends))
        data += b''.join(addr.packed for addr, _ in ends)
        data += struct.pack('!HH', self.flags & 0xffff, self.state)
        if self.seq:
            data += struct.pack('=6I', *self.seq)   # as it lies in memory
        return data

    def encode_v1(self):
        ends = [split(end)
                for end in (self.client, self.virtual, self.server)]
        options = [(OPT_SEQ, struct.pack('!6I', *self.seq))] \
            if self.seq else []
        if self.pe_data is not None:
            options.append((OPT_PE_DATA, self.pe_data))
        if self.pe_name is not None:
            options.append((OPT_PE_NAME, self.pe_name))
        data = b''.join(addr.packed for addr, _ in ends)
        for kind, text, *length in options + self.options:
            data += bytes([kind, length[0] if length else len(text)]) + text
        inet6 = ends[0][0].version == 6
        size = 24 + len(data) if self.size is None else self.size
        return struct.pack('!BBHIH3HII',
                           inet6 if self.type is None else self.type,
                           self.number(), self.version << 12 | size,
                           self.flags, self.state,
                           *(port for _, port in ends),
                           self.fwmark, self.timeout) + data


def message(records, syncid=0, version=1, count=None, size=None,
            message_version=1, spare=0, tail=b''):
    """A datagram. A record may also be bytes, which are sent as they are."""
    data = b''
    for record in records:
        if version:
            data += bytes(-len(data) % 4)
        data += record if isinstance(record, bytes) else \
            record.encode(version)
    data += tail
    count = len(records) if count is None else count
    if version:
        size = 8 + len(data) if size is None else size
        return struct.pack('!BBHBBH', 0, syncid, size, count,
                           message_version, spare) + data
    size = 4 + len(data) if size is None else size
    return struct.pack('!BBH', count, syncid, size) + data


def decode_v0(data, pos):
    _, number, cport, vport, dport, *addrs, flags, state = \
        struct.unpack_from('!BB3H4s4s4sHH', data, pos)
    pos += 24
    ends = [join(ipaddress.ip_address(addr), port)
            for addr, port in zip(addrs, (cport, vport, dport))]
    record = Record(NAMES.get(number, number), *ends, flags=flags,
                    state=state)
    if flags & SEQ:
        record.seq = struct.unpack_from('=6I', data, pos)
        pos += 24
    return record, pos


def decode_v1(data, pos):
    pos += -pos % 4
    (kind, number, size, flags, state, cport, vport, dport, fwmark,
     timeout) = struct.unpack_from('!BBHIH3HII', data, pos)
    version, size = size >> 12, size & 0xfff
    end = pos + size
    if end > len(data):
        raise ValueError('record runs beyond the message')
    pos += 24
    length = 16 if kind & 1 else 4
    addrs = [ipaddress.ip_address(data[pos + i * length:
                                       pos + (i + 1) * length])
             for i in range(3)]
    pos += 3 * length
    ends = [join(addr, port)
            for addr, port in zip(addrs, (cport, vport, dport))]
    record = Record(NAMES.get(number, number), *ends, flags=flags,
                    state=state, timeout=timeout, fwmark=fwmark, type=kind,
                    version=version, size=size)
    while pos < end:
        option, length = data[pos:pos + 2]
        text = data[pos + 2:pos + 2 + length]
        if len(text) < length or pos + 2 + length > end:
            raise ValueError('option runs beyond its record')
        pos += 2 + length
        if option == OPT_SEQ:
            record.seq = struct.unpack('!6I', text)
        elif option == OPT_PE_DATA:
            record.pe_data = text
        elif option == OPT_PE_NAME:
            record.pe_name = text
        else:
            record.options.append((option, text))
    return record, end


@dataclasses.dataclass
class Message:
    """What came in one datagram."""
    time: float             # when, on the clock of time.time()
    source: str
    port: int               # the one it was sent to
    ttl: int
    version: int
    syncid: int
    size: int
    records: list
    data: bytes


def decode(data, **where):
    """Take a datagram apart; a ValueError if it breaks a rule."""
    if data[0]:
        count, syncid, size = struct.unpack_from('!BBH', data)
        version, pos = 0, 4
    else:
        _, syncid, size, count, version, spare = \
            struct.unpack_from('!BBHBBH', data)
        pos = 8
        if version != 1 or spare:
            raise ValueError(f'version {version}, spare {spare}')
    if size != len(data):
        raise ValueError(f'{len(data)} bytes say they are {size}')
    records = []
    for _ in range(count):
        record, pos = (decode_v1 if version else decode_v0)(data, pos)
        records.append(record)
    if pos != len(data):
        raise ValueError(f'{len(data) - pos} bytes behind the last record')
    return Message(version=version, syncid=syncid, size=size,
                   records=records, data=data, **where)


# Not in the socket module
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
IP_RECVTTL = 12


class Tap:
    """Hears what is sent to the group, beside a backup daemon."""

    def __init__(self, ns, device, group=GROUP, port=PORT, ports=1):
        self.socks = {}
        for number in range(port, port + ports):
            self.socks[number] = self.open(ns, device, group, number)

    @staticmethod
    def open(ns, device, group, port):
        inet6 = ':' in group
        with ns:
            sock = socket.socket(socket.AF_INET6 if inet6 else
                                 socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex(device)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if inet6:
            sock.setsockopt(socket.IPPROTO_IPV6,
                            socket.IPV6_RECVHOPLIMIT, 1)
            sock.bind((group, port, 0, index))
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                            socket.inet_pton(socket.AF_INET6, group) +
                            struct.pack('=I', index))
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
            sock.bind((group, port))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                            struct.pack('=4s4si', socket.inet_aton(group),
                                        bytes(4), index))
        sock.setblocking(False)
        return sock

    def read(self):
        """The messages since the last call, in the order of time."""
        messages = []
        for port, sock in self.socks.items():
            while True:
                try:
                    data, extra, _, source = sock.recvmsg(65536, 256)
                except BlockingIOError:
                    break
                where = {'source': source[0], 'port': port, 'ttl': None,
                         'time': None}
                for _, kind, text in extra:
                    if kind == SO_TIMESTAMPNS:
                        seconds, nanoseconds = struct.unpack('=qq', text)
                        where['time'] = seconds + nanoseconds / 1e9
                    else:
                        where['ttl'], = struct.unpack('=i', text)
                messages.append(decode(data, **where))
        return sorted(messages, key=lambda m: m.time)

    def records(self):
        """The records since the last call, in the order of time."""
        return [record for m in self.read() for record in m.records]

    def close(self):
        for sock in self.socks.values():
            sock.close()
