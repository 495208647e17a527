#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What goes over the link for sync, for some kinds of traffic.

    usage: volume.py THRESHOLD REFRESH_PERIOD TRAFFIC

TRAFFIC, the same in each run, since time travels:

    short   1000 TCP connections that live for 12 s each, with a packet of the
            client's a second
    long    1000 UDP connections of 5 packets a second, for 400 s
    hot     128 UDP connections of 100 packets a second, for 10 s

Told are packets and bytes with all headers, HELLOs included, of each 1000
connections; of "hot" of each 1000 packets. Of these bytes are also told those of
control messages, which are HELLOs when nothing is lost, of trailers, and of the
records that keep a connection alive.
"""

import os
import sys
import time

sys.dont_write_bytecode = True

import ground                       # noqa: E402
from ground import VIP, lib, say    # noqa: E402

sys.path.append(os.path.join(os.environ['TOP'], 'tools/experiment'))
import meter                        # noqa: E402

CONNECTIONS = 1000
LIFE = 12
LONG = 400
HOT, HOT_TIMES, HOT_GAP = 128, 1000, 0.01
RECORD = 36             # bytes of one, IPv4
# The stock engine keeps a part-full message for up to three seconds
REST = 5


def at(start, seconds):
    time.sleep(max(0, start + seconds - time.monotonic()))


def short(w, seen):
    """A hundred seconds of arrivals."""
    start = time.monotonic()
    alive = []
    for second in range(CONNECTIONS // 10 + LIFE):
        at(start, second)
        for _ in range(10 if second < CONNECTIONS // 10 else 0):
            flow = w.flow('tcp')
            flow.send('S')
            w.reply(flow, 'SA')
            flow.send('A')
            alive.append((second, flow))
        for born, flow in alive:
            if second < born + LIFE - 1:
                flow.send('AP')
            else:
                flow.send('FA')
                w.reply(flow, 'FA')
                flow.send('A')
        alive = [(born, flow) for born, flow in alive
                 if second < born + LIFE - 1]
        seen()
    return CONNECTIONS


def long(w, seen):
    start = time.monotonic()
    for second in range(LONG):
        at(start, second)
        w.fill(0, CONNECTIONS, 5 * CONNECTIONS)
        seen()
    return CONNECTIONS


def hot(w, seen):
    ring = ground.Ring(w.client, 'master', w.master.mac('front'), HOT)
    start = time.monotonic()
    for i in range(HOT_TIMES):
        at(start, i * HOT_GAP)
        ring.fill(0)
        ring.send()
        if not i % 100:
            seen()
    return HOT * HOT_TIMES


def main():
    threshold, period, traffic = sys.argv[1:]
    with ground.Site() as w:
        w.service(f'-A -t {VIP}:80 -s rr',
                  f'-a -t {VIP}:80 -r {lib.HOLE}:80 -m')
        w.sysctl(sync_threshold=threshold, sync_refresh_period=period)
        w.start()
        records = meter.Meter(w.backup, 'sync')
        before = w.transmitted(w.master, 'sync')
        count = globals()[traffic](w, records.read)
        time.sleep(REST)
        records.read()
        size, packets = (after - then for after, then in zip(
            w.transmitted(w.master, 'sync'), before))
        lib.equal(w.received()[1], 0, 'datagrams that did not fit')
        held = w.conns(w.backup)
        # The flows of "hot" and "long" do not end
        lib.equal(held, w.conns(w.master), 'connections of the backup')
    scale = 1000 / count
    name = f'{traffic}_{threshold.replace(" ", "_")}_{period}'
    say(f'{name}_bytes', size * scale)
    say(f'{name}_packets', packets * scale)
    say(f'{name}_control', records.control * scale)
    say(f'{name}_trailers', records.trailers * scale)
    say(f'{name}_keep', RECORD * scale *
        sum(n for (_, what), n in records.counts.items() if what == 'keep'))


main()
