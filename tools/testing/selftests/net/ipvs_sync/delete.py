#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# guest: time-travel=inf-cpu
"""What leaves the master before its time leaves the backup, and no more.

    client --packets--> master --messages, DELETEs--> tap, backup

Where a DELETE has to be lost, or come late, a Speaker is the master.
"""

import time

import lib
import wire
from lib import CLIENT, Crowd, HOLE, VIP, World, check, equal, soon, stays
from wire import Asker, Record, Speaker

DNS, WEB = f'{VIP}:53', f'{VIP}:80'
OTHER = '10.2.0.10'


class Told(World):
    """A World where the first packet of a flow announces it; what loses its
    server goes with its next packet.
    """

    def __init__(self, *options):
        super().__init__()
        self.options = options
        self.ear = None

    def make(self):
        super().make()
        self.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m',
                     f'-A -t {WEB} -s rr', f'-a -t {WEB} -r {HOLE} -m')
        self.sysctl(sync_threshold='0 0', expire_nodest_conn=1)
        for ns in self.master, self.backup:
            ns.ip(f'neighbour replace {OTHER} dev rear '
                  'lladdr 02:00:00:00:00:09')
        self.start(*self.options)
        self.ear = self.tap()

    def told(self, count, dst=DNS):
        """So many flows that the backup has."""
        flows = self.burst(count, dst)
        soon(lambda: not self.missing(flows), 'they arrive')
        return flows

    def deletes(self):
        return [m for m in self.ear.read(control=True)
                if m.kind == wire.DELETE]


def kept(world, flows):
    have = {c.key() for c in world.backup.conns()}
    return [flow for flow in flows if flow.key() in have]


def test_server():
    """Connections of a server that is removed go within 100 ms"""
    with Told() as w:
        w.service(f'-A -u {VIP}:54 -s rr', f'-a -u {VIP}:54 -r {OTHER}:54 -m')
        go, stay = w.told(20), w.told(20, f'{VIP}:54')
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in go:
            flow.send()         # finds its server gone
        start = time.monotonic()
        soon(lambda: not kept(w, go), 'they go')
        check(time.monotonic() - start <= 0.1, 'not within 100 ms')
        equal(len(kept(w, stay)), 20)
        equal(w.backup.count('backup.deleted'), 20)
        equal(w.master.count('master.deleted'), 20)
        equal(w.backup.rejects(), {})
        m, = w.deletes()
        equal(m.says['order'], m.seq)
        equal(sorted(m.says['keys']), sorted(flow.key() for flow in go))
        soon(lambda: w.backup.ready_value('connections_there') == 20,
             'the master has so many', 2)
        equal(w.backup.ready_value('connections_here'), 20)
        equal(w.backup.ready(), 'in-sync')


def test_inet6():
    """Those of IPv6 do, too"""
    with Told() as w:
        virtual = f'[{lib.VIP6}]:53'
        w.service(f'-A -u {virtual} -s rr',
                  f'-a -u {virtual} -r [{lib.HOLE6}]:53 -m')
        flows = w.told(10, virtual) + w.told(5)
        w.master.ipvsadm(f'-d -u {virtual} -r [{lib.HOLE6}]:53')
        for flow in flows:
            flow.send()
        soon(lambda: len(w.backup.conns()) == 5, 'they go', 0.1)
        equal(len(kept(w, flows[:10])), 0)
        m, = w.deletes()
        equal(len(m.says['keys']), 10)


def test_many():
    """Those that do not fit into one message go in several"""
    with Told('--sync-maxlen', '200') as w:
        flows = w.told(100)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        soon(lambda: not w.backup.conns(), 'they go', 0.2)
        told = w.deletes()
        # 12 bytes and 16 each, then the trailer
        check(all(m.size <= 200 for m in told), 'too long')
        equal(sorted(key for m in told for key in m.says['keys']),
              sorted(flow.key() for flow in flows))


