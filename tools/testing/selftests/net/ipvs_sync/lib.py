# SPDX-License-Identifier: GPL-2.0
"""What the tests share: namespaces, the usual topology, TAP.

A test is a function test_*(); its docstring's first line is its name in the
output. It passes when it returns. check(), equal() and soon() end it, so does
any exception, and skip() skips it.

The usual topology is a World. Directors are two, the client and the server
have a switch each; the devices are called after where they lead to:

         front  +--------+  rear         10.1.0.0/24 fd01::/64  front
       +--------| master |--------+      10.2.0.0/24 fd02::/64  rear
  +--------+    +--------+    +--------+ 10.9.0.0/24 fd09::/64  sync
  | client |    sync  |       | server |
  +--------+    +--------+    +--------+ .1 master, .12 backup,
       +--------| backup |--------+      .2 client or server
                +--------+
                                         VIP   10.1.0.1 fd01::1
                                         GHOST 10.1.0.9 fd01::9
                                         HOLE  10.2.0.9 fd02::9

Both directors take packets for VIP, the master answers for it. There is
nobody at GHOST and HOLE: a client and a server that a test speaks for.
"""

import atexit
import contextlib
import ctypes
import fcntl
import glob
import inspect
import ipaddress
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import packet       # noqa: E402
import wire         # noqa: E402

VIP, VIP6 = '10.1.0.1', 'fd01::1'
CLIENT, CLIENT6 = '10.1.0.2', 'fd01::2'
SERVER, SERVER6 = '10.2.0.2', 'fd02::2'
HOLE, HOLE6 = '10.2.0.9', 'fd02::9'
GHOST, GHOST6 = '10.1.0.9', 'fd01::9'

# What a kernel with modules loads by itself too late, or not at all
MODULES = 'ip_vs', 'ip_vs_ftp', 'ip_vs_pe_sip', 'pktgen', 'sctp'

CLONE_NEWNET = 0x40000000
IP_VS_SO_SET_ADDDEST = 64 + 1024 + 64 + 7
SIOCGIFFLAGS = 0x8913
IFF_RUNNING = 0x40
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A check did not hold."""


class Skipped(Exception):
    """The machine can not run a test."""


def check(good, why):
    if not good:
        raise Failed(why)


def equal(got, want, what=''):
    if got != want:
        raise Failed(f'{what}: ' * bool(what) +
                     f'got {got!r}, want {want!r}')


def soon(probe, what, within=5.0):
    """Wait until the probe gives something true; give that. Seconds in which
    the machine stood still do not count: it takes ten looks in each.
    """
    end = time.monotonic() + within
    looks = within * 10
    while True:
        got = probe()
        if got:
            return got
        looks -= 1
        if time.monotonic() > end and looks <= 0:
            raise Failed(f'not within {within:g} s: {what}')
        time.sleep(0.01)


def stays(probe, what, seconds=0.5):
    """Check that the probe gives something true all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check(probe(), f'did not last {seconds:g} s: {what}')
        time.sleep(0.01)


@contextlib.contextmanager
def undisturbed():
    """Before all others, so that with one CPU no thread of the kernel runs
    until this ends.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def skip(why):
    raise Skipped(why)


def time_travels():
    """Does a guest's clock jump to the next event when all is idle?"""
    with open('/proc/cmdline', encoding='ascii') as file:
        return 'time-travel=inf-cpu' in file.read()


