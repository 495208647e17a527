# SPDX-License-Identifier: GPL-2.0
"""What the measurements share, inside a guest.

The topology is that of the selftests, but what the master balances goes to a
dummy device: it forwards, and nobody has to receive. pktgen is the client.

A guest has one CPU, but for those of cpus.py. Who may have it is said by
priorities of the real-time class, see burst(), so that work on the packet path
and work of the threads can be told apart without a profiler. What is measured
is the CPU time of the guest's kernel: of forwarding, of the daemons, of a whole
transfer. It is not disturbed by what else the host does, as the time of a wall
clock would be, other than by what that leaves in the caches.
"""

import glob
import mmap
import os
import re
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.environ['TOP'],
                             'tools/testing/selftests/net/ipvs_sync'))
import lib                          # noqa: E402
from lib import VIP                 # noqa: E402

ENGINE = os.environ['ENGINE']       # stock or ours
CPUS = os.cpu_count()
REAL, SINK_NET = '10.8.0.2', '10.8.0.1/24'
REAL6, SINK_NET6 = 'fd08::2', 'fd08::1/64'
PORT = 53
FIRST = 0x64000000                  # 100.0.0.0: the first client
PER_MESSAGE = 40                    # records of IPv4 in a message

# Priorities: softirqs that are left to their thread, the script
SOFTIRQ, SCRIPT = 50, 40

# So many packets of a flow that nothing is due
NEVER = '1000000 2000000'


def say(name, value):
    """Tell the host a figure."""
    print(f'figure {name} {value:.6g}', flush=True)


def put(path, value):
    with open(path, 'w', encoding='ascii') as file:
        file.write(f'{value}\n')


def get(path):
    with open(path, encoding='ascii') as file:
        return file.read()


def addr(number):
    return '.'.join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


# Of User-mode Linux. Another is QEMU's, see Measure in the file "bench".
UML = 'User Mode Linux' in get('/proc/cpuinfo')


class Clock:
    """The CPU time of this guest's kernel. Only the host knows it: it is asked
    through the console and answers by a file.
    """

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        path = os.path.join(os.environ['RESULTS'], f'clock.{self.asked}')
        # Who waits by sleeping would let others run meanwhile. Spinning in
        # user space takes no time of the kernel's.
        os.write(1, f'clock {self.asked}\n'.encode())
        while not os.path.exists(path):
            for _ in range(50000):
                pass
        return int(get(path))


# Where instructions are counted that is the time
clock = Clock() if UML else time.monotonic_ns


def real_time(priority, pid=0):
    os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))


def usual(pid=0):
    os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def pids(pattern):
    """Processes with such a name."""
    found = []
    for path in glob.glob('/proc/[0-9]*/comm'):
        try:
            if re.fullmatch(pattern, get(path).strip()):
                found.append(int(path.split('/')[2]))
        except OSError:
            pass
    return found


