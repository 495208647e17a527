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
import time

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

# What a message is
DATA, DELETE, HELLO, FILL, NACK, JOIN = range(6)
MAGIC = b'IVST'         # of a trailer
TRAILER = 16            # bytes of one
NO_PASS = 0xffff

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
    sport: int
    port: int               # the one it was sent to
    ttl: int
    version: int
    syncid: int
    size: int
    records: list
    data: bytes
    kind: int = DATA
    instance: int = None    # without these two it is not numbered
    seq: int = None
    says: dict = None       # of a control message


def trailer(instance, seq, tag=b''):
    """What ends a numbered message and a control message."""
    return struct.pack('!4sBBHII', MAGIC, 16 + len(tag), 0, 0, instance,
                       seq) + tag


def numbered(records, instance, seq, **more):
    """A message of records with a trailer."""
    pad = bytes(-len(message(records, **more)) % 4)
    return message(records, tail=pad + trailer(instance, seq), **more)


def control(kind, body, instance, seq, syncid=0, version=2, spare=0,
            size=None, tag=b''):
    """A control message; its body is bytes."""
    data = body + trailer(instance, seq, tag)
    size = 8 + len(data) if size is None else size
    return struct.pack('!BBHBBH', 0, syncid, size, kind, version,
                       spare) + data


def hello(instance, seq, oldest=1, conns=0, start=0, done=0,
          progress=NO_PASS, interval=1000, **more):
    return control(HELLO, struct.pack('!4I2H', oldest, conns, start, done,
                                      progress, interval), instance, seq,
                   **more)


def ranges(kind, pairs, instance, seq, **more):
    """A FILL or a NACK."""
    body = b''.join(struct.pack('!2I', *pair) for pair in pairs)
    return control(kind, body, instance, seq, **more)


def ask_join(since, instance, seq, **more):
    return control(JOIN, struct.pack('!I', since), instance, seq, **more)


def delete(order, keys, instance, seq, **more):
    """A DELETE. A key is (protocol, client, virtual) or with a True behind
    that for a template."""
    body = struct.pack('!I', order)
    for protocol, client, virtual, *template in keys:
        (caddr, cport), (vaddr, vport) = split(client), split(virtual)
        body += struct.pack('!BBHHH', (caddr.version == 6) |
                            2 * bool(template and template[0]),
                            PROTOCOLS.get(protocol, protocol), cport, vport,
                            0) + caddr.packed + vaddr.packed
    return control(DELETE, body, instance, seq, **more)


def decode_trailer(data, pos):
    magic, length, zero, spare, instance, seq = \
        struct.unpack_from('!4sBBHII', data, pos)
    if magic != MAGIC or zero or spare or length != 16 or \
            pos + length != len(data) or pos % 4:
        raise ValueError(f'no trailer: {data[pos:]}')
    return instance, seq


def decode_body(kind, body):
    """What a control message says, by its kind."""
    if kind == HELLO:
        return dict(zip(('oldest', 'conns', 'start', 'done', 'progress',
                         'interval'), struct.unpack('!4I2H', body)))
    if kind in (FILL, NACK):
        return {'ranges': list(struct.iter_unpack('!2I', body))}
    if kind == JOIN:
        return {'since': struct.unpack('!I', body)[0]}
    if kind != DELETE:
        raise ValueError(f'kind {kind}')
    order, = struct.unpack_from('!I', body)
    keys, pos = [], 4
    while pos < len(body):
        what, number, cport, vport, spare = \
            struct.unpack_from('!BBHHH', body, pos)
        if what & ~3 or spare:
            raise ValueError(f'key of type {what}, spare {spare}')
        length = 16 if what & 1 else 4
        caddr, vaddr = (ipaddress.ip_address(body[at:at + length]) for at in
                        (pos + 8, pos + 8 + length))
        pos += 8 + 2 * length
        key = NAMES.get(number, number), join(caddr, cport), \
            join(vaddr, vport)
        keys.append(key + (True,) * bool(what & 2))
    return {'order': order, 'keys': keys}