def run(*argv, text=None, ok=True):
    """Run a program, give what it prints; fail the test if it fails."""
    done = subprocess.run(argv, input=text, text=True, check=False,
                          errors='replace',
                          stdin=None if text else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ok and done.returncode:
        raise Failed(f'{" ".join(argv)}: status {done.returncode}: '
                     f'{done.stdout.strip()}')
    return done.stdout


class Connection:
    """A line of /proc/net/ip_vs_conn and of ip_vs_conn_sync."""

    def __init__(self, words, origin, expires, engine):
        name = words[0].lower()
        self.protocol = {'ip_50': 'esp', 'ip_51': 'ah'}.get(name, name)
        ends = [self.end(*words[i:i + 2]) for i in (1, 3, 5)]
        self.client, self.virtual, self.server = ends
        self.state, self.origin = words[7], origin
        self.expires = int(expires)
        self.engine = engine

    @staticmethod
    def end(addr, port):
        addr = ipaddress.ip_address(int(addr, 16)) if len(addr) == 8 else \
            ipaddress.ip_address(addr)
        return wire.join(addr, int(port, 16))

    def key(self):
        return self.protocol, self.client, self.virtual

    def __repr__(self):
        return ' '.join((self.protocol, self.client, self.virtual,
                         self.server, self.state, self.origin,
                         str(self.expires), *self.engine))


class Namespace:
    """A network namespace; `with` it, sockets and programs belong to it."""

    def __init__(self, name):
        self.name = name
        self.path = f'/run/netns/{name}'
        self.fds = []

    @staticmethod
    def setns(fd):
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns')

    def __enter__(self):
        self.fds.append(os.open('/proc/thread-self/ns/net', os.O_RDONLY))
        fd = os.open(self.path, os.O_RDONLY)
        self.setns(fd)
        os.close(fd)
        return self

    def __exit__(self, *exc):
        fd = self.fds.pop()
        self.setns(fd)
        os.close(fd)

    def run(self, *argv, **how):
        with self:
            return run(*argv, **how)

    def ip(self, *commands):
        """Run ip commands, one a line."""
        return self.run('ip', '-batch', '-', text='\n'.join(commands))

    def ipvsadm(self, *commands):
        """Run ipvsadm commands that change services, one a line."""
        return self.run('ipvsadm', '-R', text='\n'.join(commands) + '\n')

    def one_packet_server(self, virtual, server):
        """Add a server to a UDP service, its connections to be one-packet
        ones. No option of ipvsadm's asks for that, the oldest interface
        takes it.
        """
        (vip, vport), (addr, port) = wire.split(virtual), wire.split(server)
        service = struct.pack('=Hxx4s2s2xI16sII4s', socket.IPPROTO_UDP,
                              vip.packed, vport.to_bytes(2, 'big'), 0, b'rr',
                              0, 0, bytes(4))
        dest = struct.pack('=4s2sxxIiII', addr.packed,
                           port.to_bytes(2, 'big'),
                           wire.MASQ | wire.ONE_PACKET, 1, 0, 0)
        with self, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, IP_VS_SO_SET_ADDDEST,
                            service + dest)

    def sysctl(self, **values):
        """Set net.ipv4.vs.*."""
        for name, value in values.items():
            self.write(f'ipv4/vs/{name}', value)

    def write(self, name, value):
        with self, open(f'/proc/sys/net/{name}', 'w',
                        encoding='ascii') as file:
            file.write(str(value))

    def read(self, name):
        """A file below /proc/net or, as sys/..., below /proc/sys/net."""
        path = f'/proc/sys/net/{name[4:]}' if name.startswith('sys/') else \
            f'/proc/thread-self/net/{name}'
        with self, open(path, encoding='latin-1') as file:
            return file.read()

    def carrier(self, device):
        """Is a device up and plugged in?"""
        with self, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = struct.pack('16sh14x', device.encode(), 0)
            flags, = struct.unpack('16xh14x', fcntl.ioctl(
                sock, SIOCGIFFLAGS, request))
        return flags & IFF_RUNNING

    def counts(self):
        """/proc/net/ip_vs_sync, {name: value}."""
        lines = (line.split() for line in
                 self.read('ip_vs_sync').splitlines())
        return {name: int(value) for name, value in lines}

    def count(self, name):
        """A counter. That of all threads together for 'role.name'."""
        counts = self.counts()
        if name in counts:
            return counts[name]
        role, name = name.split('.')
        found = [value for key, value in counts.items()
                 if re.fullmatch(rf'{role}\.\d+\.{name}', key)]
        check(found, f'{self.name}: no counter {role}.*.{name}')
        return sum(found)

    def rejects(self):
        """The backup's reject counters that are not 0, {reason: count}."""
        found = {}
        for key, value in self.counts().items():
            match = re.fullmatch(r'backup\.\d+\.reject_(\w+)', key)
            if match and value:
                found[match[1]] = found.get(match[1], 0) + value
        return found

    def ready(self):
        """Can it take over? The first line of /proc/net/ip_vs_sync_ready."""
        return self.read('ip_vs_sync_ready').splitlines()[0]

    def ready_value(self, name):
        """One of the values below that."""
        return dict((name, int(value)) for name, value in
                    map(str.split, self.read('ip_vs_sync_ready')
                        .splitlines()[1:]))[name]

    def conns(self):
        """The connections."""
        # The two files list them in the same order; templates of an engine
        # can have the same ends.
        engines = {}
        for line in self.read('ip_vs_conn').splitlines()[1:]:
            words = line.split()
            engines.setdefault(tuple(words[:7]), []).append(words[9:])
        found = []
        for line in self.read('ip_vs_conn_sync').splitlines()[1:]:
            words = line.split()
            engine = engines.get(tuple(words[:7])) or [[]]
            found.append(Connection(words[:8], words[8], words[9],
                                    engine.pop(0)))
        return found

    def conn(self, flow):
        """The connection of a Flow, a Record or a key, or None."""
        key = flow.key() if isinstance(flow, packet.Flow) else \
            flow.flow() if isinstance(flow, wire.Record) else flow
        for conn in self.conns():
            if conn.key() == key:
                return conn
        return None

    def state(self, flow):
        """The state of a connection, None if there is no connection."""
        conn = self.conn(flow)
        return conn and conn.state

    def dest(self, server):
        """What a real server has: (active, inactive) connections."""
        active = inactive = 0
        found = False
        for line in self.run('ipvsadm', '-ln').splitlines():
            words = line.split()
            if words[:2] == ['->', server]:
                found = True
                active += int(words[4])
                inactive += int(words[5])
        check(found, f'{self.name}: no server {server}')
        return active, inactive


