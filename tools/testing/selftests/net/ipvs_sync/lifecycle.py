#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Daemons come and go under traffic, links and namespaces go away.

    client --packets--> master --messages--> tap, backup
                          sync device down, up, gone
"""

import socket
import struct
import threading
import time

import lib
from lib import HOLE, VIP, World, check, equal, soon, stays

DNS = f'{VIP}:53'

# Of the old interface: it starts no program
STARTDAEMON, STOPDAEMON = 64 + 1024 + 64 + 11, 64 + 1024 + 64 + 12
MASTER, BACKUP = 1, 2


class Control:
    """Starts and stops daemons of a namespace without a program."""

    def __init__(self, ns):
        with ns:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def command(self, command, state):
        self.sock.setsockopt(socket.IPPROTO_IP, command, struct.pack(
            '=i16si', state, b'sync', 0))

    def start(self, state):
        self.command(STARTDAEMON, state)

    def stop(self, state):
        self.command(STOPDAEMON, state)


class Traffic:
    """Packets of new flows, and of some old ones, until its `with` ends."""

    def __init__(self, w, most=3000):
        self.w = w
        self.most = most
        self.flows = []
        self.rounds = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()

    def work(self):
        while not self.ended.is_set():
            try:
                if len(self.flows) < self.most:
                    flow = self.w.flow('udp', dst=DNS)
                    flow.send()
                    self.flows.append(flow)
                for flow in self.flows[-100::10]:
                    flow.send()
            except OSError:
                # The devices go before the traffic does.
                pass
            self.rounds += 1
            time.sleep(0.002)

    def goes_on(self):
        """Wait until there have been some more packets."""
        rounds = self.rounds
        soon(lambda: self.rounds >= rounds + 5, 'traffic')


class Quick(World):
    """A World where the first packet of a flow announces it."""

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -t {VIP}:80 -s rr', f'-a -t {VIP}:80 -r {HOLE} -m')
        self.sysctl(sync_threshold='0 0')

    def link(self, how):
        """Set the master's device up or down."""
        self.master.ip(f'link set sync {how}')

    def block(self, *options):
        """Start the master with nowhere to send to, a message under way."""
        self.start(*options)
        self.link('down')
        flow = self.flow('udp', dst=DNS)
        flow.send()
        soon(lambda: self.master.count('master.send_errors'),
             'an error of sending')
        return flow

    def told(self, flows, within=10):
        """Wait until the backup has all of these flows."""
        want = {flow.key() for flow in flows}
        soon(lambda: want <= {conn.key() for conn in self.backup.conns()},
             f'{len(want)} connections on the backup', within)

    def runs(self):
        """Wait until all threads of the master run. What is pending for one
        that is stopped before that is lost, which lost_at_stop counts.
        """
        soon(lambda: all(value for name, value in
                         self.master.counts().items()
                         if name.endswith('.hellos')), 'the master runs')

    def lost(self):
        return {name: value for name, value in self.master.counts().items()
                if 'lost' in name and value}


def none_left():
    soon(lambda: not lib.threads(), 'no thread is left')


def test_threads():
    """A daemon has a thread for each port, gone when it is stopped"""
    with Quick() as w:
        none_left()
        for ports in 1, 4, 64:
            w.sysctl(sync_ports=ports)
            w.master.start('master')
            equal(len(lib.threads()), ports)
            w.master.start('backup')
            found = lib.threads()
            for role in 'm', 'b':
                equal(sorted(int(name.split(':')[2]) for name in found
                             if name.startswith(f'ipvs-{role}:')),
                      list(range(ports)), role)
            w.master.stop('master')
            equal({name[5] for name in lib.threads()}, {'b'})
            w.master.stop('backup')
            equal(lib.threads(), [])


def restart(ports, count):
    """The master again and again under traffic: nothing gets lost."""
    with Quick() as w:
        w.sysctl(sync_ports=ports)
        w.backup.start('backup')
        ear = w.tap(ports=ports)
        control = Control(w.master)
        with Traffic(w) as traffic:
            for _ in range(count):
                traffic.goes_on()
                control.start(MASTER)
                w.runs()
                traffic.goes_on()
                control.stop(MASTER)
        equal({name[5] for name in lib.threads()}, {'b'})
        control.start(MASTER)
        # Those that had their packet while there was no master
        for flow in traffic.flows:
            flow.send()
        want = {flow.key() for flow in traffic.flows}
        told = set()

        def all_told():
            told.update(record.flow() for record in ear.records())
            return want <= told

        soon(all_told, f'{len(want)} flows are announced')
        check(w.master.count('master.records') < len(want),
              'none was announced before')