def touch_memory(spare=64 << 20):
    """Use all memory once. A page that the guest never had costs a fault of
    the host's, far more than what is to be measured.
    """
    left = next(int(line.split()[1]) * 1024
                for line in get('/proc/meminfo').splitlines()
                if line.startswith('MemFree:')) - spare
    zeros = bytes(1 << 20)
    lib.run('mount', '-o', 'remount,size=100%', '/dev/shm')
    path = '/dev/shm/touch'
    with open(path, 'wb', buffering=0) as file:
        for _ in range(left // len(zeros)):
            file.write(zeros)
    os.unlink(path)


class Proc:
    """A file below /proc that is read again and again."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)

    def __call__(self):
        return os.pread(self.fd, 65536, 0).decode('latin-1')

    def __del__(self):
        os.close(self.fd)


def runs(stat):
    """Does a process, told by its /proc/PID/stat, run or want to?"""
    return stat.rsplit(')', 1)[1].split()[0] == 'R'


class Ring:
    """A socket that sends many frames with one system call: UDP packets of
    flows that differ in the client's address.
    """

    FRAME = 128
    BLOCK = 4096
    # tp_status, tp_len of struct tpacket2_hdr, the frame is behind that
    HEAD, HEAD_LEN = struct.Struct('=II'), 32
    SOL_PACKET, PACKET_TX_RING = 263, 13
    PACKET_VERSION, PACKET_QDISC_BYPASS = 10, 20
    TPACKET_V2, SEND_REQUEST = 1, 1

    def __init__(self, ns, device, mac, frames):
        lib.check(frames * self.FRAME % self.BLOCK == 0, 'a full last block')
        self.frames = frames
        with ns:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        for option, value in (
                (self.PACKET_VERSION, self.TPACKET_V2),
                (self.PACKET_QDISC_BYPASS, 1),
                (self.PACKET_TX_RING, struct.pack(
                    '=4I', self.BLOCK, frames * self.FRAME // self.BLOCK,
                    self.FRAME, frames))):
            self.sock.setsockopt(self.SOL_PACKET, option, value)
        self.ring = mmap.mmap(self.sock.fileno(), frames * self.FRAME)
        self.sock.bind((device, 0x0800))
        self.eth = mac + bytes((2, 0, 0, 0, 0, 7, 8, 0))
        self.first = None

    def fill(self, first):
        """Frames of the flows from this one on."""
        if self.first == first:
            for at in range(0, len(self.ring), self.FRAME):
                self.ring[at] = self.SEND_REQUEST
            return
        self.first = first
        data = bytes(18)
        length = 20 + 8 + len(data)
        vip = socket.inet_aton(VIP)
        udp = struct.pack('!4H', 2000, PORT, 8 + len(data), 0) + data
        front = self.HEAD.pack(self.SEND_REQUEST,
                               len(self.eth) + length).ljust(self.HEAD_LEN,
                                                             b'\0') + self.eth
        ip = struct.Struct('!BBHIBBHI4s')
        rest = 0x4500 + length + (64 << 8 | 17) + \
            sum(struct.unpack('!2H', vip))
        for i in range(self.frames):
            client = FIRST + first + i
            total = rest + (client >> 16) + (client & 0xffff)
            total = (total >> 16) + (total & 0xffff)
            total = (total >> 16) + (total & 0xffff)
            at = i * self.FRAME
            frame = front + ip.pack(0x45, 0, length, 0, 64, 17,
                                    ~total & 0xffff, client, vip) + udp
            self.ring[at:at + len(frame)] = frame

    def send(self):
        self.sock.send(b'')


def until(probe, what, within=60):
    """Wait as lib.soon() does, but look less often: looking counts."""
    end = time.monotonic() + within
    while not probe():
        lib.check(time.monotonic() < end, f'not within {within} s: {what}')
        time.sleep(0.02)


class Site(lib.World):
    """Both directors with one UDP service, whose server takes all."""

    def __init__(self, warm=False):
        super().__init__()
        self.warm = warm

    def make(self):
        if not os.path.exists('/proc/net/ip_vs'):
            lib.run('modprobe', '-a', *lib.MODULES)
        super().make()
        if UML and not lib.time_travels():
            touch_memory()
        if CPUS == 1:
            put('/proc/sys/kernel/sched_rt_runtime_us', -1)
            for pid in pids(r'ksoftirqd/0'):
                real_time(SOFTIRQ, pid)
        # What a burst of one side leaves to the other fits
        put('/proc/sys/net/core/rmem_max', 1 << 29)
        for director in self.directors:
            director.ip('link add sink type dummy',
                        f'address add {SINK_NET} dev sink',
                        f'address add {SINK_NET6} dev sink nodad',
                        'link set sink up',
                        f'neighbour replace {REAL} dev sink '
                        'lladdr 02:00:00:00:00:08',
                        f'neighbour replace {REAL6} dev sink '
                        'lladdr 02:00:00:00:00:08')
        self.service(f'-A -u {VIP}:{PORT} -s rr',
                     f'-a -u {VIP}:{PORT} -r {REAL}:{PORT} -m',
                     f'-A -u [{lib.VIP6}]:{PORT} -s rr',
                     f'-a -u [{lib.VIP6}]:{PORT} -r [{REAL6}]:{PORT} -m')
        self.backup.sysctl(sync_sock_size=1 << 28)
        self.before = self.to_send = self.snmp = self.udp = self.counters = None
        self.threads = []
        self.add_pktgen()

    def add_pktgen(self):
        with self.client:
            self.base = '/proc/thread-self/net/pktgen'
            for cpu in range(CPUS):
                put(f'{self.base}/kpktgend_{cpu}', f'add_device master@{cpu}')
                self.set(cpu, 'pkt_size 60', 'delay 0',
                         f'dst_mac {self.master.mac("front").hex(":")}',
                         f'dst_min {VIP}', f'dst_max {VIP}',
                         f'udp_dst_min {PORT}', f'udp_dst_max {PORT}',
                         'udp_src_min 2000', 'udp_src_max 2000')

    def tell(self):
        """The tables are too large to list."""
        for ns in self.directors:
            print(f'# {ns.name}: ' + (' '.join(
                f'{name}={value}' for name, value in ns.counts().items()
                if value) if ENGINE == 'ours' else ''))

    def set(self, cpu, *commands):
        for command in commands:
            put(f'{self.base}/master@{cpu}', command)

    def start(self, *options, syncid=0):
        """Both daemons; ours then has told the table. Stock can not say."""
        self.backup.start('backup', syncid=syncid)
        self.master.start('master', *options, syncid=syncid)
        if ENGINE == 'ours':
            self.in_sync(within=60)
        self.watch()

    def start_backup(self):
        """For messages that are not a master's."""
        self.backup.start('backup')
        self.watch()

    def stop(self):
        self.master.stop('master')
        self.backup.stop('backup')

    def quiet(self):
        """Have nothing due."""
        self.due(False)
        if ENGINE == 'ours':
            # Nor by the walk
            self.sysctl(sync_silent=0)

    def aim(self, first, flows, count=None):
        """Each CPU has its share of the flows, and of the packets."""
        share = flows // CPUS
        with self.client:
            for cpu in range(CPUS):
                start = FIRST + first + cpu * share
                self.set(cpu, f'src_min {addr(start)}',
                         f'src_max {addr(start + share - 1)}',
                         f'count {(count or flows) // CPUS}')

    def sent(self):
        """Packets that went out of the master's dummy."""
        return self.transmitted(self.master, 'sink')[1]

    @staticmethod
    def transmitted(ns, device):
        """Bytes and packets that a device has sent."""
        for line in ns.read('dev').splitlines():
            name, _, rest = line.strip().partition(':')
            if name == device:
                words = rest.split()
                return int(words[8]), int(words[9])
        raise lib.Failed(f'no device {device}')

    def fill(self, first, flows, count=None):
        """Packets of these flows, in turn, as pktgen and the threads please."""
        before = self.sent()
        self.aim(first, flows, count)
        with self.client:
            put(f'{self.base}/pgctrl', 'start')
        # That returns early if the thread did not start at once
        until(lambda: self.sent() - before >= (count or flows),
              'all packets are forwarded')
        lib.equal(self.sent() - before, count or flows, 'packets forwarded')

    def due(self, every):
        """Is each packet due from now on, or none?"""
        self.master.sysctl(sync_threshold='0 1' if every else NEVER)

    def burst(self, ring, first, every=False):
        """A packet of each of so many flows as the ring has frames, without a
        pause for any thread. Gives the CPU time of it in ns, and leaves the
        time when it ended.
        """
        if self.warm:
            # Before each, what is in the caches is what the packets need
            self.due(False)
            ring.fill(first)
            ring.send()
        self.due(every)
        ring.fill(first)
        before = self.sent()
        real_time(SCRIPT)
        start = clock()
        ring.send()
        end = clock()
        usual()
        # Not now: that would count as what is behind the packets
        self.to_send = before + ring.frames
        return end - start, end

    def watch(self):
        """Get ready to look at the backup, its daemon runs."""
        with self.backup:
            self.snmp = Proc('/proc/thread-self/net/snmp')
            self.udp = Proc('/proc/thread-self/net/udp')
            self.counters = ENGINE == 'ours' and \
                Proc('/proc/thread-self/net/ip_vs_sync')
        self.threads = [Proc(f'/proc/{pid}/stat')
                        for pid in pids(r'ipvs-[mb]:.*')]
        lib.check(self.threads, 'no threads')
        self.before = self.received()[0]

    def received(self):
        """Datagrams that programs of the backup have been given, and those
        that did not fit.
        """
        for line in self.snmp().splitlines():
            words = line.split()
            if words[0] == 'Udp:' and words[1].isdigit():
                return int(words[1]), int(words[5])
        raise lib.Failed('no counters of UDP')

    def records(self):
        """Records that the backup has applied since it was started; of the
        stock engine how many there were in the datagrams it has read: they
        are full.
        """
        if not self.counters:
            return (self.received()[0] - self.before) * PER_MESSAGE
        return sum(int(number) for number in re.findall(
            r'^backup\.0\.(?:created|updated) (\d+)$', self.counters(),
            re.M))

    def unread(self):
        """Bytes that wait for the backup's thread."""
        return sum(int(number, 16) for number in re.findall(
            r':2290 \S+ \S+ \w+:(\w+) ', self.udp()))

    @staticmethod
    def conns(director):
        """How many connections the servers of a director have."""
        return sum(int(active) + int(inactive) for active, inactive in
                   re.findall(r'^  -> \S+:\d+ .* (\d+) +(\d+) *$',
                              director.run('ipvsadm', '-ln'), re.M))

    def drained(self, records):
        """Wait until all sleeps, so many records having been announced since
        the daemons were started. Gives the CPU time then, and how many have
        come: the stock engine keeps a full message until the next record.
        """
        held = 0 if self.counters else PER_MESSAGE
        time.sleep(0.02)
        until(lambda: self.records() >= records - held,
              f'{records} records come')
        end = self.idle()
        come = self.records()
        lib.check(come <= records, f'{come} records instead of {records}')
        if self.to_send:
            lib.equal(self.sent(), self.to_send, 'packets forwarded')
            self.to_send = None
        return end, come

    def read(self, before, messages):
        """The same by datagrams."""
        time.sleep(0.02)
        until(lambda: self.received()[0] - before >= messages,
              f'{messages} messages come')
        end = self.idle()
        lib.equal(self.received()[0] - before, messages, 'messages')
        return end

    def idle(self):
        until(lambda: not self.unread() and
              not any(runs(thread()) for thread in self.threads),
              'the threads sleep')
        end = clock()
        lib.equal(self.received()[1], 0, 'datagrams that did not fit')
        return end