class Director(Namespace):
    """A namespace with IPVS daemons in it."""

    def __init__(self, name, host):
        super().__init__(name)
        self.host = host
        self.sync = f'10.9.0.{host}'

    def mac(self, device):
        """The hardware address of 'front' or 'rear'."""
        return bytes((2, 0, 0, 0, 1 + (device == 'rear'), self.host))

    def start(self, role, *options, device='sync', syncid=0):
        """Start a daemon, as ipvsadm's user would."""
        self.run('ipvsadm', '--start-daemon', role, '--mcast-interface',
                 device, '--syncid', str(syncid), *options)

    def stop(self, role):
        self.run('ipvsadm', '--stop-daemon', role)

    def numbers(self):
        """Does a master that is started here number its messages? The stock
        engine, which experiments use as well, has no such setting.
        """
        try:
            return self.read('sys/ipv4/vs/sync_version') == '1\n' and \
                self.read('sys/ipv4/vs/sync_repair') != '0\n'
        except FileNotFoundError:
            return False

    def unread(self, port=wire.PORT):
        """Bytes in the socket of the backup's thread of a port."""
        found = 0
        for name in 'udp', 'udp6':
            for line in self.read(name).splitlines()[1:]:
                words = line.split()
                if int(words[1].split(':')[1], 16) == port:
                    found += int(words[4].split(':')[1], 16)
        return found