def test_restart_master():
    """The master is restarted under traffic, no announcement is lost"""
    restart(1, 40)


def test_restart_ports():
    """The same with several threads"""
    restart(4, 20)


def test_restart_backup():
    """The backup is restarted under traffic"""
    with Quick() as w:
        w.sysctl(sync_ports=4)
        w.start()
        control = Control(w.backup)
        with Traffic(w, 1000) as traffic:
            for _ in range(40):
                traffic.goes_on()
                control.stop(BACKUP)
                traffic.goes_on()
                control.start(BACKUP)
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.told([flow])
        equal(w.backup.rejects(), {})
        equal(w.backup.count('backup.receive_errors'), 0)


def test_restart_both():
    """Both roles in both namespaces, started and stopped under traffic"""
    with Quick() as w:
        controls = [(Control(ns), state) for ns in w.directors
                    for state in (MASTER, BACKUP)]
        with Traffic(w, 1000) as traffic:
            for round_ in range(20):
                for control, state in controls[::1 - round_ % 2 * 2]:
                    control.start(state)
                traffic.goes_on()
                for control, state in controls:
                    control.stop(state)
        none_left()


def test_namespace():
    """Namespaces go with daemons running and traffic"""
    for _ in range(3):
        with Quick() as w:
            w.sysctl(sync_ports=2)
            for ns in w.directors:
                ns.start('master')
                ns.start('backup')
            traffic = Traffic(w)
            with traffic:
                traffic.goes_on()
                w.remove()
                none_left()


def test_namespace_blocked():
    """A namespace goes while connections wait to be sent"""
    with Quick() as w:
        w.block()
        for _ in range(200):
            w.flow('udp', dst=DNS).send()
        check(w.master.count('master.waiting') > 100, 'they do not wait')
        w.remove()
        none_left()


def test_device_gone():
    """The sync device is deleted under a running daemon"""
    with Quick() as w:
        w.start()
        w.master.ip('link delete sync')
        w.flow('udp', dst=DNS).send()
        soon(lambda: w.master.count('master.send_errors'),
             'an error of sending')
        w.master.stop('master')
        w.backup.stop('backup')
        none_left()
        out = w.master.run('ipvsadm', '--start-daemon', 'master',
                           '--mcast-interface', 'sync', ok=False)
        check('No such device' in out, out)
        equal(lib.threads(), [])


def test_link_down():
    """What comes while the link is down is kept, and sent afterwards"""
    with Quick() as w:
        flows = [w.block()]
        for _ in range(500):
            flow = w.flow('udp', dst=DNS)
            flow.send()
            flows.append(flow)
        errors = w.master.count('master.send_errors')
        soon(lambda: w.master.count('master.send_errors') > errors + 2,
             'it is tried again')
        equal(w.master.count('master.records'), 0)
        equal(w.backup.conns(), [])
        w.link('up')
        w.told(flows)
        equal(w.lost(), {})
        equal(w.master.count('master.records'), len(flows))
        equal(w.master.count('master.waiting'), 0)
        errors = w.master.count('master.send_errors')
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.told([flow])
        equal(w.master.count('master.send_errors'), errors)


def test_link_flaps():
    """Down and up many times under traffic"""
    with Quick() as w:
        w.start()
        with Traffic(w, 500) as traffic:
            for _ in range(10):
                w.link('down')
                traffic.goes_on()
                w.link('up')
                traffic.goes_on()
        # What the device drops by itself is not seen. All the same, most
        # are there, and what is new is.
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.told([flow])
        equal(w.lost(), {})
        soon(lambda: w.master.count('master.waiting') == 0, 'nothing waits')
        check(w.master.count('master.records') > len(traffic.flows),
              'all were sent')


def test_latest():
    """After an outage the state of now is told, once"""
    with Quick() as w:
        first = w.block()
        flow = w.flow('tcp')
        flow.open()
        soon(lambda: w.master.count('master.waiting') == 1, 'it waits')
        flow.send('FA')
        equal(w.master.state(flow), 'CLOSE_WAIT')
        check(w.master.count('master.coalesced') > 0, 'not coalesced')
        w.link('up')
        w.told([first, flow])
        equal(w.backup.state(flow), 'CLOSE_WAIT')
        equal(w.master.count('master.records'), 2)


