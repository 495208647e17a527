#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The daemons over generic netlink, by tools/net/ynl and its specifications.

    cli.py --spec ipvs.yaml         starts, stops and lists daemons
    cli.py --spec ip_vs_sync.yaml   shows them and their counters
"""

import glob
import importlib.util
import json
import os
import sys

import lib
import wire
from lib import HOLE, VIP, World, check, equal, soon

DNS = f'{VIP}:53'


OWN = os.path.abspath(os.path.join(os.path.dirname(__file__),
                                   *[os.pardir] * 5))


def find_ynl():
    """The directory of the tool. It comes with the kernel tree, but not with
    an old one; that of another base knows the old kernel just as well.
    """
    for tree in OWN, *sorted(glob.glob(f'{OWN}/build/linux-*')):
        if os.path.exists(f'{tree}/tools/net/ynl/cli.py'):
            return f'{tree}/tools/net/ynl'
    return None


YNL = find_ynl()


def arguments(family):
    if not YNL:
        lib.skip('needs tools/net/ynl, which this kernel tree does not have')
    if not importlib.util.find_spec('yaml'):
        lib.skip('needs python3-yaml')
    return [sys.executable, f'{YNL}/cli.py', '--no-schema',
            '--output-json', '--spec',
            f'{OWN}/Documentation/netlink/specs/{family}.yaml']


def ynl(ns, family, *words, ok=True):
    """Run the tool in a namespace; what it prints, as it was meant."""
    out = ns.run(*arguments(family), *words, ok=ok)
    return json.loads(out) if ok else out


def dump(ns, what):
    return ynl(ns, 'ip_vs_sync', '--dump', what)


def daemon(**attributes):
    return json.dumps({'daemon': attributes})


class Pair(World):
    """A World with a service, the daemons not started."""

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        self.sysctl(sync_threshold='0 0')


def test_control():
    """ynl starts, lists and stops daemons like ipvsadm"""
    with Pair() as w:
        equal(ynl(w.master, 'ipvs', '--dump', 'get-daemon'), [])
        ynl(w.master, 'ipvs', '--do', 'new-daemon', '--json',
            daemon(state=['master'], **{
                'mcast-ifn': 'sync', 'sync-id': 7, 'sync-maxlen': 1000,
                'mcast-port': 9000, 'mcast-ttl': 3}))
        out = w.master.run('ipvsadm', '-ln', '--daemon')
        equal(out.split('\n')[0].strip(),
              'master sync daemon (mcast=sync, syncid=7, maxlen=1000, '
              'group=224.0.0.81, port=9000, ttl=3)')
        listed, = ynl(w.master, 'ipvs', '--dump', 'get-daemon')
        equal(listed['daemon']['state'], ['master'])
        equal(listed['daemon']['sync-id'], 7)
        equal(listed['daemon']['mcast-port'], 9000)
        ynl(w.master, 'ipvs', '--do', 'del-daemon', '--json',
            daemon(state=['master']))
        equal(w.master.run('ipvsadm', '-ln', '--daemon').strip(), '')


def test_refused():
    """What can not be started is refused and changes nothing"""
    with Pair() as w:
        for attributes in ({'mcast-ifn': 'sync', 'sync-id': 256},
                           {'mcast-ifn': 'none', 'sync-id': 1}):
            out = ynl(w.master, 'ipvs', '--do', 'new-daemon', '--json',
                      daemon(state=['master'], **attributes), ok=False)
            check('Netlink error' in out, out)
        out = ynl(w.master, 'ipvs', '--do', 'del-daemon', '--json',
                  daemon(state=['backup']), ok=False)
        check('Netlink error' in out, out)
        equal(dump(w.master, 'daemon-get'), [])


def test_daemons():
    """The daemons that run are told with all they run with"""
    with Pair() as w:
        equal(dump(w.master, 'daemon-get'), [])
        w.master.sysctl(sync_ports=4)
        w.master.start('master', '--mcast-port', '9100', '--mcast-ttl', '5',
                       '--sync-maxlen', '900', syncid=3)
        w.master.start('backup', '--mcast-group', 'ff02::51', syncid=200)
        master, backup = dump(w.master, 'daemon-get')
        equal(master, {
            'role': 'master', 'ifname': 'sync', 'syncid': 3, 'maxlen': 900,
            'group': '224.0.0.81', 'port': 9100, 'ttl': 5, 'threads': 4,
            'bound-late': 0, 'lost-at-stop': 0, 'renewed': 0, 'passes': 0,
            'passed': 0})
        del backup['maxlen']
        check(backup.pop('running-ms') < 60000, 'for a minute')
        equal(backup, {
            'role': 'backup', 'ifname': 'sync', 'syncid': 200,
            'group6': 'ff02::51', 'port': 8848, 'ttl': 1, 'threads': 4,
            'bound-late': 0, 'lost-at-stop': 0,
            # Nobody was heard, so there is no time since that.
            'state': 'stale', 'progress': 1000, 'missing': 0, 'lag-ms': 0,
            'repaired': 0, 'connections-here': 0, 'connections-there': 0})
        equal(dump(w.backup, 'daemon-get'), [], 'another namespace')


def flat(ns):
    """The counters of all threads, as /proc names them."""
    found = {}
    for thread in dump(ns, 'thread-get'):
        role, number = thread['role'], thread['thread']
        groups = [(thread[role], '')]
        groups.append((thread['rejects'],
                       'reject_' if role == 'backup' else 'refused_'))
        for group, prefix in groups:
            for name, value in group.items():
                name = prefix + name.replace('-', '_')
                found[f'{role}.{number}.{name}'] = value
    return found


def test_counters():
    """The counters are those of /proc/net/ip_vs_sync, all of them"""
    with Pair() as w:
        w.sysctl(sync_ports=2)
        w.start()
        flows = [w.flow('udp', dst=DNS) for _ in range(100)]
        for flow in flows:
            flow.send()
        record = wire.Record('udp', '10.1.0.9:1', DNS, f'{HOLE}:53',
                             state=9, timeout=9)
        w.inject(record)
        soon(lambda: len(w.backup.conns()) == 100, 'all arrive')
        for ns in w.directors:
            def steady(values):
                """Without what only one tells, and what moves on."""
                return {name: value for name, value in values.items()
                        if name.count('.') == 2 and '.walk.' not in name and
                        not name.endswith('_ms')}
            before, told, after = ns.counts(), flat(ns), ns.counts()
            equal(sorted(steady(told)), sorted(steady(after)))
            # Equal but for the HELLOs since
            for name, value in steady(told).items():
                check(before[name] <= value <= after[name],
                      f'{name} {value}: {before[name]} to {after[name]}')
            moved = {name.split('.')[2] for name in steady(after)
                     if before[name] != after[name]}
            check(moved <= {'hellos', 'wakeups', 'messages', 'bytes'},
                  f'{moved} moved on')
            since = [name for name in told if name.endswith('_ms')]
            equal(len(since), 2)
        equal(flat(w.backup)['backup.0.reject_state'], 1)


def test_ready():
    """Readiness is that of /proc/net/ip_vs_sync_ready"""
    with Pair() as w:
        w.start()
        flows = [w.flow('udp', dst=DNS) for _ in range(50)]
        for flow in flows:
            flow.send()
        soon(lambda: w.backup.ready_value('connections_there') == 50,
             'all are told', 3)
        told, = dump(w.backup, 'daemon-get')
        equal(told['state'], w.backup.ready())
        for name in ('lag_ms', 'missing', 'repaired', 'connections_here',
                     'connections_there'):
            equal(told[name.replace('_', '-')], w.backup.ready_value(name))
        # A second, but that the machine may not have let it be heard
        check(0 <= told['heard-ms'] < min(5000, told['running-ms']),
              f'heard {told["heard-ms"]} ms ago')
        equal(told['progress'], 1000)


def test_before():
    """Before the first message there is no time since it"""
    with Pair() as w:
        w.master.sysctl(sync_repair=0)
        w.start()
        for ns in w.directors:
            check(not [n for n in flat(ns) if n.endswith('_ms')],
                  'it is told')


def test_many_threads():
    """A dump that takes several messages has each thread once"""
    with Pair() as w:
        w.sysctl(sync_ports=64)
        w.master.start('master')
        w.master.start('backup')
        found = [(t['role'], t['thread'])
                 for t in dump(w.master, 'thread-get')]
        equal(found, [(role, n) for role in ('master', 'backup')
                      for n in range(64)])


def family(ns):
    """A socket of ynl's in a namespace."""
    arguments('ip_vs_sync')
    where = f'{YNL}/lib'
    spec = importlib.util.spec_from_file_location(
        'ynl', f'{where}/__init__.py', submodule_search_locations=[where])
    module = importlib.util.module_from_spec(spec)
    sys.modules['ynl'] = module
    spec.loader.exec_module(module)
    with ns:
        return module.YnlFamily(
            f'{OWN}/Documentation/netlink/specs/ip_vs_sync.yaml', '')


