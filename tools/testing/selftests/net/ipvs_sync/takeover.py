#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Live TCP connections survive the death of the master.

    client --TCP--> master --TCP, NAT--> server     before
    client --TCP--> backup --TCP, NAT--> server     after
                      +--messages--> third

The client's and the server's end are sockets of this program; a connection
lives if what is sent on it comes back the same.
"""

import fcntl
import os
import selectors
import socket
import struct
import termios
import threading

import lib
from lib import Director, SERVER, SERVER6, VIP, VIP6, World, check, equal, \
    soon

PORT = 7000


class Echo:
    """Sends back what it gets, at the server."""

    def __init__(self, ns):
        self.selector = selectors.DefaultSelector()
        self.wake, wake = socket.socketpair()
        self.selector.register(wake, selectors.EVENT_READ)
        for family, addr in ((socket.AF_INET, SERVER),
                             (socket.AF_INET6, SERVER6)):
            with ns:
                sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((addr, PORT))
            sock.listen(1000)
            self.selector.register(sock, selectors.EVENT_READ, 'listen')
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.wake.send(b'x')
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.wake.close()
        self.selector.close()

    def settled(self):
        """Have the clients acknowledged all? With nobody speaking."""
        return not any(
            struct.unpack('i', fcntl.ioctl(key.fileobj, termios.TIOCOUTQ,
                                           bytes(4)))[0]
            for key in list(self.selector.get_map().values())
            if key.data == 'echo')

    def work(self):
        while True:
            for key, _ in self.selector.select():
                if key.data == 'listen':
                    self.selector.register(key.fileobj.accept()[0],
                                           selectors.EVENT_READ, 'echo')
                elif key.data == 'echo':
                    self.echo(key.fileobj)
                else:
                    return

    def echo(self, sock):
        try:
            data = sock.recv(65536)
            if data:
                sock.sendall(data)
                return
        except OSError:
            pass
        self.selector.unregister(sock)
        sock.close()


class Talk:
    """A client's connection."""

    def __init__(self, ns, vip=VIP):
        inet6 = ':' in vip
        self.virtual = f'[{vip}]:80' if inet6 else f'{vip}:80'
        with ns:
            self.sock = socket.socket(socket.AF_INET6 if inet6 else
                                      socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect((vip, 80))
        addr, port = self.sock.getsockname()[:2]
        self.client = f'[{addr}]:{port}' if inet6 else f'{addr}:{port}'
        self.said = 0
        self.why = None         # it is dead

    def key(self):
        return 'tcp', self.client, self.virtual

    def say(self, times=1):
        """Does it live?"""
        try:
            for _ in range(times):
                text = b'%08d of %s\n' % (self.said, self.client.encode())
                self.said += 1
                self.sock.sendall(text)
                got = b''
                while len(got) < len(text):
                    more = self.sock.recv(len(text) - len(got))
                    if not more:
                        raise ConnectionError('closed')
                    got += more
                if got != text:
                    raise ConnectionError(f'said {text}, heard {got}')
        except OSError as err:
            self.why = repr(err)
        return not self.why


class Failover(World):
    """A World with a server that answers, and a third director."""

    def __init__(self):
        super().__init__()
        self.third = Director(f'third-{os.getpid()}', 13)
        self.all.append(self.third)
        self.echo = None

    def make(self):
        super().make()
        self.backup.ip(
            self.veth(self.backup, 'next', self.third, 'sync'),
            'address add 10.8.0.12/24 dev next', 'link set next up')
        self.third.ip('address add 10.8.0.13/24 dev sync',
                      'link set sync up')
        soon(lambda: self.backup.carrier('next'), 'the third is plugged in')
        self.service(f'-A -t {VIP}:80 -s rr',
                     f'-a -t {VIP}:80 -r {SERVER}:{PORT} -m',
                     f'-A -t [{VIP6}]:80 -s rr',
                     f'-a -t [{VIP6}]:80 -r [{SERVER6}]:{PORT} -m')
        self.echo = Echo(self.server)
        self.echo.__enter__()

    def __exit__(self, *exc):
        if self.echo:
            self.echo.__exit__(*exc)
        super().__exit__(*exc)

    def take_over(self):
        """What VRRP and its announcements would do."""
        mac = self.backup.mac('front').hex(':')
        self.client.ip(*(f'neighbour replace {vip} dev front lladdr {mac}'
                         for vip in (VIP, VIP6)))
        self.server.ip('route replace default via 10.2.0.12',
                       'route replace default via fd02::12')

    def move_back(self):
        mac = self.master.mac('front').hex(':')
        self.client.ip(*(f'neighbour replace {vip} dev front lladdr {mac}'
                         for vip in (VIP, VIP6)))
        self.server.ip('route replace default via 10.2.0.1',
                       'route replace default via fd02::1')


def dead(talks):
    """Which do not live, and why?"""
    return [(talk.client, talk.why) for talk in talks if not talk.say()]


def go_on(vip=VIP, count=100, **knobs):
    with Failover() as w:
        w.sysctl(**knobs)
        w.start()
        talks = [Talk(w.client, vip) for _ in range(count)]
        for talk in talks:
            check(talk.say(5), f'{talk.client} never lived')
        w.on(w.backup, talks)
        w.crash()
        w.take_over()
        equal(dead(talks), [])
        equal(dead(talks), [])
        equal(w.backup.rejects(), {})
        # New ones work as well, and all end as usual.
        late = Talk(w.client, vip)
        check(late.say(), 'a new connection')
        for talk in talks:
            talk.sock.close()
        closed = {talk.key() for talk in talks}
        soon(lambda: not [conn for conn in w.backup.conns()
                          if conn.key() in closed and
                          conn.state == 'ESTABLISHED'], 'they close')


def test_inet():
    """IPv4 connections go on after a take-over"""
    go_on()


def test_inet6():
    """IPv6 connections go on"""
    go_on(VIP6)


def test_version_0():
    """With version 0 of the format"""
    go_on(sync_version=0)


def test_ports():
    """With several threads"""
    go_on(sync_ports=4)


def test_refresh():
    """With time instead of packets"""
    go_on(sync_refresh_period=10, sync_retries=3)


def test_few_packets():
    """Connections of few packets go on with sync_threshold 0"""
    with Failover() as w:
        w.sysctl(sync_threshold='0 0')
        w.start()
        talks = [Talk(w.client) for _ in range(50)]
        w.on(w.backup, talks)
        w.crash()
        w.take_over()
        equal(dead(talks), [])


def test_in_flight():
    """A transfer that is under way goes on"""
    with Failover() as w:
        w.start()
        talk = Talk(w.client)
        check(talk.say(5), 'it never lived')
        w.on(w.backup, [talk])
        data = bytes(range(256)) * 4096
        sender = threading.Thread(target=talk.sock.sendall, args=(data,))
        sender.start()
        got = talk.sock.recv(100000)
        w.crash()
        w.take_over()
        while len(got) < len(data):
            more = talk.sock.recv(1 << 20)
            check(more, f'ended after {len(got)} bytes')
            got += more
        sender.join()
        check(got == data, 'what came is not what was sent')


def test_graceful():
    """Daemons change roles, as keepalived has them do, and back again"""
    with Failover() as w:
        w.start()
        talks = [Talk(w.client) for _ in range(20)]
        for talk in talks:
            check(talk.say(5), f'{talk.client} never lived')
        w.on(w.backup, talks)
        ways = ((w.backup, w.master, w.take_over),
                (w.master, w.backup, w.move_back))
        for new, old, move in ways * 2:
            old.stop('master')
            new.stop('backup')
            old.start('backup')
            new.start('master')
            move()
            equal(dead(talks), [])
            late = Talk(w.client)
            check(late.say(5), 'a new connection')
            w.on(old, [late])
            talks.append(late)


def test_third():
    """After a take-over its first packet announces a connection anew"""
    with Failover() as w:
        # Without a join, which would announce all of them at once
        w.sysctl(sync_repair=0)
        w.start()
        talks = [Talk(w.client) for _ in range(20)]
        for talk in talks:
            check(talk.say(5), f'{talk.client} never lived')
        w.on(w.backup, talks)
        w.third.ipvsadm(f'-A -t {VIP}:80 -s rr',
                        f'-a -t {VIP}:80 -r {SERVER}:{PORT} -m')
        w.third.start('backup')
        w.crash()
        w.take_over()
        w.backup.stop('backup')
        w.backup.start('master', device='next')
        equal(w.third.conns(), [])
        # One segment of the client's, which is due for no other reason.
        first, *others = talks
        first.sock.sendall(b'x')
        w.on(w.third, [first])
        equal(first.sock.recv(10), b'x')
        equal(len(w.third.conns()), 1)
        equal(w.third.state(first.key()), 'ESTABLISHED')
        equal(dead(others), [])
        w.on(w.third, talks)
        equal(w.third.dest(f'{SERVER}:{PORT}'), (20, 0))
        # Once, with the next ones at the usual times only.
        equal(w.backup.count('master.records'), 20)


if __name__ == '__main__':
    lib.main()
