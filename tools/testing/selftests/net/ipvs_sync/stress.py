#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Everything at once on two CPUs, for a kernel that finds faults.

    client --pktgen, TCP, SCTP--> master, backup --> server
    client <--------------------- master, backup <--pktgen, TCP-- server

Both directors have the same flows, run both daemons and hear each other; the
two directions of a flow pass on different CPUs. Meanwhile each of the ACTORS
below does its part again and again: daemons start and stop, knobs turn,
services, devices and namespaces come and go, memory runs out.

It lasts $SECONDS_OF_STRESS. In the end all has been of use, is torn down and
the kernel has had nothing to complain about, nor has it lost memory.
"""

import collections
import glob
import multiprocessing
import os
import random
import re
import select
import socket
import struct
import time

import hostile
import lib
import netlink
import packet
import wire
from lib import HOLE, HOLE6, SERVER, VIP, VIP6, Failed, World, check, soon

SECONDS = float(os.environ.get('SECONDS_OF_STRESS', '120'))

CLIENTS = [f'10.1.0.{host}' for host in range(100, 104)]
PORTS = range(1000, 1016)           # of the clients

STARTDAEMON, STOPDAEMON = 64 + 1024 + 64 + 11, 64 + 1024 + 64 + 12
ROLES = 'master', 'backup'

FAILSLAB = '/sys/kernel/debug/failslab'
TRACING = '/sys/kernel/tracing'

# pktgen has a message of its own that begins as a fault does
FAULT = re.compile(r'\b(BUG|ODEBUG|UBSAN|refcount_t):|\bOops\b|'
                   r'(?<!pktgen: )\bWARNING:|'
                   r'INFO: (possible|inconsistent|trying|task|rcu)|'
                   r'kmemleak: .* suspected')

SERVICES = [
    (f'-A -u {VIP}:53 -s rr', f'-a -u {VIP}:53 -r {HOLE} -m'),
    (f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m',
     f'-a -t {VIP}:80 -r {SERVER} -m'),
    (f'-A -t {VIP}:443 -s wlc -p 2', f'-a -t {VIP}:443 -r {HOLE} -m'),
    (f'-A -t {VIP}:21 -s rr -p 1', f'-a -t {VIP}:21 -r {HOLE} -m'),
    (f'-A -u {VIP}:5060 -s rr -p 2 --pe sip -o',
     f'-a -u {VIP}:5060 -r {HOLE}:5060 -m'),
    (f'-A --sctp-service {VIP}:80 -s rr',
     f'-a --sctp-service {VIP}:80 -r {HOLE} -m'),
    (f'-A -t [{VIP6}]:80 -s rr', f'-a -t [{VIP6}]:80 -r [{HOLE6}]:80 -m'),
]

KNOBS = {
    'sync_threshold': ('0 0', '0 1', '0 2', '3 50', '3 100'),
    'sync_refresh_period': (0, 0, 1, 10),
    'sync_retries': (0, 1, 3),
    'sync_qlen_max': (0, 1, 2, 1000, 1000),
    'sync_sock_size': (0, 2304, 1 << 20),
    'sync_persist_mode': (0, 1),
    'sync_version': (0, 1, 1),
    'sync_ports': (1, 1, 2, 4, 8),
    'sync_repair': (0, 256, 65536, 65536),
    'sync_pace': (1000, 200000),
    'sync_delay': (0, 15, 15, 100),
    'sync_silent': (0, 1, 10),
    'expire_nodest_conn': (0, 1),
    'expire_quiescent_template': (0, 1),
    'drop_entry': (0, 0, 3),
    'conn_reuse_mode': (0, 1),
}


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(f'{text}\n')


class Ground(World):
    """The usual topology with services of every kind on both directors,
    clients that nobody is, and connections that do not live long.
    """

    def make(self):
        super().make()
        for director in self.directors:
            director.ip(*(f'neighbour replace {addr} dev front '
                          'lladdr 02:00:00:00:00:09' for addr in CLIENTS))
            director.ipvsadm(*sum(SERVICES, ()))
            director.run('ipvsadm', '--set', '3', '2', '2')
        self.sysctl(sync_threshold='0 2')

    def plug(self, number):
        """Replace the cable of sync."""
        self.master.ip('link delete sync')
        index = 5000 + 2 * number
        lib.run('ip', 'link', 'add', 'sync', 'index', str(index), 'netns',
                self.master.name, 'type', 'veth', 'peer', 'name', 'sync',
                'index', str(index + 1), 'netns', self.backup.name)
        for ns in self.directors:
            ns.ip(f'address add {ns.sync}/24 dev sync',
                  f'address add fd09::{ns.host}/64 dev sync nodad',
                  'link set sync up')


class Actor:
    """A part played again and again, in a process of its own."""

    pause = 0.1             # seconds between two turns
    often = 1               # turns that have to succeed, or one in 30 s

    def __init__(self, world, cpu=None):
        self.w = world
        self.rng = random.Random(f'{type(self).__name__}{cpu}')
        self.cpu = cpu
        self.name = type(self).__name__.lower()
        if cpu is not None:
            self.name += f'@{cpu}'

    def prepare(self):
        """What is needed before the first turn."""

    def turn(self):
        raise NotImplementedError

    def finish(self):
        """After the last one."""

    def director(self):
        return self.rng.choice(self.w.directors)

    def play(self, until, pipe):
        """Take turns until told to end; then tell how it went."""
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})
        counts = collections.Counter()
        why = ''
        self.prepare()
        while not until.is_set():
            try:
                self.turn()
                counts['done'] += 1
            except (OSError, Failed, MemoryError) as err:
                # Others take away what it needs, memory too.
                counts['refused'] += 1
                why = f'{type(err).__name__}: {err}'
            until.wait(self.rng.random() * 2 * self.pause)
        self.finish()
        pipe.send((counts, why))
        pipe.close()


class Pktgen(Actor):
    """UDP at a rate, from the client and from the server: the packets of one
    side of a flow pass on one CPU, those of the other on the other.
    """

    pause = 0.01
    delay = 500000          # ns: others need the CPUs, too
    count = 1000

    def device(self, ns, cpu, director, commands):
        """Have the thread of a CPU send to a director."""
        device = f'{director.name.split("-")[0]}@{cpu}'
        side = 'front' if ns is self.w.client else 'rear'
        with ns:
            base = '/proc/thread-self/net/pktgen'
            write(f'{base}/kpktgend_{cpu}', 'rem_device_all')
            write(f'{base}/kpktgend_{cpu}', f'add_device {device}')
            for command in (
                    f'count {self.count}', f'delay {self.delay}',
                    'pkt_size 60', f'dst_mac {director.mac(side).hex(":")}',
                    'flag UDPSRC_RND', 'flag UDPDST_RND', 'flag IPSRC_RND',
                    'flag IPDST_RND', *commands):
                write(f'{base}/{device}', command)

    def turn(self):
        swap = self.rng.randrange(2)
        ports = f'{PORTS[0]}', f'{PORTS[-1]}'
        for cpu, director in enumerate(self.w.directors):
            self.device(self.w.client, cpu ^ swap, director, (
                f'src_min {CLIENTS[0]}', f'src_max {CLIENTS[-1]}',
                f'dst_min {VIP}', f'dst_max {VIP}',
                f'udp_src_min {ports[0]}', f'udp_src_max {ports[1]}',
                'udp_dst_min 53', 'udp_dst_max 53'))
            self.device(self.w.server, cpu ^ swap ^ 1, director, (
                f'src_min {HOLE}', f'src_max {HOLE}',
                f'dst_min {CLIENTS[0]}', f'dst_max {CLIENTS[-1]}',
                f'udp_dst_min {ports[0]}', f'udp_dst_max {ports[1]}',
                'udp_src_min 53', 'udp_src_max 53'))
        other = os.fork()
        if not other:
            try:
                self.start(self.w.server)
            finally:
                os._exit(0)
        try:
            self.start(self.w.client)
        finally:
            os.waitpid(other, 0)

    @staticmethod
    def start(ns):
        """Returns when all is sent."""
        with ns:
            write('/proc/thread-self/net/pktgen/pgctrl', 'start')


class Packets(Actor):
    """TCP and SCTP of all kinds from both sides."""

    pause = 0.01
    often = 5
    batch = 40

    def prepare(self):
        front, rear = [packet.Sender(ns, device) for ns, device in
                       ((self.w.client, 'front'), (self.w.server, 'rear'))]
        self.frames = []
        for _ in range(600):
            director = self.director()
            client = f'{self.rng.choice(CLIENTS)}:{self.rng.choice(PORTS)}'
            service = self.rng.choice(('tcp 80', 'tcp 80', 'tcp 443',
                                       'tcp 21', 'udp 5060', 'sctp 80',
                                       'tcp6 80'))
            protocol, port = service.split()
            near, far = f'{VIP}:{port}', f'{HOLE}:{port}'
            if protocol == 'tcp6':
                protocol = 'tcp'
                client = f'[{lib.GHOST6}]:{self.rng.choice(PORTS)}'
                near, far = f'[{VIP6}]:80', f'[{HOLE6}]:80'
            if self.rng.randrange(3):
                flow = packet.Flow(front, director.mac('front'), protocol,
                                   client, near)
            else:
                flow = packet.Flow(rear, director.mac('rear'), protocol,
                                   far, client)
            self.frames.append((flow, *self.content(protocol, port)))

    def content(self, protocol, port):
        if protocol == 'tcp':
            return self.rng.choice(('S', 'SA', 'A', 'PA', 'PA', 'FA', 'R')), \
                b'PORT 10,1,0,9,7,208\r\n' if port == '21' else b''
        if protocol == 'sctp':
            return self.rng.choice(('init', 'init-ack', 'cookie-echo',
                                    'cookie-ack', 'data', 'shutdown',
                                    'shutdown-ack', 'abort')), bytes(12)
        return '', b'OPTIONS sip:a SIP/2.0\r\nCall-ID: ' \
            b'%d\r\n\r\n' % self.rng.randrange(8)

    def turn(self):
        for flow, what, data in self.rng.sample(self.frames, self.batch):
            flow.send(what, data)


class Daemons(Actor):
    """Start and stop, by the old interface and by the new one."""

    pause = 0.3
    often = 5

    def prepare(self):
        self.controls = []
        for ns in self.w.directors:
            with ns:
                self.controls.append(socket.socket(socket.AF_INET,
                                                   socket.SOCK_DGRAM))

    def turn(self):
        ns, control = self.rng.choice(
            list(zip(self.w.directors, self.controls)))
        role = self.rng.choice(ROLES)
        if self.rng.randrange(3):
            state = 1 + ROLES.index(role)
            control.setsockopt(
                socket.IPPROTO_IP,
                # Mostly they are to run.
                self.rng.choice((STARTDAEMON, STARTDAEMON, STOPDAEMON)),
                struct.pack('=i16si', state, b'sync', 0))
        elif self.rng.randrange(2):
            ns.start(role, '--sync-maxlen', str(self.rng.choice(
                (100, 1472, 5000, 65507))), syncid=self.rng.choice((0, 0, 7)),
                     *self.rng.choice(((), (), ('--mcast-group', 'ff02::51'),
                                       ('--mcast-port', '9000'))))
        else:
            ns.stop(role)


class Knobs(Actor):
    pause = 0.2
    often = 5

    def turn(self):
        name = self.rng.choice(list(KNOBS))
        ns = self.director()
        try:
            ns.sysctl(**{name: self.rng.choice(KNOBS[name])})
        except FileNotFoundError:
            # Not all are of every kernel.
            if name.startswith('sync'):
                raise


class Services(Actor):
    pause = 0.3
    often = 5

    def turn(self):
        ns = self.director()
        service = self.rng.choice(SERVICES)
        kind = self.rng.randrange(10)
        words = service[-1].split()
        if kind < 5:
            ns.ipvsadm('-D ' + ' '.join(words[1:3]))
            ns.ipvsadm(*service)
        elif kind < 8:
            ns.ipvsadm('-d ' + ' '.join(words[1:5]))
            ns.ipvsadm(service[-1])
        elif kind < 9:
            ns.run('ipvsadm', '-C')
            ns.ipvsadm(*sum(SERVICES, ()))
        else:
            ns.run('ipvsadm', '-Z')
            ns.run('ipvsadm', '--set', *[str(self.rng.choice((1, 3, 60)))
                                         for _ in range(3)])


class Links(Actor):
    """The cable of sync is cut and replaced, its ends change."""

    pause = 0.5
    often = 5
    number = 0

    def turn(self):
        ns = self.director()
        kind = self.rng.randrange(12)
        if kind == 0:
            self.number += 1
            self.w.plug(self.number)
            # They are of the device that has gone.
            for role in ROLES:
                for other in self.w.directors:
                    other.run('ipvsadm', '--stop-daemon', role, ok=False)
                    other.run('ipvsadm', '--start-daemon', role,
                              '--mcast-interface', 'sync', ok=False)
        elif kind == 1:
            ns.ip('link set sync down')
            time.sleep(self.rng.random() / 2)
            ns.ip('link set sync up')
        elif kind < 9:
            ns.ip(f'link set sync mtu {self.rng.choice((576, 1280, 1500))}')
        else:
            ns.ip(f'address delete {ns.sync}/24 dev sync')
            time.sleep(self.rng.random() / 4)
            ns.ip(f'address add {ns.sync}/24 dev sync')


class Readers(Actor):
    """All that shows something."""

    pause = 0.1

    def prepare(self):
        self.families = [netlink.family(ns) for ns in self.w.directors]
        self.listeners = [netlink.listen(ns) for ns in self.w.directors]

    def turn(self):
        ns = self.director()
        kind = self.rng.randrange(8)
        if kind < 4:
            ns.read(('ip_vs_conn', 'ip_vs_conn_sync', 'ip_vs_sync',
                     'ip_vs_stats_percpu')[kind])
        elif kind < 7:
            self.rng.choice(self.families).dump(
                ('daemon-get', 'thread-get')[kind % 2], {})
            for listener in self.listeners:
                listener.check_ntf()
                listener.async_msg_queue.clear()
        else:
            ns.run('ipvsadm', '-ln', self.rng.choice(('--daemon', '-c',
                                                      '--stats')))


class Tracing(Actor):
    pause = 0.5

    def turn(self):
        on = self.rng.randrange(2)
        write(f'{TRACING}/events/ip_vs_sync/enable', on)
        write(f'{TRACING}/trace', '')
        time.sleep(0.1)
        with open(f'{TRACING}/trace', encoding='ascii',
                  errors='replace') as file:
            file.read(100000)

    def finish(self):
        write(f'{TRACING}/events/ip_vs_sync/enable', 0)


class Datagrams(Actor):
    """Records from nowhere, good ones and bad ones."""

    pause = 0.1
    often = 5

    def turn(self):
        for _ in range(10):
            self.w.datagram(hostile.datagram(self.rng), self.director(),
                            port=wire.PORT + self.rng.randrange(2))


class Memory(Actor):
    """It runs out: for the packets, for the daemons' threads, or for who
    starts and stops them.
    """

    pause = 0.5
    often = 5

    def prepare(self):
        for name, value in (('interval', 1), ('times', -1), ('space', 0),
                            ('verbose', 0), ('probability', 0)):
            write(f'{FAILSLAB}/{name}', value)
        self.daemons = Daemons(self.w)
        self.daemons.prepare()

    def turn(self):
        try:
            if self.rng.randrange(2):
                self.packets()
            else:
                self.tasks()
        finally:
            write(f'{FAILSLAB}/probability', 0)

    def packets(self):
        """Who must not sleep gets none."""
        write(f'{FAILSLAB}/task-filter', 'N')
        write(f'{FAILSLAB}/ignore-gfp-wait', 'Y')
        write(f'{FAILSLAB}/probability', self.rng.choice((1, 10, 30)))
        time.sleep(self.rng.random())

    def tasks(self):
        """The threads get none, nor does a process that starts and stops
        them.
        """
        write(f'{FAILSLAB}/task-filter', 'Y')
        write(f'{FAILSLAB}/ignore-gfp-wait', 'N')
        for path in glob.glob('/proc/[0-9]*/comm'):
            try:
                with open(path, encoding='ascii') as file:
                    if not file.read().startswith('ipvs-'):
                        continue
                write(f'{os.path.dirname(path)}/make-it-fail', 1)
            except OSError:
                pass            # It has ended.
        child = os.fork()
        if not child:
            try:
                self.wanting()
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def wanting(self):
        write(f'{FAILSLAB}/probability', self.rng.choice((2, 10, 30)))
        for _ in range(20):
            control = self.rng.choice(self.daemons.controls)
            try:
                write('/proc/self/make-it-fail', 1)
                control.setsockopt(
                    socket.IPPROTO_IP,
                    self.rng.choice((STARTDAEMON, STOPDAEMON)),
                    struct.pack('=i16si', self.rng.choice((1, 2)), b'sync',
                                0))
            except OSError:
                pass
            finally:
                write('/proc/self/make-it-fail', 0)

    def finish(self):
        write(f'{FAILSLAB}/probability', 0)
        write(f'{FAILSLAB}/task-filter', 'N')


class Worlds(Actor):
    """Namespaces go with daemons running and packets on their way."""

    pause = 1

    def turn(self):
        with Ground() as w:
            w.sysctl(sync_ports=self.rng.choice((1, 2, 4)))
            for ns in w.directors:
                for role in ROLES:
                    ns.start(role)
            packets = Packets(w)
            packets.prepare()
            for _ in range(self.rng.randrange(1, 10)):
                packets.turn()
            sender = os.fork()
            if not sender:
                try:
                    for _ in range(20):
                        packets.turn()
                finally:
                    os._exit(0)
            w.remove()
            os.waitpid(sender, 0)


class Faults:
    """Hears what the kernel complains about."""

    def __init__(self):
        self.file = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.file, 0, os.SEEK_END)
        self.lines = []

    def listen(self):
        while select.select([self.file], [], [], 0)[0]:
            try:
                line = os.read(self.file, 8192).decode(errors='replace')
            except BrokenPipeError:
                continue        # Some were overwritten.
            text = line.partition(';')[2].partition('\n')[0]
            if FAULT.search(text):
                self.lines.append(text)
                print(f'# {text}', flush=True)


class Totals:
    """What the daemons have done: their counters start at 0 with them."""

    def __init__(self, directors):
        self.last = {ns: {} for ns in directors}
        self.sums = {ns: collections.Counter() for ns in directors}

    def take(self):
        for ns, last in self.last.items():
            now = ns.counts()
            for name, value in now.items():
                kind = re.sub(r'\.\d+\.', '.', name)
                before = last.get(name, 0)
                self.sums[ns][kind] += value - (before if value >= before
                                                else 0)
            self.last[ns] = now


def per_cpu(ns):
    """What IPVS has counted: [(packets in, packets out)] of each CPU."""
    rows = [line.split() for line in
            ns.read('ip_vs_stats_percpu').splitlines()]
    return [(int(row[2], 16), int(row[3], 16)) for row in rows
            if len(row) == 6 and re.fullmatch('[0-9A-F]+', row[0])]


def perform(w, faults, totals):
    """All of them, for as long as was asked for."""
    actors = [Pktgen(w), Packets(w, 0), Packets(w, 1), Daemons(w), Knobs(w),
              Services(w), Links(w), Readers(w), Tracing(w), Datagrams(w),
              Worlds(w)]
    if os.path.exists(FAILSLAB):
        actors.append(Memory(w))
    until = multiprocessing.Event()
    players = []
    for actor in actors:
        here, there = multiprocessing.Pipe(False)
        player = multiprocessing.Process(target=actor.play,
                                         args=(until, there), daemon=False)
        player.start()
        there.close()
        players.append((actor, player, here))
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            faults.listen()
            totals.take()
            for actor, player, _ in players:
                check(player.is_alive(), f'{actor.name} died')
            time.sleep(0.5)
    finally:
        until.set()
        for actor, player, here in players:
            player.join(60)
            if player.is_alive():
                player.kill()
                print(f'# {actor.name} does not end')
    idle = []
    for actor, player, here in players:
        counts, why = here.recv() if here.poll() else \
            (collections.Counter(), 'no word')
        print(f'# {actor.name}: {counts["done"]} turns, '
              f'{counts["refused"]} refused'
              f'{", at last: " * bool(why)}{why}')
        if counts['done'] < min(actor.often, SECONDS / 30):
            idle.append(actor.name)
    check(not idle, f'hardly any turns: {idle}')


def test_stress():
    """All at once, for as long as was asked for"""
    if (os.cpu_count() or 1) < 2:
        lib.skip('needs two CPUs')
    faults = Faults()
    with Ground() as w:
        totals = Totals(w.directors)
        for ns in w.directors:
            for role in ROLES:
                ns.start(role)
        perform(w, faults, totals)
        for ns in w.directors:
            sums = totals.sums[ns]
            cpus = per_cpu(ns)
            print(f'# {ns.name}: ' + ', '.join(
                f'{name} {value}' for name, value in sorted(sums.items())
                if value and not name.endswith(('_ms', 'waiting', '_max'))))
            print(f'# {ns.name}: packets in, out of each CPU: {cpus}')
            check(sums['master.records'] > 100, 'it has told of some')
            check(sums['backup.created'] > 50, 'it has heard of new ones')
            check(sums['backup.updated'] > 50, 'and again')
            check(len([1 for into, out in cpus if into > 500 and out > 50])
                  >= 2, 'two CPUs have had packets of both directions')
        # Well in the end
        still(w)
    soon(lambda: not lib.threads(), 'no thread is left', 30)
    faults.listen()
    check(not faults.lines, f'{len(faults.lines)} complaints')


def still(w):
    """All that waits is sent once the link is well."""
    w.plug(0)
    for ns in w.directors:
        for role in ROLES:
            ns.run('ipvsadm', '--stop-daemon', role, ok=False)
        ns.sysctl(sync_ports=2, sync_qlen_max=1000, sync_version=1,
                  sync_threshold='0 2', sync_persist_mode=0)
        ns.ipvsadm('-C')
        ns.ipvsadm(*SERVICES[0])
        for role in ROLES:
            ns.start(role)
    soon(lambda: all(ns.carrier('sync') for ns in w.directors), 'a carrier')
    told = w.backup.count('backup.records')
    for number in range(100):
        w.flow('udp', f'{VIP}:53').send()
    soon(lambda: w.backup.count('backup.records') > told + 90,
         'what is new is told', 30)
    soon(lambda: w.master.count('master.waiting') == 0, 'nothing waits', 30)


if os.path.exists(hostile.KMEMLEAK):
    test_leaks = hostile.leaks


if __name__ == '__main__':
    lib.main()