class World:
    """The usual topology, gone at the end of its `with`."""

    def __init__(self):
        tag = os.getpid()
        self.client = Namespace(f'client-{tag}')
        self.server = Namespace(f'server-{tag}')
        self.master = Director(f'master-{tag}', 1)
        self.backup = Director(f'backup-{tag}', 12)
        self.directors = [self.master, self.backup]
        self.all = [self.client, self.server, *self.directors]
        self.front = self.rear = None
        self.ports = iter(range(20000, 65536))
        self.indexes = iter(range(1000, 2000))

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if isinstance(value, Failed):
            self.tell()
        self.remove()

    def make(self):
        lines = [f'netns add {ns.name}' for ns in self.all]
        lines += self.links()
        for d in self.master, self.backup:
            port = d.name.split('-')[0]
            lines.append(self.veth(d, 'front', self.client, port))
            lines.append(self.veth(d, 'rear', self.server, port))
        run('ip', '-batch', '-', text='\n'.join(lines))
        for ns in self.all:
            # An address that is still being checked can not be sent from.
            ns.write('ipv6/conf/all/accept_dad', 0)
            ns.write('ipv6/conf/default/accept_dad', 0)
        self.director(self.master)
        self.director(self.backup)
        self.uplink()
        self.edge(self.client, 'front', 1)
        self.edge(self.server, 'rear', 2)
        soon(self.connected, 'all devices have a carrier')
        self.front = packet.Sender(self.client, 'front')
        self.rear = packet.Sender(self.server, 'rear')

    def links(self):
        """Commands that connect the directors with each other."""
        return [self.veth(self.master, 'sync', self.backup, 'sync')]

    def uplink(self):
        """Bring up what is between them, a cable needs nothing."""

    def veth(self, ns, device, other, peer):
        """A command that makes a cable. Its ends have different indexes:
        where these are equal the carrier takes a second to be seen.
        """
        index = next(self.indexes)
        return f'link add {device} index {index} netns {ns.name} type veth ' \
               f'peer name {peer} index {index + 1000} netns {other.name}'

    def connected(self):
        return all(ns.carrier(device)
                   for ns, devices in (
                       (self.master, ('sync', 'front', 'rear')),
                       (self.backup, ('sync', 'front', 'rear')),
                       (self.client, ('master', 'backup', 'front')),
                       (self.server, ('master', 'backup', 'rear')))
                   for device in devices)

    def director(self, ns):
        """Give a director its addresses."""
        for family in 'ipv4', 'ipv6':
            ns.write(f'{family}/conf/all/forwarding', 1)
        lines = ['link set lo up']
        for net, device in (1, 'front'), (2, 'rear'), (9, 'sync'):
            if device != 'sync':
                mac = ns.mac(device).hex(':')
                lines.append(f'link set {device} address {mac}')
            lines += [f'address add 10.{net}.0.{ns.host}/24 dev {device}',
                      f'address add fd0{net}::{ns.host}/64 dev {device} '
                      'nodad',
                      f'link set {device} up']
        if ns is self.backup:
            # Answer for the VIP only when it is moved here.
            ns.write('ipv4/conf/all/arp_ignore', 1)
            lines += [f'address add {VIP}/32 dev lo',
                      f'address add {VIP6}/128 dev lo']
        for addr, device in ((HOLE, 'rear'), (HOLE6, 'rear'),
                             (GHOST, 'front'), (GHOST6, 'front')):
            lines.append(f'neighbour replace {addr} dev {device} '
                         'lladdr 02:00:00:00:00:09')
        ns.ip(*lines)

    def edge(self, ns, device, net):
        """Give the client or the server its switch and its address."""
        lines = ['link set lo up',
                 f'link add {device} type bridge mcast_snooping 0',
                 f'address add 10.{net}.0.2/24 dev {device}',
                 f'address add fd0{net}::2/64 dev {device} nodad']
        for port in 'master', 'backup':
            lines += [f'link set dev {port} master {device} up']
        lines.append(f'link set {device} up')
        if net == 2:
            lines += ['route add default via 10.2.0.1',
                      'route add default via fd02::1']
        ns.ip(*lines)

    def remove(self):
        # Only what is there: a failed make() may have left less.
        names = [ns.name for ns in self.all if os.path.exists(ns.path)]
        if names:
            run('ip', '-batch', '-',
                text='\n'.join(f'netns delete {name}' for name in names))

    def tell(self):
        """Say as much as may help to understand a failure."""
        for ns in self.directors:
            try:
                for line in ns.read('ip_vs_sync').splitlines():
                    if line.split()[1] != '0':
                        print(f'#   {ns.name}: {line}')
                conns = ns.conns()
                print(f'#   {ns.name}: {len(conns)} connections')
                for conn in conns[:3]:
                    print(f'#   {ns.name}: {conn!r}')
            except OSError as err:
                print(f'#   {ns.name}: {err}')

    def service(self, *commands):
        """Configure both directors the same way."""
        for director in self.directors:
            director.ipvsadm(*commands)

    def start(self, *options, syncid=0):
        """Start the two daemons; when this returns, the backup has joined,
        which over an empty table is no more than a few control messages.
        """
        self.backup.start('backup', syncid=syncid)
        self.master.start('master', *options, syncid=syncid)
        if self.master.numbers():
            self.in_sync()

    def in_sync(self, ns=None, within=10):
        """Wait until a backup has the whole table."""
        ns = ns or self.backup
        soon(lambda: ns.ready() == 'in-sync', f'{ns.name} in sync', within)

    def sysctl(self, **values):
        for director in self.directors:
            director.sysctl(**values)

    def tap(self, ns=None, **where):
        """Hear what the master says (or what another director hears)."""
        return wire.Tap(ns or self.backup, 'sync', **where)

    def flow(self, protocol, dst=f'{VIP}:80', client=None, port=None,
             via=None):
        """A client's flow through a director, from a port of its own."""
        inet6 = dst.startswith('[')
        addr = ipaddress.ip_address(client or
                                    (GHOST6 if inet6 else GHOST))
        return packet.Flow(self.front, (via or self.master).mac('front'),
                           protocol,
                           wire.join(addr, port or next(self.ports)), dst)

    def burst(self, count, dst=f'{VIP}:53'):
        """A packet of each of so many new UDP flows; gives these."""
        flows = [self.flow('udp', dst=dst) for _ in range(count)]
        for flow in flows:
            flow.send()
        return flows

    def on(self, ns, flows, within=5):
        """Wait until a director has these connections."""
        soon(lambda: not self.missing(flows, ns),
             f'{len(flows)} connections on {ns.name}', within)

    def crash(self):
        """The master falls silent, as without power."""
        self.master.ip(*(f'link set {device} down'
                         for device in ('front', 'rear', 'sync')))

    def missing(self, flows, ns=None):
        """How many flows does the backup not have?"""
        have = {c.key() for c in (ns or self.backup).conns()}
        return len({f.key() for f in flows} - have)

    def differ(self, ns=None, slack=5):
        """Connections of the master that a backup has not, or has in another
        way. Expiries may be some seconds apart.
        """
        there = {c.key(): c for c in (ns or self.backup).conns()}
        wrong = []
        for conn in self.master.conns():
            other = there.get(conn.key())
            if not other or other.server != conn.server or \
                    other.state != conn.state or \
                    abs(other.expires - conn.expires) > slack:
                wrong.append((conn, other))
        return wrong

    def reply(self, flow, what='', data=b'', server=f'{HOLE}:80', via=None,
              **more):
        """Have a real server answer the client of a flow."""
        back = packet.Flow(self.rear, (via or self.master).mac('rear'),
                           flow.protocol, server, flow.client)
        back.send(what, data, **more)

    def inject(self, *records, to=None, group=wire.GROUP, port=wire.PORT,
               **how):
        """Send a backup a message from the director across the link, and
        wait until it has read it. One of bytes is sent as it is.
        """
        to = to or self.backup
        raw = [record for record in records if isinstance(record, bytes)]
        data = raw[0] if raw else wire.message(records, **how)
        before = to.count('backup.messages')
        self.datagram(data, to, group, port)
        # A HELLO may have come in between. And a message is counted before
        # its records are applied, then others may run between two of these.
        soon(lambda: to.count('backup.messages') > before and
             not to.unread(port) and idle('b'), f'{to.name} reads a message')

    def datagram(self, data, to=None, group=wire.GROUP, port=wire.PORT):
        """Send a datagram to the group from across the link."""
        ns = self.backup if to is self.master else self.master
        with ns:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                                socket.inet_aton(ns.sync))
                sock.sendto(data, (group, port))