def test_pace():
    """Very many go at the pace of sync_pace"""
    with Told() as w:
        w.master.sysctl(sync_pace=1000)
        flows = w.told(600)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        start = time.monotonic()
        for flow in flows:
            flow.send()
        soon(lambda: not w.backup.conns(), 'they go', 3)
        # A tenth of a second's worth may go at once.
        check(0.4 < time.monotonic() - start < 0.8, 'not at that pace')
        # Nor is anything else delayed by it.
        equal(w.master.count('master.deleted'), 600)


def test_too_many():
    """Of more than sync_repair at a time the rest is left to its timeout"""
    with Told() as w:
        w.master.stop('master')
        w.master.sysctl(sync_repair=256, sync_pace=1000)
        w.master.start('master')
        w.in_sync()
        flows = w.told(1000)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        soon(lambda: w.master.count('master.undeleted') +
             w.master.count('master.deleted') == 1000, 'each is counted', 3)
        # Some go before the last one has come.
        deleted = w.master.count('master.deleted')
        check(256 <= deleted <= 600, f'{deleted} are told gone')
        soon(lambda: w.missing(flows) == deleted, 'they go')
        stays(lambda: w.missing(flows) == deleted, 'the rest')


def test_again_pace():
    """A flood of requests for DELETEs is answered at sync_pace, too"""
    with Told('--sync-maxlen', '60') as w:
        flows = w.told(200)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        soon(lambda: not w.backup.conns(), 'they go')
        # Two keys each
        told = w.deletes()
        check(len(told) >= 100, f'only {len(told)} DELETEs')
        w.master.sysctl(sync_pace=1000)
        time.sleep(1)
        asker = Asker(w.backup, told[-1])
        start = time.monotonic()
        for _ in range(20):
            asker.nack(told[-1].seq, (told[0].seq, told[-1].seq))
        soon(lambda: w.master.count('master.nacks') == 20, 'all are read')
        # A tenth of a second's worth may go at once.
        most = 100 + 1000 * (time.monotonic() - start)
        keys = sum(len(m.says['keys']) for m in w.deletes())
        check(0 < keys <= most, f'{keys} keys, {most:.0f} are allowed')


def test_down():
    """What dies while the link is down goes when it is up"""
    with Told() as w:
        flows = w.told(100)
        w.master.ip('link set sync down')
        w.burst(1)              # a message that has to wait
        time.sleep(2)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        time.sleep(10)
        w.master.ip('link set sync up')
        soon(lambda: not kept(w, flows), 'they go')
        equal(w.master.count('master.undeleted'), 0)


def test_template_threads():
    """An invalid template is not counted any more by who told it"""
    # Many threads, so that one that lost what it had not told shows
    with Told() as w:
        for ns, role in (w.master, 'master'), (w.backup, 'backup'):
            ns.stop(role)
            ns.sysctl(sync_ports=64)
        w.start()
        virtual = f'{VIP}:81'
        w.service(f'-A -u {virtual} -s rr -p 300',
                  f'-a -u {virtual} -r {HOLE}:81 -m')
        w.master.sysctl(expire_quiescent_template=1)
        flows = [w.flow('udp', dst=virtual, client=f'10.1.66.{i}')
                 for i in range(1, 6)]
        for flow in flows:
            flow.send()
        soon(lambda: len(w.backup.conns()) == 10, 'all arrive')
        w.master.ipvsadm(f'-d -u {virtual} -r {HOLE}:81',
                         f'-a -u {virtual} -r {OTHER}:81 -m')
        for flow in flows:
            flow.send(times=2)
        soon(lambda: [c.server for c in w.backup.conns()] ==
             [f'{OTHER}:81'] * 10, 'they go to the other')
        time.sleep(2)
        equal(len(w.master.conns()), 10)
        equal(w.backup.ready_value('connections_there'), 10)


