# SPDX-License-Identifier: GPL-2.0
"""What the demo's clients and servers say to each other.

A request carries a connection's number, the message's number and data that
follow from the two.  The answer is the server's name, how many messages it
has had on this connection, and the request again.
"""

import hashlib
import struct

_REQUEST = struct.Struct('!4sII52s')
_ANSWER = struct.Struct('!8sI64s')
_MAGIC = b'DEMO'

REQUEST_SIZE = _REQUEST.size
ANSWER_SIZE = _ANSWER.size


def request(conn, seq):
    data = hashlib.blake2b(struct.pack('!II', conn, seq), digest_size=52)
    return _REQUEST.pack(_MAGIC, conn, seq, data.digest())


def check_request(raw):
    """Connection and message number; ValueError if the data are damaged."""
    if len(raw) != REQUEST_SIZE:
        raise ValueError('wrong length')
    _, conn, seq, _ = _REQUEST.unpack(raw)
    if raw != request(conn, seq):
        raise ValueError('damaged')
    return conn, seq


def answer(name, count, raw):
    return _ANSWER.pack(name.encode(), count, raw)


def split_answer(raw):
    """Server's name, its count, and the request that it answers."""
    if len(raw) != ANSWER_SIZE:
        raise ValueError('wrong length')
    name, count, req = _ANSWER.unpack(raw)
    return name.rstrip(b'\0').decode(), count, req
