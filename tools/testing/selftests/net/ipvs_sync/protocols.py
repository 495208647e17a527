#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""The protocols: whatever state the master is in, so is the backup.

    client --packets--> master <--answers-- server (or HOLE, in its name)
                          |
                       messages --> backup

A server's packet may change the state too; the client's next one tells of it.
"""

import socket
import time

import lib
from lib import CLIENT, HOLE, SERVER, VIP, World, check, equal, soon


class Pair(World):
    """A World with the same connections on both sides, one hopes."""

    def make(self):
        super().make()
        for method, port in ('-m', 80), ('-g', 81), ('-i', 82):
            self.service(f'-A -t {VIP}:{port} -s rr',
                         f'-a -t {VIP}:{port} -r {HOLE} {method}')
        self.service(f'-A -u {VIP}:53 -s rr', f'-a -u {VIP}:53 -r {HOLE} -m',
                     f'-A -u {VIP}:54 -s rr -o',
                     f'-a -u {VIP}:54 -r {HOLE} -m',
                     f'-A --sctp-service {VIP}:80 -s rr',
                     f'-a --sctp-service {VIP}:80 -r {HOLE} -m',
                     f'-A --sctp-service {VIP}:81 -s rr',
                     f'-a --sctp-service {VIP}:81 -r {HOLE} -g')
        self.start()

    def same(self, flow, state, server=f'{HOLE}:80'):
        """Both directors have a flow in this state, and count it alike."""
        equal(self.master.state(flow), state, 'master')
        soon(lambda: self.backup.state(flow) == state,
             f'{state} on the backup')
        mine, theirs = (d.conn(flow) for d in self.directors)
        check(abs(mine.expires - theirs.expires) <= 2,
              f'expires in {mine.expires} and {theirs.expires}')
        equal(theirs.server, mine.server)
        equal(self.backup.dest(server), self.master.dest(server), state)

    def play(self, flow, script, server=f'{HOLE}:80'):
        """Packets of a client (>) and its server (<), then a state (=)."""
        for step in script.split():
            who, what = step[0], step[1:]
            if who == '>':
                flow.send(what)
            elif who == '<':
                self.reply(flow, what, server=server)
            else:
                self.same(flow, what, server)


OPEN = '>S <SA >A >PA =ESTABLISHED '
# To what follows after an opening
TCP = {
    'client closes': '>FA =CLOSE_WAIT <FA >A =TIME_WAIT',
    'server closes': '<FA >A =FIN_WAIT >FA =TIME_WAIT',
    'client resets': '>R =CLOSE',
    'server resets': '<R >A =CLOSE',
}
TCP_ONE_SIDED = {
    'client closes': '>FA =FIN_WAIT >A =FIN_WAIT',
    'client resets': '>R =CLOSE',
}


def test_tcp():
    """TCP: all states that are told, NAT"""
    with Pair() as w:
        for script in TCP.values():
            w.play(w.flow('tcp'), OPEN + script)
        equal(w.master.dest(f'{HOLE}:80'), (0, len(TCP)))


def test_tcp_one_sided():
    """TCP: all states, direct routing and tunnel"""
    with Pair() as w:
        for port in 81, 82:
            for script in TCP_ONE_SIDED.values():
                w.play(w.flow('tcp', dst=f'{VIP}:{port}'),
                       '>S >A >PA =ESTABLISHED ' + script,
                       f'{HOLE}:{port}')


def test_tcp_opening():
    """TCP: an opening connection is not told"""
    with Pair() as w:
        w.sysctl(sync_threshold='0 1')
        flow = w.flow('tcp')
        w.play(flow, '>S >S <SA')
        equal(w.master.state(flow), 'SYN_RECV')
        time.sleep(1)
        equal(w.backup.conns(), [])
        w.play(flow, '>A =ESTABLISHED')


def test_udp():
    """UDP"""
    with Pair() as w:
        flow = w.flow('udp', dst=f'{VIP}:53')
        flow.send(times=3)
        w.same(flow, 'UDP', f'{HOLE}:53')
        equal(w.backup.dest(f'{HOLE}:53'), (0, 1))


def test_one_packet():
    """A one-packet service is never told of"""
    with Pair() as w:
        w.sysctl(sync_threshold='0 1')
        for _ in range(5):
            w.flow('udp', dst=f'{VIP}:54').send(times=5)
        time.sleep(1)
        equal(w.master.count('master.records'), 0)
        equal(w.backup.conns(), [])


SCTP_OPEN = '>init <init-ack >cookie-echo <cookie-ack ' \
    '>data >data =ESTABLISHED '
SCTP = {
    'client closes': '>shutdown =S-RECEIVED <shutdown-ack '
                     '>shutdown-complete =CLOSED',
    'server closes': '<shutdown >data =S-SENT >shutdown-ack =CLOSED',
    'both close': '<shutdown <shutdown-ack >data =S-ACK-SENT',
    'client aborts': '>abort =CLOSED',
    'server aborts': '<abort >data =CLOSED',
}


def test_sctp():
    """SCTP: all states that are told, NAT"""
    with Pair() as w:
        for script in SCTP.values():
            w.play(w.flow('sctp'), SCTP_OPEN + script)
        equal(w.master.dest(f'{HOLE}:80'), (0, len(SCTP)))


def test_sctp_one_sided():
    """SCTP with direct routing"""
    with Pair() as w:
        for script in '>shutdown =S-RECEIVED', '>abort =CLOSED':
            w.play(w.flow('sctp', dst=f'{VIP}:81'),
                   '>init >cookie-echo >data =ESTABLISHED ' + script,
                   f'{HOLE}:81')


def test_sctp_opening():
    """SCTP: an opening connection is not told"""
    with Pair() as w:
        w.sysctl(sync_threshold='0 1')
        w.play(w.flow('sctp'), '>init >init <init-ack >cookie-echo')
        time.sleep(1)
        equal(w.backup.conns(), [])


def converse(w, kind, protocol):
    """A real client talks to a real server, then closes."""
    option = {'tcp': '-t', 'sctp': '--sctp-service'}[protocol]
    w.service(f'-A {option} {VIP}:90 -s rr',
              f'-a {option} {VIP}:90 -r {SERVER}:9090 -m')
    with w.server:
        try:
            listener = socket.socket(socket.AF_INET, kind,
                                     lib.wire.PROTOCOLS[protocol])
        except OSError as why:
            lib.skip(f'{protocol}: {why.strerror}')
    listener.bind((SERVER, 9090))
    listener.listen()
    with w.client:
        client = socket.socket(socket.AF_INET, kind,
                               lib.wire.PROTOCOLS[protocol])
    client.settimeout(5)
    client.connect((VIP, 90))
    server, peer = listener.accept()
    equal(peer[0], CLIENT)
    for i in range(10):
        text = b'%d' % i
        client.send(text)
        equal(server.recv(100), text)
        server.send(text * 2)
        equal(client.recv(100), text * 2)
    key = protocol, f'{CLIENT}:{client.getsockname()[1]}', f'{VIP}:90'
    w.same(key, 'ESTABLISHED', f'{SERVER}:9090')
    equal(w.backup.dest(f'{SERVER}:9090'), (1, 0))
    client.close()
    soon(lambda: w.backup.dest(f'{SERVER}:9090') == (0, 1),
         'closed on the backup')
    server.close()
    listener.close()


def test_tcp_real():
    """TCP between real peers"""
    with Pair() as w:
        converse(w, socket.SOCK_STREAM, 'tcp')


def test_sctp_real():
    """SCTP between real peers"""
    with Pair() as w:
        converse(w, socket.SOCK_STREAM, 'sctp')


if __name__ == '__main__':
    lib.main()
