# SPDX-License-Identifier: GPL-2.0
"""A master and a backup on a cable, each a guest with a kernel of its own."""

import dataclasses
import json
import math
import os
import time

import guest

# The first of these finds the modules of the selftests.
import scenarios
import compare
from known import fields, known

HERE = os.path.dirname(os.path.abspath(__file__))
# Seconds that stock may keep a part-full message, and two for a guest that the
# machine does not let run when a message comes
STOCK_LATE = 5
OURS_LATE = 2
BURST_TRIES = 5
# Seconds until an answer is missed, and what should have arrived
PATIENCE = 60
ARRIVAL = 15
# Seconds until tables that are not as expected stay so
SETTLED = 8


class Director:
    """A guest that runs `director`, and calls into it."""

    def __init__(self, part, **how):
        self.guest = guest.Guest(part, os.path.join(HERE, 'director'), [part],
                                 stdin=True, mem='256M', **how)

    def send(self, *call):
        self.guest.send(json.dumps(call))

    def result(self):
        found = self.guest.expect(r'^([=!]) (.*)', PATIENCE)
        result = json.loads(found[2])
        if found[1] == '!':
            raise guest.GuestError(f'{self.guest.name}: {result}')
        return result

    def __getattr__(self, name):
        def call(*args):
            self.send(name, *args)
            return self.result()
        return call


