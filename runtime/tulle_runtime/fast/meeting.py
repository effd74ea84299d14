"""How workers meet after a cycle: they learn when the next is, and take their mail (mail.py).

While others are late, a worker begins the next cycle with the entities that their mail cannot concern: it wakes none
of these in that cycle, and what they look up about channels from other workers allows for it (G_EARLY, silence.py).
"""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import pop, source_push
from tulle_runtime.fast.jit import inlined, load_acquire, once, store_release, yield_core
from tulle_runtime.fast.mail import box_of, post
from tulle_runtime.fast.silence import LATER, earliest, learn
from tulle_runtime.fast.words import (
    ADDRESS,
    ASK,
    G_EVENTS,
    G_FAULT,
    G_FULL,
    G_LAST,
    G_MEETINGS,
    G_STOP,
    G_TIME,
    G_WOKEN,
    G_WORKER,
    G_WORKERS,
    LATENCY,
    LINE,
    M_TIME,
    M_TO,
    M_VALUE,
    MAILED_WORDS,
    MEETING_WORDS,
    MESSAGE_WORDS,
    POP_THERE,
    PUSH_THERE,
    S_FAULT,
    S_FULL,
    S_LAST,
    S_MEETING,
    S_NEXT,
    S_WOKEN,
    TELL,
)

GONE = -2  # in place of a cycle: a worker does not go on
_PATIENCE = 4096  # looks at what another worker says before the core is offered to somebody else


@once
def announce(m, t):
    """Says after a cycle that this worker has its next event at `t` (-1: none); returns when it takes part again, which
    is G_TIME if it has sent mail. Empties the box of the next cycle: who was at the last meeting has read it."""
    me, meeting = m.g[G_WORKER], m.g[G_MEETINGS]
    for other in range(m.g[G_WORKERS]):
        if m.mailed[box_of(m, me, other, meeting) * MAILED_WORDS] != 0:
            t = m.g[G_TIME]
        m.mailed[box_of(m, me, other, meeting + 1) * MAILED_WORDS] = 0
    _say(m, _words_of(me, meeting), t)
    return t


@once
def all_here(m):
    """Whether all others have announced what they do next."""
    here = True
    for other in range(m.g[G_WORKERS]):
        here &= _is_here(m, _words_of(other, m.g[G_MEETINGS] - 1))
    return here


@once
def meet(m, t):
    """Waits for what the others announce, and takes their mail; `t`: what this worker has announced. Returns the first
    cycle from G_TIME on in which anybody may have an event, -1 if nobody has, or GONE."""
    me, workers = m.g[G_WORKER], m.g[G_WORKERS]
    meeting = m.g[G_MEETINGS] - 1
    m.g[G_STOP] = 0
    woken = np.int64(0)
    for other in range(workers):
        at = _words_of(other, meeting)
        if not _awaited(m, at):
            return np.int64(GONE)
        if m.said[at + S_NEXT] >= 0 and (t < 0 or m.said[at + S_NEXT] < t):
            t = m.said[at + S_NEXT]
        woken += m.said[at + S_WOKEN]
        m.g[G_LAST] = max(m.g[G_LAST], m.said[at + S_LAST])
        m.g[G_STOP] |= m.said[at + S_FAULT] != 0
        m.g[G_FULL] = max(m.g[G_FULL], m.said[at + S_FULL])
    m.g[G_WOKEN] = woken
    asks = np.int64(0)
    for other in range(workers):
        asks += _deliver(m, box_of(m, other, me, meeting))
    if asks != 0:  # when all else is known
        for other in range(workers):
            _answer(m, box_of(m, other, me, meeting))
    return t


@inlined
def _words_of(worker, meeting):
    """Where it is that a worker says something at a meeting."""
    return (2 * worker + (meeting & 1)) * MEETING_WORDS


@inlined
def _is_here(m, at):
    """Whether a worker has said what it has to at this meeting."""
    return load_acquire(m.said, at + S_MEETING) == m.g[G_MEETINGS]


@once
def _say(m, at, t):
    """Says what the others have to know."""
    m.said[at + S_NEXT] = t
    m.said[at + S_LAST] = m.g[G_LAST]
    m.said[at + S_WOKEN] = m.g[G_EVENTS]
    m.said[at + S_FAULT] = m.g[G_FAULT]
    m.said[at + S_FULL] = m.g[G_FULL]
    m.g[G_MEETINGS] += 1
    store_release(m.said, at + S_MEETING, m.g[G_MEETINGS])


@once
def _awaited(m, at):
    """Waits for what a worker says at this meeting; False if one is gone."""
    looks = 0
    while not _is_here(m, at):
        looks += 1
        if looks % _PATIENCE == 0:
            if load_acquire(m.left, 0) != 0:
                return False
            yield_core()
    return True


@once
def _deliver(m, box):
    """Does what the messages in a box say; returns how many of them ask."""
    first = m.box[box]
    asks = 0
    for k in range(first, first + m.mailed[box * MAILED_WORDS]):
        at = k * MESSAGE_WORDS
        what, t = m.mail[at + M_TO] & (LINE - 1), np.int64(m.mail[at + M_TIME])
        base = np.int64(m.mail[at + M_TO] - what)
        if what == PUSH_THERE:
            source_push(m, base, m.mail[at + M_VALUE], t - m.ch[base + LATENCY])
        elif what == POP_THERE:
            pop(m, base, t)
        elif what == TELL:
            learn(m, base, t)
        else:
            asks += 1
    return asks


@once
def _answer(m, box):
    """Answers the messages in a box that ask for how long a channel gets nothing new."""
    first = m.box[box]
    for k in range(first, first + m.mailed[box * MAILED_WORDS]):
        to = m.mail[k * MESSAGE_WORDS + M_TO]
        if to & (LINE - 1) == ASK:
            base = np.int64(to - ASK)
            post(m, m.ch[base + ADDRESS], TELL, 0, min(earliest(m, base), LATER))
