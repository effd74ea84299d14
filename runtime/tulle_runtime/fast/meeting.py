"""How workers meet after a cycle: they learn when the next is, and take their mail (mail.py)."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import pop, source_push
from tulle_runtime.fast.jit import load_acquire, once, store_release, yield_core
from tulle_runtime.fast.words import (
    G_EVENTS,
    G_FAULT,
    G_FULL,
    G_LAST,
    G_MEETINGS,
    G_TIME,
    G_WOKEN,
    G_WORKER,
    G_WORKERS,
    LATENCY,
    M_TIME,
    M_TO,
    M_VALUE,
    MAILED_WORDS,
    MEETING_WORDS,
    MESSAGE_WORDS,
    S_FAULT,
    S_FULL,
    S_LAST,
    S_MEETING,
    S_NEXT,
    S_WOKEN,
)

GONE = -2  # in place of a cycle: a worker does not go on
_PATIENCE = 4096  # looks at what another worker says before the core is offered to somebody else


@once
def meet(m, t):
    """Waits for the others after a cycle, and takes their mail; this worker has its next event at `t` (-1: none).
    Returns the first cycle from G_TIME on in which anybody may have an event, -1 if nobody has, or GONE."""
    me, workers = m.g[G_WORKER], m.g[G_WORKERS]
    turn = m.g[G_MEETINGS] & 1
    for other in range(workers):
        if m.mailed[(2 * (me * workers + other) + turn) * MAILED_WORDS] != 0:
            t = m.g[G_TIME]
    _say(m, (2 * me + turn) * MEETING_WORDS, t)
    woken = np.int64(0)
    for other in range(workers):
        at = (2 * other + turn) * MEETING_WORDS
        if not _awaited(m, at):
            return np.int64(GONE)
        if m.said[at + S_NEXT] >= 0 and (t < 0 or m.said[at + S_NEXT] < t):
            t = m.said[at + S_NEXT]
        woken += m.said[at + S_WOKEN]
        m.g[G_LAST] = max(m.g[G_LAST], m.said[at + S_LAST])
        m.g[G_FAULT] = max(m.g[G_FAULT], m.said[at + S_FAULT])
        m.g[G_FULL] = max(m.g[G_FULL], m.said[at + S_FULL])
    m.g[G_WOKEN] = woken
    for other in range(workers):
        _deliver(m, 2 * (other * workers + me) + turn)
        m.mailed[(2 * (me * workers + other) + 1 - turn) * MAILED_WORDS] = 0
    return t


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
    while load_acquire(m.said, at + S_MEETING) != m.g[G_MEETINGS]:
        looks += 1
        if looks % _PATIENCE == 0:
            if load_acquire(m.left, 0) != 0:
                return False
            yield_core()
    return True


@once
def _deliver(m, box):
    """Does what the messages in a box say."""
    first = m.box[box]
    for k in range(first, first + m.mailed[box * MAILED_WORDS]):
        at = k * MESSAGE_WORDS
        base, t = np.int64(m.mail[at + M_TO]), np.int64(m.mail[at + M_TIME])
        if base >= 0:
            source_push(m, base, m.mail[at + M_VALUE], t - m.ch[base + LATENCY])
        else:
            pop(m, -1 - base, t)