def test_expiry():
    """What dies in its time is not told to be gone"""
    with Told() as w:
        w.master.run('ipvsadm', '--set', '10', '10', '10')
        flows = w.told(20)
        check(w.backup.conn(flows[0]).expires <= 11, 'it has the timeout')
        soon(lambda: not w.master.conns(), 'they end', 30)
        time.sleep(1)
        equal(w.deletes(), [])
        equal(w.master.count('master.deleted'), 0)
        soon(lambda: not w.backup.conns(), 'they end there', 5)


def test_untold():
    """What the backup was never told of is not told to be gone"""
    with Told() as w:
        w.master.sysctl(sync_threshold='5 50', sync_silent=0)
        flows = w.burst(20)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        soon(lambda: not w.master.conns(), 'they go')
        time.sleep(1)
        equal(w.deletes(), [])


def test_again():
    """The same flow may come again, to another server"""
    with Told() as w:
        flow, = w.told(1)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        flow.send()
        soon(lambda: not w.backup.conns(), 'it goes', 0.1)
        w.service(f'-a -u {DNS} -r {OTHER}:53 -m')
        flow.send()
        soon(lambda: w.backup.conn(flow), 'it comes again')
        equal(w.backup.conn(flow).server, f'{OTHER}:53')
        stays(lambda: w.backup.conn(flow), 'it')


def test_again_quick():
    """Even if it comes at once"""
    with Told() as w:
        flow, = w.told(1)
        w.service(f'-a -u {DNS} -r {OTHER}:53 -m')
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        flow.send(times=2)
        soon(lambda: [c.server for c in w.master.conns()] == [f'{OTHER}:53'],
             'it goes on', 0.1)
        time.sleep(1)
        conn = w.backup.conn(flow)
        check(conn, 'it was told to be gone, but it is back')
        equal(conn.server, f'{OTHER}:53')


def test_reuse():
    """A client that uses its port again has a connection"""
    with Told() as w:
        w.sysctl(conn_reuse_mode=1)
        flow = w.flow('tcp')
        flow.open()
        soon(lambda: w.backup.state(flow) == 'ESTABLISHED', 'it arrives')
        w.reply(flow, 'FA')
        flow.send('FA')
        soon(lambda: w.backup.state(flow) == 'TIME_WAIT', 'it closes')
        # Quick, as in a local network
        flow.open()
        equal(w.master.state(flow), 'ESTABLISHED')
        time.sleep(1)
        equal(w.backup.state(flow), 'ESTABLISHED')
        # It is not left to the walk, nor to the next packets.
        equal(w.differ(), [])


def test_flush_pace():
    """One that comes again while others wait to be told gone stays"""
    with Told() as w:
        w.master.sysctl(sync_pace=1000)
        flows = w.told(400)
        w.service(f'-a -u {DNS} -r {OTHER}:53 -m')
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        for flow in flows:
            flow.send()         # to the other server
        soon(lambda: {c.server for c in w.master.conns()} ==
             {f'{OTHER}:53'}, 'they go on', 0.1)
        time.sleep(2)
        equal(w.missing(flows), 0)
        equal(w.differ(), [])


def test_template():
    """A persistence template goes, too"""
    with Told() as w:
        virtual = f'{VIP}:81'
        w.service(f'-A -u {virtual} -s rr -p 300',
                  f'-a -u {virtual} -r {HOLE}:81 -m')
        w.master.sysctl(expire_quiescent_template=1)
        flow = w.flow('udp', dst=virtual, client=CLIENT)
        flow.send()
        soon(lambda: len(w.backup.conns()) == 2, 'both arrive')
        w.master.ipvsadm(f'-d -u {virtual} -r {HOLE}:81',
                         f'-a -u {virtual} -r {OTHER}:81 -m')
        flow.send(times=2)
        time.sleep(1)
        equal([c.server for c in w.master.conns()], [f'{OTHER}:81'] * 2)
        equal([c.server for c in w.backup.conns()], [f'{OTHER}:81'] * 2)


