"""How long a channel stays empty.

The channels of a color are trees, each filled by one source. While no router holds a wavelet of the tree, the next one
is as far away as the source, which may itself be known to send nothing for a while; else one looks back along the tree.
"""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import head_time
from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.mail import post
from tulle_runtime.fast.words import (
    ABROAD,
    ACTIVE,
    ASK,
    ASKED,
    BOUND,
    BUSY,
    C_THREADS,
    CLASS,
    CLOCK,
    COUNT,
    DEPTH,
    FEEDER,
    FIRST,
    FROM_HOST,
    G_DISPATCH,
    G_EARLY,
    G_TIME,
    IDLE,
    INFLIGHT,
    LATENCY,
    N_DONE,
    N_WORDS,
    NO_FEEDER,
    NOWHERE,
    P_END,
    P_NEXT,
    PORT_WORDS,
    PRODUCER,
    SILENT,
    SOURCE,
    STATE,
    T_DST,
    THREAD_WORDS,
    TREE,
)

LATER = 1 << 30  # stands for a cycle that never comes


_FAR_BACK = 12  # channels: farther back costs more than it tells (GPT-2: 32 take 5 % longer)
_ANSWERED = 3  # cycles after which another worker has answered
_PAUSE = 8  # cycles before a worker is asked again that knew nothing


@inner
def _next_push(m, tree):
    """A cycle before which the source of a tree pushes nothing more than it has."""
    now, source = m.g[G_TIME], m.trees[tree + SOURCE]
    if m.trees[tree + BOUND] >= now:
        return np.int64(m.trees[tree + BOUND])
    bound = now
    if source == ABROAD:
        bound -= m.g[G_EARLY]
        if m.trees[tree + ASKED] <= now:
            m.trees[tree + ASKED] = now + _ANSWERED
            post(m, -1 - m.ch[m.trees[tree + FIRST] + PRODUCER], ASK, 0, now)
    elif source == NOWHERE:
        bound = np.int64(LATER)
    elif source <= FROM_HOST:
        port = (FROM_HOST - source) * PORT_WORDS
        if m.ports[port + P_NEXT] == m.ports[port + P_END]:
            bound = np.int64(LATER)
    else:
        bound = _next_send(m, source, m.trees[tree + FIRST])
    m.trees[tree + BOUND] = bound
    return bound


@inner
def _next_send(m, pe, base):
    """The same of a PE that fills a channel."""
    pb = m.pe_base[pe]
    clock = max(m.g[G_TIME], np.int64(m.pe[pb + CLOCK]))
    active = m.pe[pb + ACTIVE]
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS] + T_DST
    while active != 0:
        if active & 1 and m.pe[tb] == base:
            return clock
        active >>= 1
        tb += THREAD_WORDS
    state = m.pe[pb + STATE]
    if state == IDLE:
        return clock + m.g[G_DISPATCH]
    if state == BUSY:
        return max(clock, m.counts[pe * N_WORDS + N_DONE])
    return clock


@inner
def learn(m, base, visible):
    """Another worker, which fills the channel, has told that nothing it does from now on is visible before a cycle."""
    tree = m.ch[base + TREE]
    bound = visible - m.ch[base + LATENCY]
    m.trees[tree + BOUND] = bound
    m.trees[tree + ASKED] = bound if bound > m.g[G_TIME] else m.g[G_TIME] + _PAUSE


@inner
def earliest(m, base):
    """A cycle before which no wavelet that is not yet there can be visible in a channel: the nearest wavelet on its way
    there advances in the present cycle at the earliest, and needs the latencies in between."""
    tree = m.ch[base + TREE]
    if m.trees[tree + INFLIGHT] == 0:
        return _next_push(m, tree) + m.ch[base + DEPTH]
    on_the_way = np.int64(0)
    for _ in range(_FAR_BACK):
        on_the_way += m.ch[base + LATENCY]
        base = m.ch[base + FEEDER]
        if base == NO_FEEDER:
            return _next_push(m, tree) + on_the_way
        if m.ch[base + COUNT] != 0:
            return max(m.g[G_TIME], np.int64(head_time(m, base))) + on_the_way
        if m.ch[base + SILENT] > m.g[G_TIME]:
            return m.ch[base + SILENT] + on_the_way
    return m.g[G_TIME] + on_the_way


@inlined
def silent_until(m, base, t):
    """A cycle up to which an empty channel certainly has no visible wavelet; it is after t if that can be known."""
    if m.ch[base + SILENT] > t:
        return np.int64(m.ch[base + SILENT])
    until = earliest(m, base)
    m.ch[base + SILENT] = min(until, LATER)
    return until