class Pairing:
    """Two directors, from their boot to their end."""

    def __init__(self, kinds, kernels, results, versions):
        self.kinds, self.versions = kinds, versions
        self.kernels = kernels
        self.results = os.path.join(results, '-'.join(kinds))
        self.master = self.backup = None
        self.names = self.all_names()
        self.plan = None

    def label(self, version=None):
        master, backup = self.kinds
        return f'{master} to {backup}' + \
            (f', v{version}' if version is not None else '')

    def all_names(self):
        found = [f'{self.label(version)}: {scenario.name}'
                 for version in self.versions
                 for scenario in scenarios.TABLE + bursts(version)]
        found += [f'{self.label(version)}: nothing else in the tables'
                  for version in self.versions]
        return found + [f'{self.label()}: no fault in the kernels']

    def run(self):
        try:
            self.pair()
        except guest.GuestError as why:
            self.plan.fail(str(why))

    def pair(self):
        link = guest.Link()
        self.master, self.backup = (
            Director(part, kernel=self.kernels[kind], nics=[end],
                     results=os.path.join(self.results, part))
            for part, kind, end in zip(('master', 'backup'), self.kinds,
                                       (link.a, link.b)))
        with self.master.guest, self.backup.guest:
            for each in self.both():
                each.guest.expect('^ready', PATIENCE)
            for version in self.versions:
                self.compare(version)
            for each in self.both():
                each.guest.send('end')
                each.guest.wait(PATIENCE)
        link.close()
        self.plan.result(True, f'{self.label()}: no fault in the kernels')

    def both(self):
        return self.master, self.backup

    def at_once(self, *call):
        """The same call to both, in the same moment."""
        for each in self.both():
            each.send(*call)
        return [each.result() for each in self.both()]

    def compare(self, version):
        rules = compare.Rules(
            late=STOCK_LATE if self.kinds[0] == 'stock' else OURS_LATE)
        self.fresh(version)
        self.table(version, rules)
        for burst in bursts(version):
            self.burst(burst, version, rules)
        self.conclude(version, 'nothing else in the tables',
                      compare.strangers(scenarios.TABLE + bursts(version),
                                        *self.at_once('table')))

    def fresh(self, version):
        """Both directors with all services and no connection."""
        self.at_once('make')
        self.at_once('sysctl', {'sync_version': version,
                                'sync_sock_size': 1 << 20})
        self.at_once('serve', [each.name for each in
                               scenarios.TABLE + bursts(version)])

    def table(self, version, rules):
        """All kinds of connections at once."""
        names = [scenario.name for scenario in scenarios.TABLE]
        self.inherit(version)
        self.backup.start('backup')
        self.backup.listen(1)
        self.start_master(version)
        self.master.play(names)
        self.poll(lambda: self.backup.holds(scenarios.TABLE[-1].name),
                  f'{self.label(version)}: the last flow does not arrive')
        found = self.settle(scenarios.TABLE, version, rules)
        tables = {scenario.name: compare.tables(scenario, *found, rules)
                  for scenario in scenarios.TABLE}
        then = self.take_over(names, version)
        for scenario in scenarios.TABLE:
            differences = tables[scenario.name]
            differences.update(compare.announcements(scenario, *then))
            self.conclude(version, scenario.name, differences)

    def start_master(self, version, *options):
        """Of two of ours the backup joins, before there is what it would be
        told then, and not for packets.
        """
        self.master.start('master', *options)
        if version and self.kinds == ('ours', 'ours'):
            self.poll(lambda: self.backup.ready() == 'in-sync',
                      f'{self.label(version)}: the backup does not join')

    def inherit(self, version):
        """What the master has got from another master before."""
        for scenario in scenarios.TABLE:
            if not scenario.told_first:
                continue
            self.master.start('backup')
            self.backup.inject(scenario.name, version)
            self.poll(lambda name=scenario.name: self.master.holds(name),
                      f'{self.label(version)}: the master does not take what '
                      f'{scenario.name} begins with')
            self.master.stop('backup')

    def settle(self, chosen, version, rules):
        """The tables, once they are as expected, or stay otherwise."""
        end = time.monotonic() + SETTLED
        while True:
            found = self.at_once('table')
            good = all(
                compare.tables(scenario, *found, rules).keys() ==
                fields(known(self.kinds, version, scenario.name)) &
                compare.OF_TABLES for scenario in chosen)
            if good or time.monotonic() > end:
                return found

    def take_over(self, names, version):
        """Make a master of the backup; what do both tell?"""
        self.backup.stop('backup')
        self.at_once('sysctl', {'sync_threshold': '0 1'})
        self.at_once('listen', 1)
        self.backup.start('master')
        self.at_once('go_on', names)
        last = {flow.key() for flow in scenarios.TABLE[-1].flows}
        self.poll(lambda: all(last <= {tuple(row[:3]) for row in heard}
                              for heard in self.at_once('heard')),
                  f'{self.label(version)}: the last flow is not told of')
        theirs, mine = (each.heard() for each in self.both())
        self.backup.stop('master')
        self.master.stop('master')
        return mine, theirs

    def burst(self, burst, version, rules):
        """Many connections, with options of the daemons. A machine that is
        busy may not make them fast enough to fill a message.
        """
        for _ in range(BURST_TRIES):
            differences = self.play(burst, version, rules)
            if 'filled' not in differences:
                break
            self.fresh(version)
        self.conclude(version, burst.name, differences)

    def play(self, burst, version, rules):
        """One try of a burst; gives the differences."""
        self.at_once('sysctl', {'sync_ports': burst.ports,
                                'sync_threshold': '0 1'})
        self.backup.start('backup', *burst.options)
        self.backup.listen(burst.ports)
        self.start_master(version, *burst.options)
        start = time.monotonic()
        self.master.burst(burst.name)
        rules = dataclasses.replace(
            rules, late=rules.late + math.ceil(time.monotonic() - start))
        try:
            self.poll(lambda: compare.told_all(burst, version,
                                               self.backup.traffic()[0]),
                      'less is told than there is')
            differences = compare.Differences()
        except guest.GuestError as why:
            differences = compare.Differences()
            differences.add('bytes', str(why))
        found = self.settle([burst], version, rules)
        differences.update(compare.tables(burst, *found, rules))
        compare.traffic(differences, burst, version, self.backup.traffic())
        self.backup.stop('backup')
        self.master.stop('master')
        return differences

    def conclude(self, version, name, differences):
        """A result: are the differences those that are known?"""
        listed = known(self.kinds, version, name)
        expected = fields(listed)
        notes = [f'{field}: {text}' for field, texts in differences.items()
                 if field not in expected for text in texts[:3] +
                 ([f'and {len(texts) - 3} more'] if texts[3:] else [])]
        notes += [f'known, but not seen: {field}'
                  for field in sorted(expected - differences.keys())]
        good = not notes
        notes += [f'known: {each.reason}' for each in listed]
        self.plan.result(good, f'{self.label(version)}: {name}', notes)

    @staticmethod
    def poll(good, complaint):
        end = time.monotonic() + ARRIVAL
        while not good():
            if time.monotonic() > end:
                raise guest.GuestError(f'{complaint} within {ARRIVAL} s')
            time.sleep(0.05)


def bursts(version):
    return [burst for burst in scenarios.BURSTS if version in burst.versions]