def test_version_0():
    """No DELETE in version 0, even for what was told in version 1"""
    with Told() as w:
        flows = w.told(3)
        w.master.sysctl(sync_version=0)
        w.ear.read(control=True)
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        soon(lambda: not w.master.conns(), 'they go')
        time.sleep(2)
        equal([m.kind for m in w.ear.read(control=True)], [])


def test_unnumbered():
    """Nor without numbers"""
    with World() as w:
        w.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        w.sysctl(sync_threshold='0 0', expire_nodest_conn=1)
        w.master.sysctl(sync_repair=0)
        w.start()
        ear = w.tap()
        flow, = w.burst(1)
        soon(lambda: w.backup.conn(flow), 'it arrives')
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        flow.send()
        soon(lambda: not w.master.conns(), 'it goes')
        time.sleep(2)
        messages = ear.read(control=True)
        equal([(m.version, m.seq) for m in messages], [(1, None)])
        check(w.backup.conn(flow), 'it went there')


def test_lost():
    """A DELETE that is lost is sent again, under its old order"""
    with Told() as w:
        w.service(f'-A -u {VIP}:54 -s rr', f'-a -u {VIP}:54 -r {OTHER}:54 -m')
        flow, = w.told(1)
        stay, = w.told(1, f'{VIP}:54')
        last = max(m.seq for m in w.ear.read())
        w.master.run('tc', 'qdisc', 'replace', 'dev', 'sync', 'root',
                     'netem', 'loss', '100%')
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        flow.send()
        soon(lambda: w.master.count('master.deleted') == 1, 'it is sent')
        check(w.backup.conn(flow), 'nothing was lost')
        w.master.run('tc', 'qdisc', 'delete', 'dev', 'sync', 'root')
        soon(lambda: not w.backup.conn(flow), 'it goes', 2)
        m, *_ = w.deletes()
        equal(m.says['keys'], [flow.key()])
        check(last <= m.says['order'] <= last + 1 < m.seq,
              f'order {m.says["order"]} in {m.seq} after {last}')
        check(w.backup.conn(stay), 'the other')
        soon(lambda: not w.backup.ready_value('missing'), 'none is missing')


class Heard(World):
    """A World with a Speaker instead of a master."""

    def make(self):
        super().make()
        self.service(f'-A -t {WEB} -s rr', f'-a -t {WEB} -r {HOLE} -m')
        self.backup.start('backup')
        self.speaker = Speaker(self.master)

    def record(self, port, state=wire.TCP_ESTABLISHED, **more):
        return Record('tcp', f'10.1.77.7:{port}', WEB, f'{HOLE}:80',
                      state=state, timeout=300, **more)

    def read(self, count):
        soon(lambda: self.backup.count('backup.messages') == count and
             not self.backup.unread(), 'it is read')
        time.sleep(0.1)         # in which a connection's timer runs out


def test_newer():
    """A DELETE does not touch what was told after its order"""
    with Heard() as w:
        one, two = w.record(1), w.record(2)
        w.speaker.say(1, one, two)
        w.speaker.say(3, one)
        w.speaker.delete(2, one.flow(), two.flow())
        w.read(3)
        check(w.backup.conn(one), 'it was told again')
        check(not w.backup.conn(two), 'it was not')
        # Repeated under the old order
        w.speaker.say(4, two)
        w.speaker.delete(5, one.flow(), two.flow(), order=2)
        w.read(5)
        equal(len(w.backup.conns()), 2)
        equal(w.backup.rejects(), {'order': 3})
        equal(w.backup.count('backup.deleted'), 1)
        w.speaker.delete(6, two.flow())
        w.read(6)
        equal(w.backup.conn(two), None)


def test_same_order():
    """One of the order of a message comes behind it"""
    with Heard() as w:
        w.speaker.say(1, w.record(1))
        w.speaker.delete(2, w.record(1).flow(), order=1)
        w.read(2)
        equal(w.backup.conns(), [])