def test_expires():
    """A connection that waits expires on time"""
    with Quick() as w:
        w.master.run('ipvsadm', '--set', '0', '0', '10')
        w.block()
        start = time.monotonic()
        flows = [w.flow('udp', dst=DNS) for _ in range(20)]
        for flow in flows:
            flow.send()
        soon(lambda: w.master.count('master.waiting') == 20, 'they wait')
        equal(len(w.master.conns()), 21)
        stays(lambda: len(w.master.conns()) >= 20, 'they live', 1.5)
        soon(lambda: not w.master.conns(), 'all expired', 40)
        took = time.monotonic() - start
        # Not the minute more that a reference would give them
        check(9.5 < took < 45, f'after {took:.1f} s of 10')
        equal(w.master.dest(f'{HOLE}:53'), (0, 0))
        soon(lambda: w.master.count('master.expired_waiting') == 20,
             'their memory is freed')
        soon(lambda: w.master.count('master.waiting') == 0, 'none waits')
        # Only what was in the message by then is told.
        w.link('up')
        soon(lambda: w.master.count('master.messages') == 1, 'the message')
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.told([flow])
        equal(w.master.count('master.records'), 2)


def test_flush():
    """Connections that wait are flushed"""
    with Quick() as w:
        first = w.block()
        for _ in range(50):
            w.flow('udp', dst=DNS).send()
        w.master.sysctl(expire_nodest_conn=1)
        w.master.ipvsadm(f'-D -u {DNS}')
        # Before the server is there again, which would be theirs
        soon(lambda: not w.master.conns(), 'all go')
        w.master.ipvsadm(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        w.link('up')
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.told([flow])
        # What was told before is told to be gone.
        soon(lambda: not w.backup.conn(first), 'the first one goes')
        soon(lambda: w.master.count('master.waiting') == 0, 'none waits')


def test_stop_sends():
    """The stop of the master sends all that is pending"""
    with Quick() as w:
        control = Control(w.master)
        w.backup.start('backup')
        for count in 1, 100, 500:
            control.start(MASTER)
            w.runs()
            flows = [w.flow('udp', dst=DNS) for _ in range(count)]
            for flow in flows:
                flow.send()
            control.stop(MASTER)
            w.told(flows)


def test_stop_blocked():
    """A master that can not send stops without delay"""
    with Quick() as w:
        w.block()
        for _ in range(500):
            w.flow('udp', dst=DNS).send()
        start = time.monotonic()
        w.master.stop('master')
        took = time.monotonic() - start
        # Its 13 messages are not tried a second each.
        check(took < 8, f'took {took:.1f} s')
        equal({name[5] for name in lib.threads()}, {'b'})
        equal(len(w.master.conns()), 501)
        # They are well, and can be told by the next one.
        w.link('up')
        w.master.start('master')
        flow = w.flow('udp', dst=DNS)
        flow.send()
        w.told([flow])


def test_qlen_zero():
    """With sync_qlen_max=0 nothing is announced, and that is counted"""
    with Quick() as w:
        w.master.sysctl(sync_qlen_max=0)
        w.start()
        flows = [w.flow('udp', dst=DNS) for _ in range(10)]
        for flow in flows:
            flow.send(times=2)
        equal(w.master.count('master.marked'), 0)
        equal(w.master.count('master.queue_full'), 20)
        equal(w.master.count('master.records'), 0)
        # They stay due.
        w.master.sysctl(sync_qlen_max=1000)
        for flow in flows:
            flow.send()
        w.told(flows)
        equal(w.master.count('master.queue_full'), 20)


def test_qlen_max():
    """No more wait than sync_qlen_max messages hold, the rest stays due"""
    with Quick() as w:
        w.master.sysctl(sync_qlen_max=2)
        first = w.block('--sync-maxlen', str(8 + 36 * 10))
        flows = [w.flow('udp', dst=DNS) for _ in range(100)]
        for flow in flows:
            flow.send()
        waiting = w.master.count('master.waiting')
        check(10 <= waiting <= 30, f'{waiting} wait')
        full = w.master.count('master.queue_full')
        equal(full + w.master.count('master.marked'), 101)
        w.link('up')
        soon(lambda: w.master.count('master.waiting') == 0, 'none waits')
        for flow in flows:
            # By and by: many at once would be beyond it again.
            flow.send()
            time.sleep(0.001)
        soon(lambda: [flow.send() for flow in flows] and
             w.master.count('master.records') == 101, 'all are sent')
        w.told([first, *flows])


if __name__ == '__main__':
    lib.main()
