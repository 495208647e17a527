#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the master's walk over the table costs for each connection.

    usage: walk.py CONNECTIONS TIMES

Time travels, and nothing else happens: so TIMES walks of 16 s each take no
more time than their CPU.
"""

import os
import sys
import time

sys.dont_write_bytecode = True

import ground                       # noqa: E402
from ground import lib, say         # noqa: E402

PERIOD = 16             # seconds, see net/netfilter/ipvs/ip_vs_sync_walk.c
LIFE = 100000           # seconds, so that none is due to be told or to expire


def main():
    flows, times = (int(arg) for arg in sys.argv[1:])
    os.makedirs('/run/netns', exist_ok=True)
    with ground.Site() as w:
        w.quiet()
        w.master.run('ipvsadm', '--set', '0', '0', str(LIFE))
        w.fill(0, flows)
        lib.equal(w.conns(w.master), flows, 'connections')
        w.master.start('master')
        start = ground.clock()
        time.sleep(times * PERIOD)
        say('walk', (ground.clock() - start) / times / flows)


main()