def listen(ns):
    """The same, which hears of changes of state."""
    listener = family(ns)
    listener.ntf_subscribe('state')
    return listener


def test_notify():
    """Who listens is told when a daemon starts and stops"""
    with Pair() as w:
        listener = listen(w.master)
        w.master.start('master', syncid=9)
        w.backup.start('backup')
        w.master.stop('master')
        listener.check_ntf()
        equal([(m['name'], m['msg']['role'], m['msg']['syncid'])
               for m in listener.async_msg_queue],
              [('daemon-start-ntf', 'master', 9),
               ('daemon-stop-ntf', 'master', 9)])


def test_unprivileged():
    """Counters may be read by all, daemons are root's to start"""
    with Pair() as w:
        w.start()
        # Still of the user who may read the files, but for no more
        nobody = ['setpriv', '--inh-caps=-all', '--bounding-set=-all']
        out = w.master.run(*nobody, *arguments('ip_vs_sync'),
                           '--dump', 'daemon-get')
        equal(len(json.loads(out)), 1)
        out = w.backup.run(*nobody, *arguments('ipvs'), '--do',
                           'del-daemon', '--json',
                           daemon(state=['backup']), ok=False)
        check('not permitted' in out, out)
        equal(len(dump(w.backup, 'daemon-get')), 1)


if __name__ == '__main__':
    lib.main()
