#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How fast a backup joins, and makes up for what was lost. Ours only.

    usage: repair.py CONNECTIONS

A backup is started when the table is there; sync_pace is as it is by default,
then at its highest. Then a tenth of the messages of a burst are lost.
"""

import sys
import time

sys.dont_write_bytecode = True

import ground                       # noqa: E402
from ground import lib, say         # noqa: E402

LOSS = 10               # percent
HIGHEST = 10000000


def join(w, connections, name):
    """Start the backup, wait until it has all."""
    start, began = ground.clock(), time.monotonic()
    w.backup.start('backup')
    w.in_sync(within=60)
    took, cpu = time.monotonic() - began, ground.clock() - start
    lib.equal(w.conns(w.backup), connections, 'connections of the backup')
    say(f'{name}_rate', connections / took)
    say(f'{name}_cpu', cpu / connections)


def main():
    connections = int(sys.argv[1])
    with ground.Site() as w:
        w.quiet()
        w.master.start('master')
        w.fill(0, connections)
        join(w, connections, 'join')
        w.backup.stop('backup')
        w.master.sysctl(sync_pace=HIGHEST)
        join(w, connections, 'join_unpaced')
        w.watch()

        ring = ground.Ring(w.client, 'master', w.master.mac('front'),
                           connections)
        w.master.run('tc', 'qdisc', 'add', 'dev', 'sync', 'root', 'netem',
                     'loss', f'{LOSS}%', 'limit', '1000000')
        before = w.backup.count('backup.repaired')
        records = w.records()
        w.due(True)
        ring.fill(0)
        began = time.monotonic()
        ring.send()
        w.due(False)
        ground.until(lambda: w.backup.ready() == 'in-sync' and
                     w.records() - records >= connections,
                     'what was lost is told again')
        took = time.monotonic() - began
        repaired = w.backup.count('backup.repaired') - before
        lib.check(repaired > connections / ground.PER_MESSAGE * LOSS / 200,
                  f'some messages were lost: {repaired}')
        say('repaired', repaired)
        say('repair_seconds', took)
    

main()