class Crowd(World):
    """A World whose sync link is a switch, with more directors on it."""

    def __init__(self, more):
        super().__init__()
        tag = os.getpid()
        self.hub = Namespace(f'hub-{tag}')
        self.more = [Director(f'more{i}-{tag}', 20 + i) for i in range(more)]
        self.all += [self.hub, *self.more]
        self.directors += self.more
        self.backups = [self.backup, *self.more]

    def uplink(self):
        self.hub.ip('link set sync up',
                    *(f'link set dev port{i} master sync up'
                      for i in range(1 + len(self.backups))))
        for ns in self.more:
            ns.ip('link set lo up', f'address add {ns.sync}/24 dev sync',
                  f'address add fd09::{ns.host}/64 dev sync nodad',
                  'link set sync up')
        soon(lambda: all(ns.carrier('sync') for ns in self.more),
             'the others have a carrier')

    def links(self):
        return [f'link add sync netns {self.hub.name} type bridge '
                'mcast_snooping 0',
                *(self.veth(ns, 'sync', self.hub, f'port{i}')
                  for i, ns in enumerate([self.master, *self.backups]))]


def daemons():
    """The kernel threads of all daemons, [(name, state)], as ps shows it."""
    found = []
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path, encoding='ascii', errors='replace') as file:
                match = re.search(r'\((ipvs-[mb]:.*)\) (\w)', file.read())
        except OSError:
            continue
        if match:
            found.append(match.groups())
    return found