def decode(data, **where):
    """Take a datagram apart; a ValueError if it breaks a rule."""
    if data[0]:
        count, syncid, size = struct.unpack_from('!BBH', data)
        version, pos = 0, 4
    else:
        _, syncid, size, count, version, spare = \
            struct.unpack_from('!BBHBBH', data)
        pos = 8
        if version not in (1, 2) or spare:
            raise ValueError(f'version {version}, spare {spare}')
    if size != len(data):
        raise ValueError(f'{len(data)} bytes say they are {size}')
    if version == 2:
        instance, seq = decode_trailer(data, len(data) - 16)
        return Message(version=version, syncid=syncid, size=size, records=[],
                       data=data, kind=count, instance=instance, seq=seq,
                       says=decode_body(count, data[8:-16]), **where)
    records = []
    for _ in range(count):
        record, pos = (decode_v1 if version else decode_v0)(data, pos)
        records.append(record)
    numbered = {}
    if version and pos < len(data):
        instance, seq = decode_trailer(data, pos + -pos % 4)
        numbered = {'instance': instance, 'seq': seq}
    elif pos != len(data):
        raise ValueError(f'{len(data) - pos} bytes behind the last record')
    return Message(version=version, syncid=syncid, size=size,
                   records=records, data=data, **numbered, **where)


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

    def read(self, control=False):
        """The messages since the last call, in the order of time; control
        messages only if asked for."""
        messages = []
        for port, sock in self.socks.items():
            while True:
                try:
                    data, extra, _, source = sock.recvmsg(65536, 256)
                except BlockingIOError:
                    break
                where = {'source': source[0], 'sport': source[1],
                         'port': port, 'ttl': None, 'time': None}
                for _, kind, text in extra:
                    if kind == SO_TIMESTAMPNS:
                        seconds, nanoseconds = struct.unpack('=qq', text)
                        where['time'] = seconds + nanoseconds / 1e9
                    else:
                        where['ttl'], = struct.unpack('=i', text)
                messages.append(decode(data, **where))
        return sorted((m for m in messages if control or m.version != 2),
                      key=lambda m: m.time)

    def records(self):
        """The records since the last call, in the order of time."""
        return [record for m in self.read() for record in m.records]

    def close(self):
        for sock in self.socks.values():
            sock.close()


class Speaker:
    """A master that a test speaks for: one instance, one thread of it."""

    def __init__(self, ns, instance=0x1234, group=GROUP, port=PORT,
                 syncid=0):
        self.instance, self.to, self.syncid = instance, (group, port), syncid
        with ns:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                             socket.inet_aton(ns.sync))
        self.sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        self.sock.bind((ns.sync, 0))
        self.sock.setblocking(False)

    def send(self, data):
        self.sock.sendto(data, self.to)

    def say(self, seq, *records, **more):
        """A message of records."""
        more.setdefault('syncid', self.syncid)
        self.send(numbered(records, self.instance, seq, **more))

    def hello(self, seq, **more):
        more.setdefault('syncid', self.syncid)
        self.send(hello(self.instance, seq, **more))

    def fill(self, seq, *pairs, **more):
        more.setdefault('syncid', self.syncid)
        self.send(ranges(FILL, pairs, self.instance, seq, **more))

    def delete(self, seq, *keys, order=None, **more):
        more.setdefault('syncid', self.syncid)
        self.send(delete(seq if order is None else order, keys,
                         self.instance, seq, **more))

    def heard(self, kind=None):
        """What it was asked for since the last call."""
        messages = []
        while True:
            try:
                data, extra, _, source = self.sock.recvmsg(65536, 256)
            except BlockingIOError:
                return messages
            m = decode(data, source=source[0], sport=source[1],
                       port=self.sock.getsockname()[1], time=time.time(),
                       ttl=struct.unpack('=i', extra[0][2])[0])
            if kind in (None, m.kind):
                messages.append(m)

    def close(self):
        self.sock.close()


class Asker:
    """A backup that a test speaks for."""

    def __init__(self, ns, master, ttl=255):
        """The master is known by a message that a Tap has heard from it."""
        self.master = master
        with ns:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        self.sock.connect((master.source, master.sport))

    def send(self, data):
        self.sock.send(data)

    def join(self, since, seq, instance=None, **more):
        more.setdefault('syncid', self.master.syncid)
        self.send(ask_join(since, instance or self.master.instance, seq,
                           **more))

    def nack(self, seq, *pairs, instance=None, **more):
        more.setdefault('syncid', self.master.syncid)
        self.send(ranges(NACK, pairs, instance or self.master.instance, seq,
                         **more))

    def close(self):
        self.sock.close()
