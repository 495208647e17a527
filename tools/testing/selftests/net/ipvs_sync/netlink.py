#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The daemons over generic netlink, by tools/net/ynl and its specifications.

    cli.py --spec ipvs.yaml         starts, stops and lists daemons
    cli.py --spec ip_vs_sync.yaml   shows them and their counters
"""

import importlib.util
import json
import os
import sys

import lib
import wire
from lib import HOLE, VIP, World, check, equal, soon

DNS = f'{VIP}:53'


def kernel_tree():
    """The kernel tree with the tool and the specifications."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = os.path.join(here, *[os.pardir] * 5)
    for tree in own, os.path.join(own, 'build/linux-6.12'):
        if os.path.exists(os.path.join(tree, 'tools/net/ynl/cli.py')):
            return os.path.abspath(tree)
    return None


TREE = kernel_tree()


def arguments(family):
    if not TREE:
        lib.skip('needs tools/net/ynl of the kernel tree')
    if not importlib.util.find_spec('yaml'):
        lib.skip('needs python3-yaml')
    return [sys.executable, f'{TREE}/tools/net/ynl/cli.py', '--no-schema',
            '--output-json', '--spec',
            f'{TREE}/Documentation/netlink/specs/{family}.yaml']


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
            'bound-late': 0, 'lost-at-stop': 0, 'renewed': 0})
        del backup['maxlen']
        equal(backup, {
            'role': 'backup', 'ifname': 'sync', 'syncid': 200,
            'group6': 'ff02::51', 'port': 8848, 'ttl': 1, 'threads': 4,
            'bound-late': 0, 'lost-at-stop': 0})
        equal(dump(w.backup, 'daemon-get'), [], 'another namespace')


def flat(ns):
    """The counters of all threads, as /proc names them."""
    found = {}
    for thread in dump(ns, 'thread-get'):
        role, number = thread['role'], thread['thread']
        groups = [(thread[role], '')]
        if role == 'backup':
            groups.append((thread['rejects'], 'reject_'))
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
                        if name.count('.') == 2 and
                        not name.endswith(('_ms', 'walk.renewed'))}
            told = flat(ns)
            equal(steady(told), steady(ns.counts()))
            since = [name for name in told if name.endswith('_ms')]
            equal(len(since), 2)
        equal(flat(w.backup)['backup.0.reject_state'], 1)


def test_before():
    """Before the first message there is no time since it"""
    with Pair() as w:
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


def listen(ns):
    """A socket of ynl's in a namespace that hears of changes of state."""
    arguments('ip_vs_sync')
    where = f'{TREE}/tools/net/ynl/lib'
    spec = importlib.util.spec_from_file_location(
        'ynl', f'{where}/__init__.py', submodule_search_locations=[where])
    module = importlib.util.module_from_spec(spec)
    sys.modules['ynl'] = module
    spec.loader.exec_module(module)
    with ns:
        family = module.YnlFamily(
            f'{TREE}/Documentation/netlink/specs/ip_vs_sync.yaml', '')
        family.ntf_subscribe('state')
    return family


def test_notify():
    """Who listens is told when a daemon starts and stops"""
    with Pair() as w:
        family = listen(w.master)
        w.master.start('master', syncid=9)
        w.backup.start('backup')
        w.master.stop('master')
        family.check_ntf()
        equal([(m['name'], m['msg']['role'], m['msg']['syncid'])
               for m in family.async_msg_queue],
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