def test_late():
    """A message from before a DELETE does not bring back what is gone"""
    with Heard() as w:
        w.speaker.say(1, w.record(1))
        w.speaker.delete(3, w.record(1).flow())
        w.speaker.say(2, w.record(1), w.record(2))
        w.read(3)
        equal(w.backup.conn(w.record(1)), None)
        # It is left to be asked for, so that the rest of it is not lost.
        nack, *_ = soon(lambda: w.speaker.heard(wire.NACK), 'a NACK')
        equal(nack.says['ranges'], [(2, 2)])
        w.speaker.say(4, w.record(2))
        w.speaker.fill(4, (2, 2))
        soon(lambda: not w.backup.ready_value('missing'), 'all is there')
        equal([c.key() for c in w.backup.conns()], [w.record(2).flow()])


def test_twice():
    """One that comes twice is applied once"""
    with Heard() as w:
        w.speaker.say(1, w.record(1))
        for _ in range(2):
            w.speaker.delete(2, w.record(1).flow(), w.record(2).flow())
        w.read(3)
        equal(w.backup.count('backup.again'), 1)
        equal(w.backup.count('backup.deleted'), 1)
        equal(w.backup.rejects(), {})


def test_own():
    """What packets made on the backup is not the master's to delete"""
    with Heard() as w:
        flow = w.flow('tcp', via=w.backup)
        flow.open()
        equal(w.backup.state(flow), 'ESTABLISHED')
        w.speaker.say(1, w.record(1))
        w.speaker.delete(2, flow.key(), w.record(1).flow())
        w.read(2)
        equal(w.backup.state(flow), 'ESTABLISHED')
        equal(w.backup.conn(w.record(1)), None)
        equal(w.backup.rejects(), {'order': 1})


def test_other_master():
    """Nor is what another master has told"""
    with Heard() as w:
        other = Speaker(w.master, instance=0x5678)
        w.speaker.say(1, w.record(1))
        other.say(1, w.record(1), w.record(2))
        w.speaker.delete(2, w.record(1).flow(), w.record(2).flow())
        w.read(3)
        equal(len(w.backup.conns()), 2)
        equal(w.backup.rejects(), {'order': 2})
        other.delete(2, w.record(1).flow(), w.record(2).flow())
        w.read(4)
        equal(w.backup.conns(), [])


def test_template_key():
    """A key names a template or a connection"""
    with Heard() as w:
        template = Record('tcp', '10.1.77.7:0', WEB, f'{HOLE}:80',
                          flags=wire.TEMPLATE, timeout=300)
        plain = Record('tcp', '10.1.77.7:1', WEB, f'{HOLE}:80',
                       state=wire.TCP_ESTABLISHED, timeout=300)
        w.speaker.say(1, template, plain)
        w.speaker.delete(2, template.flow(), (*plain.flow(), True))
        w.read(2)
        equal(len(w.backup.conns()), 2)
        w.speaker.delete(3, (*template.flow(), True), plain.flow())
        w.read(3)
        equal(w.backup.conns(), [])


def test_crowd():
    """All backups hear it"""
    with Crowd(3) as w:
        w.service(f'-A -u {DNS} -s rr', f'-a -u {DNS} -r {HOLE} -m')
        w.sysctl(sync_threshold='0 0', expire_nodest_conn=1)
        for ns in w.backups:
            ns.start('backup')
        w.master.start('master')
        for ns in w.backups:
            w.in_sync(ns)
        flows = w.burst(50)
        for ns in w.backups:
            soon(lambda ns=ns: not w.missing(flows, ns), 'they arrive')
        w.master.ipvsadm(f'-d -u {DNS} -r {HOLE}:53')
        for flow in flows:
            flow.send()
        for ns in w.backups:
            soon(lambda ns=ns: not ns.conns(), f'{ns.name}: they go', 0.2)


if __name__ == '__main__':
    lib.main()
