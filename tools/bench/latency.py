#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How long it takes from the packet that makes a connection due until the
message that tells it is at the backup.

    usage: latency.py idle SAMPLES | load SAMPLES

idle: time travels, so what is seen is what the engine waits for. Default
settings, but the connection's first packet makes it due.
load: in real time, beside so many packets of other connections that each
make a record.
"""

import random
import socket
import statistics
import struct
import sys
import time

sys.dont_write_bytecode = True

import ground                       # noqa: E402
from ground import VIP, lib, say    # noqa: E402

SO_TIMESTAMPNS, SOL_PACKET, PACKET_OUTGOING = 35, 263, 4
HEADERS = 14 + 20 + 8
CROWD = 256             # packets of others each time
GAP = 0.005
PROBE_EACH = 10
PATIENCE = 10           # seconds: no engine keeps a record for so long


class Tap:
    """Sync messages that come to the backup, with the time when."""

    def __init__(self, w):
        with w.backup:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                      socket.htons(0x0800))
        self.sock.bind(('sync', 0x0800))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 27)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def read(self, timeout):
        """(time in ns, data), None when nothing comes."""
        self.sock.settimeout(timeout)
        try:
            frame, ancillary, _, addr = self.sock.recvmsg(2048, 64)
        except TimeoutError:
            return None
        if addr[2] == PACKET_OUTGOING or frame[23] != socket.IPPROTO_UDP:
            return b'', 0
        (_, _, stamp), = ancillary
        sec, nsec = struct.unpack('=qq', stamp)
        return frame[HEADERS:], sec * 10 ** 9 + nsec


def is_data(data):
    return len(data) > 8 and not data[0] and data[5] == 1



def ports_of(data):
    """The clients' ports in a message of IPv4."""
    return {data[8 + 36 * i + 10:8 + 36 * i + 12] for i in range(data[4])} \
        if is_data(data) else set()


def idle(w, tap, samples):
    rng = random.Random(20111228)
    found = []
    for _ in range(samples):
        time.sleep(rng.uniform(0.2, 3))
        flow = w.flow('udp', dst=f'{VIP}:{ground.PORT}')
        sent = time.time_ns()
        flow.send()
        port = int(flow.client.rsplit(':', 1)[1]).to_bytes(2, 'big')
        while True:
            got = tap.read(PATIENCE)
            lib.check(got, f'not told within {PATIENCE} s')
            if port in ports_of(got[0]):
                found.append((got[1] - sent) / 1e6)
                break
        lib.soon(lambda f=flow: w.backup.conn(f),
                 'the backup has it')
    return found


def load(w, tap, samples):
    ring = ground.Ring(w.client, 'master', w.master.mac('front'), CROWD)
    sent = {}
    for i in range(samples * PROBE_EACH):
        ring.fill(i % 40 * CROWD)
        ring.send()
        if not i % PROBE_EACH:
            flow = w.flow('udp', dst=f'{VIP}:{ground.PORT}')
            port = int(flow.client.rsplit(':', 1)[1]).to_bytes(2, 'big')
            sent[port] = time.time_ns()
            flow.send()
        time.sleep(GAP)
    found = []
    end = time.monotonic() + PATIENCE
    while sent and time.monotonic() < end:
        got = tap.read(PATIENCE)
        for port in sent.keys() & ports_of(got[0] if got else b''):
            found.append((got[1] - sent.pop(port)) / 1e6)
    lib.equal(len(sent), 0, 'connections not told')
    return found


def main():
    how, samples = sys.argv[1], int(sys.argv[2])
    with ground.Site() as w:
        w.sysctl(sync_threshold='0 1')
        w.start()
        tap = Tap(w)
        found = sorted({'idle': idle, 'load': load}[how](w, tap, samples))
    say(f'{how}_median', statistics.median(found))
    say(f'{how}_99', found[min(len(found) - 1, len(found) * 99 // 100)])
    say(f'{how}_worst', found[-1])


main()