def threads():
    """Names of the kernel threads of all daemons."""
    return sorted(name for name, _ in daemons())


def idle(role):
    """Do all threads of masters, 'm', or backups, 'b', sleep?"""
    return not [name for name, state in daemons()
                if name.startswith(f'ipvs-{role}:') and state not in 'SI']


def need(*programs):
    """Skip all tests of this file without these programs."""
    for program in programs:
        if not shutil.which(program):
            print(f'TAP version 13\n1..0 # SKIP no {program}')
            sys.exit(4)


def perform(number, name, test):
    """Run one test; True unless it failed, None if it was skipped."""
    result, note, good = 'ok', '', True
    try:
        test()
    except Skipped as why:
        note, good = f' # SKIP {why}', None
    except Failed as why:
        result, good = 'not ok', False
        where = [frame.lineno for frame in
                 traceback.extract_tb(why.__traceback__)
                 if not frame.filename.endswith('lib.py')]
        print(f'# line {where[-1] if where else "?"}: {why}')
    except Exception:           # pylint: disable=broad-except
        result, good = 'not ok', False
        for line in traceback.format_exc().splitlines():
            print(f'# {line}')
    print(f'{result} {number} {name}{note}', flush=True)
    return good


def main(*cases):
    """Run the tests of the calling file, or those named on the command
    line, and exit. More of them, as (name, function), may be given.
    """
    module = sys.modules['__main__']
    print('TAP version 13')
    if os.geteuid():
        print('1..0 # SKIP only root may make namespaces')
        sys.exit(4)
    need('ip', 'ipvsadm')
    if not os.path.exists('/proc/net/ip_vs'):
        run('modprobe', '-a', *MODULES)
    tests = []
    for name, test in vars(module).items():
        if name.startswith('test_') and callable(test):
            title = inspect.getdoc(test).splitlines()[0].rstrip('.')
            tests.append((name, title, test))
    tests += [(name, name, test) for name, test in cases]
    wanted = sys.argv[1:]
    if wanted:
        tests = [t for t in tests if any(w in t[0] for w in wanted)]
    print(f'1..{len(tests)}', flush=True)
    os.makedirs('/run/netns', exist_ok=True)
    atexit.register(sys.stdout.flush)
    good = [perform(number, title, test)
            for number, (_, title, test) in enumerate(tests, 1)]
    sys.exit(1 if False in good else 4 if set(good) == {None} else 0)
