"""Workers: threads that share the entities of a mesh, meet after every cycle and send each other messages.

A channel whose ends belong to different workers is there twice: the producer pushes into its copy, the consumer pops
from the other, and a message of each tells the other worker to do the same with its copy after the cycle. Neither has
to know more: what a producer does in the present cycle is visible after it, and a pop gives space after it. A worker
that goes ahead takes what it does not know for uncertain (silence.py, channels.space). So workers change no result.

Messages are written to one of two boxes in turn: while the others still read those of the last cycle, the next ones go
to the other box.
"""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inner
from tulle_runtime.fast.words import (
    G_MEETINGS,
    G_WORKER,
    G_WORKERS,
    LINE,
    M_TIME,
    M_TO,
    M_VALUE,
    MAILED_WORDS,
    MESSAGE_WORDS,
)


@inner
def post(m, address, value, t):
    """Sends a message to the other end of a channel: `address` is its base, a multiple of LINE, plus the number of its
    worker, as it is for a push, -1 - that for a pop."""
    pops = address < 0
    end = np.int64(-1 - address if pops else address)
    worker = end & (LINE - 1)
    box = 2 * (m.g[G_WORKER] * m.g[G_WORKERS] + worker) + (m.g[G_MEETINGS] & 1)
    at = (m.box[box] + m.mailed[box * MAILED_WORDS]) * MESSAGE_WORDS
    m.mailed[box * MAILED_WORDS] += 1
    m.mail[at + M_TO] = np.int32(-1 - (end - worker) if pops else end - worker)
    m.mail[at + M_VALUE] = value
    m.mail[at + M_TIME] = t
