#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How many instructions sync adds to a packet of the master.

    usage: instructions.py CONNECTIONS TIMES

As path.py, but in a guest whose clock counts the instructions of its one CPU,
so that neither caches nor the host have a part in it. A packet of each
connection is forwarded TIMES times: while the daemons run, with nothing due
and with each packet due, then without them. The least is told: ticks of the
timer only ever add.
"""

import sys

sys.dont_write_bytecode = True

import ground                       # noqa: E402
import path                         # noqa: E402
from ground import lib, say         # noqa: E402


def main():
    flows, times = map(int, sys.argv[1:])
    lib.equal(ground.CPUS, 1, 'CPUs')
    with ground.Site(warm=True) as w:
        w.quiet()
        table = path.Table(w, flows, flows)
        w.fill(0, flows)
        lib.equal(w.conns(w.master), flows, 'connections of the master')
        table.measure(0, True)
        ground.until(lambda: w.conns(w.backup) == flows,
                     'the backup has all connections')
        quiet, due, off = [], [], []
        for _ in range(times):
            for found, every in (quiet, False), (due, True):
                count, _ = table.measure(0, every)
                found.append(count)
        ground.until(lambda: w.records() == table.announced,
                     'all records have come')
        w.stop()
        for _ in range(times):
            count, _ = w.burst(table.ring, 0)
            lib.equal(w.sent(), w.to_send, 'packets forwarded')
            off.append(count / flows)
    say('insn_off', min(off))
    say('insn_quiet', min(quiet) - min(off))
    say('insn_due', min(due) - min(off))


main()
