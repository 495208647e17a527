# SPDX-License-Identifier: GPL-2.0
"""keepalived moves the roles of two directors, each a guest."""

import os
import time

import guest

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = 10
# Seconds until a change, or an answer, is missed
PATIENCE = 60


class Roles:
    """Director 1 goes through all its roles, and the daemons follow."""

    # What director 1 does because of what is done to one of both, what both
    # are then, and the daemons they run
    CHANGES = (
        ('becomes backup', 2, 'prefer 20', 'BACKUP MASTER', 'backup master'),
        ('is master again', 2, 'prefer 0', 'MASTER BACKUP', 'master backup'),
        ('has a fault', 1, 'front down', 'FAULT MASTER', 'backup master'),
        ('is mended', 1, 'front up', 'MASTER BACKUP', 'master backup'),
    )

    def __init__(self, kinds, kernels, results):
        self.kinds, self.kernels = kinds, kernels
        self.results = os.path.join(results, 'roles-' + '-'.join(kinds))
        self.names = [self.name(number) for number in range(1, ROUNDS + 1)]
        self.names.append(f'{self.label()}: no fault in the kernels')
        self.plan = None
        self.states = ['', '']

    def label(self):
        return f'keepalived, {self.kinds[0]} and {self.kinds[1]}'

    def name(self, number):
        return f'{self.label()}: round {number}'

    def run(self):
        # A stock director was once seen to hang in the stop of a daemon that
        # it had just started: it gets a second chance.
        notes = []
        for chance in range(1 + ('stock' in self.kinds)):
            try:
                self.pair()
                break
            except guest.GuestError as why:
                notes.append(f'attempt {chance + 1}: {why}')
        else:
            self.plan.fail('; '.join(notes))
            return
        for name in list(self.names):
            self.plan.result(True, name, notes)

    def guest(self, number, end):
        def note(line):
            # Others are events in a state.
            if line in ('vrrp MASTER', 'vrrp BACKUP', 'vrrp FAULT'):
                self.states[number - 1] = line.split()[1]

        kind = self.kinds[number - 1]
        return guest.Guest(f'd{number}', os.path.join(HERE, 'keeper'),
                           [str(number)], kernel=self.kernels[kind],
                           nics=[end], stdin=True, on_line=note, mem='128M',
                           results=os.path.join(self.results, f'd{number}'))

    def pair(self):
        self.states = ['', '']
        link = guest.Link()
        guests = [self.guest(1, link.a), self.guest(2, link.b)]
        with guests[0], guests[1]:
            self.wait(guests, 'starts', 'MASTER BACKUP', 'master backup')
            for number in range(1, ROUNDS + 1):
                for what, who, order, *want in self.CHANGES:
                    guests[who - 1].send(order)
                    self.wait(guests, f'{what}, round {number}', *want)
            for each in guests:
                each.send('end')
                each.wait(PATIENCE)
        link.close()

    def wait(self, guests, what, states, daemons):
        """Wait until both are, and run, what they should."""
        end = time.monotonic() + PATIENCE
        running = 'what was not asked'
        while ' '.join(self.states) != states or running != daemons:
            if time.monotonic() > end:
                raise guest.GuestError(
                    f'director 1 {what}: both are {" ".join(self.states)} '
                    f'and run {running}, want {states} and {daemons}')
            time.sleep(0.05)
            if ' '.join(self.states) == states:
                running = ' '.join(self.daemons(each) for each in guests)

    @staticmethod
    def daemons(director):
        director.send('daemons')
        return director.expect('^daemons ?(.*)', PATIENCE)[1]
