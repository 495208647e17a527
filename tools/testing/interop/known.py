# SPDX-License-Identifier: GPL-2.0
"""Differences that are there and have to be, each with its reason.

A scenario passes if its differences are exactly those listed here.
"""

import dataclasses
import re


@dataclasses.dataclass
class Known:
    """None stands for any; scenario is a regular expression."""
    scenario: str
    fields: str
    reason: str
    master: str = None
    backup: str = None
    version: int = None

    def fits(self, pairing, version, scenario):
        master, backup = pairing
        return self.master in (None, master) and \
            self.backup in (None, backup) and \
            self.version in (None, version) and \
            re.fullmatch(self.scenario, scenario)


KNOWN = [
    # What the format can not say, whoever speaks
    Known('(TCP|SCTP), .*, IPv6', 'missing, active, inactive, then untold',
          'version 0 has no IPv6', version=0),
    Known('UDP, .*, IPv6', 'missing, inactive, then untold',
          'version 0 has no IPv6', version=0),
    Known('persistent, .*IPv6', 'missing, persistent, active, then untold',
          'version 0 has no IPv6', version=0),
    Known('persistent(, all ports|, firewall mark)?', 'lifetime',
          'version 0 has no timeout, templates get 180 s', version=0),
    Known('persistent, firewall mark', 'persistent, active, then server, '
          'then origin',
          'version 0 has no mark, so no server is found, and no template '
          'after a take-over', version=0),
    Known('firewall mark', 'active, inactive',
          'version 0 has no mark, so no server is found', version=0),
    Known('SIP', 'engine, lifetime',
          'version 0 has no data of engines and no timeout', master='ours',
          version=0),
    Known('SIP', 'then origin',
          'nor does the backup know the call by it', master='ours',
          backup='ours', version=0),

    # What all of IPVS does
    Known('FTP, passive and active', 'active',
          'a data connection has a port of which no service knows, so the '
          'backup finds no server'),

    # What stock gets wrong
    Known('TCP, SYN sent three times', 'missing, active, then missing',
          'the count of packets must meet sync_threshold exactly, and has '
          'passed it when the connection is established', master='stock'),
    Known('SIP', 'missing, persistent, then untold',
          'in version 0 a one-packet connection is dropped before its '
          'template is looked at', master='stock', version=0),
    Known('SIP', 'then missing', 'the same on the new master',
          master='ours', backup='stock', version=0),
    Known('sync_maxlen (9000|65507)', 'missing, inactive, malformed',
          'the count of records wraps at 256, and a message with none is '
          'taken for one of version 1', master='stock', version=0),
    Known('sync_maxlen 65507', 'missing, inactive, malformed',
          'the count of records wraps at 256', master='stock', version=1),
]


def known(pairing, version, scenario):
    """What is listed for a scenario."""
    return [each for each in KNOWN if each.fits(pairing, version, scenario)]


def fields(listed):
    """All fields of what is listed."""
    return {field for each in listed for field in each.fields.split(', ')}
