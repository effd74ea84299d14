"""Workers: threads that share the entities of a mesh, meet after every cycle and send each other messages.

A channel whose ends belong to different workers is there twice: the producer pushes into its copy, the consumer pops
from the other, and a message of each tells the other worker to do the same with its copy after the cycle. Neither has
to know more: what a producer does in the present cycle is visible after it, and a pop gives space after it. A worker
that goes ahead takes what it does not know for uncertain (silence.py, channels.space). So workers change no result.

For how long a channel gets nothing new from the other side, a worker may ask; the answer comes two cycles later.

Messages are written to one of three boxes in turn. A worker that has begun a cycle early (meeting.py) writes to one,
another that is a cycle behind to the next, and that one may still have to read the third.
"""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import (
    BOXES,
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


@inlined
def box_of(m, sender, receiver, meeting):
    """The box for what one worker sends another before a meeting."""
    return BOXES * (sender * m.g[G_WORKERS] + receiver) + meeting % BOXES


@inner
def post(m, address, what, value, t):
    """Sends a message to the other end of a channel: `address` is its base, a multiple of LINE, plus the number of its
    worker."""
    worker = np.int64(address & (LINE - 1))
    box = box_of(m, m.g[G_WORKER], worker, m.g[G_MEETINGS])
    at = (m.box[box] + m.mailed[box * MAILED_WORDS]) * MESSAGE_WORDS
    m.mailed[box * MAILED_WORDS] += 1
    m.mail[at + M_TO] = np.int32(address - worker + what)
    m.mail[at + M_VALUE] = value
    m.mail[at + M_TIME] = t
