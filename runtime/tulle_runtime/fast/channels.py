"""Channels and the timing wheel: push, pop, and who is woken when.

Whether a wavelet is visible, and whether there is space, is read from the cycles noted in the slots, not from the order
of evaluation: so an entity may go ahead of the present cycle (G_TIME) as far as all that it reads is certain.

An entity (router, PE, host link) is woken when the head of one of its channels becomes visible and when a channel in
which it found no space gains some. Waking without need is harmless.
"""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import (
    ACTIVE,
    BOUND,
    BUSY,
    C_THREADS,
    CAPACITY,
    CAPACITY_MASK,
    CLASS,
    CLOCK,
    CONSUMER,
    COUNT,
    CREDIT,
    DEPTH,
    FAR,
    FEEDER,
    FIRST,
    FROM_HOST,
    G_CROSSINGS,
    G_DISPATCH,
    G_ENTITIES,
    G_FAR,
    G_HOPS,
    G_ROUTERS,
    G_TIME,
    HEAD,
    HOPS,
    IDLE,
    INFLIGHT,
    LAST_POP,
    LATENCY,
    N_DONE,
    N_WORDS,
    NEAR,
    NO_FEEDER,
    NOWHERE,
    P_END,
    P_NEXT,
    PORT_WORDS,
    PRODUCER,
    RING,
    SILENT,
    SOURCE,
    STATE,
    T_DST,
    TAIL,
    THREAD_WORDS,
    TREE,
)


@inner
def wake_far(m, entity, when):
    """Wakes the entity at `when`, NEAR or more cycles ahead; only the earliest far wake of an entity is kept."""
    at = m.far_at[entity]
    if at != 0:
        if at <= when:
            return
        leave_far(m, entity)
    bucket = when & (FAR - 1)
    head = m.far_head[bucket]
    m.far_next[entity] = head
    m.far_prev[entity] = -1 - bucket
    if head >= 0:
        m.far_prev[head] = entity
    m.far_head[bucket] = entity
    m.far_at[entity] = when
    m.g[G_FAR] += 1


@inner
def leave_far(m, entity):
    """Takes the entity out of its far list."""
    after, before = m.far_next[entity], m.far_prev[entity]
    if before < 0:
        m.far_head[-1 - before] = after
    else:
        m.far_next[before] = after
    if after >= 0:
        m.far_prev[after] = before
    m.far_at[entity] = 0
    m.g[G_FAR] -= 1


@inlined
def wake_near(m, entity, when):
    """Wakes the entity at `when`, less than NEAR cycles ahead."""
    slot = when & (NEAR - 1)
    bit = 1 << slot
    pending = m.pending[entity]
    if pending & bit == 0:
        m.pending[entity] = pending | bit
        if entity < m.g[G_ROUTERS]:
            n = m.near_count[slot * 2 + 0]
            m.near[slot * m.g[G_ENTITIES] + n] = entity
            m.near_count[slot * 2 + 0] = n + 1
        else:
            n = m.near_count[slot * 2 + 1] + 1
            m.near[(slot + 1) * m.g[G_ENTITIES] - n] = entity
            m.near_count[slot * 2 + 1] = n


@inlined
def wake(m, entity, when):
    """Wakes the entity at `when`, after the present cycle."""
    if when - m.g[G_TIME] < NEAR:
        wake_near(m, entity, when)
    else:
        wake_far(m, entity, when)


@inlined
def head_time(m, base):
    """The cycle from which the head of a channel that is not empty is visible."""
    return m.ch[m.ch[base + HEAD] + 1]


LATER = 1 << 30  # stands for a cycle that never comes
_FAR_BACK = 32  # channels


@inner
def _next_push(m, tree):
    """A cycle before which the source of a tree pushes nothing more than it has."""
    now, source = m.g[G_TIME], m.trees[tree + SOURCE]
    if m.trees[tree + BOUND] > now:
        return np.int64(m.trees[tree + BOUND])
    bound = now
    if source == NOWHERE:
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
def _earliest(m, base):
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
    earliest = _earliest(m, base)
    m.ch[base + SILENT] = min(earliest, LATER)
    return earliest


@inlined
def source_push(m, base, value, t):
    """A push by the source of a tree."""
    if m.ch[base + CONSUMER] < m.g[G_ROUTERS]:
        m.trees[m.ch[base + TREE] + INFLIGHT] += 1
    push(m, base, value, t)


SPACE, FULL, UNKNOWN = 1, 0, 2  # of space


@inlined
def space(m, base, t):
    """Whether the channel has space in cycle t, or may have: UNKNOWN if pops yet to come decide that."""
    if m.ch[base + COUNT] < (m.ch[base + CAPACITY] & CAPACITY_MASK):
        return SPACE if m.ch[m.ch[base + TAIL] + 1] + m.ch[base + CREDIT] <= t else FULL
    return FULL if t - m.ch[base + CREDIT] < m.g[G_TIME] else UNKNOWN


@inlined
def wake_for_space(m, base, entity):
    """Wakes the entity, which fills the channel but found no space, when it has."""
    if m.ch[base + COUNT] < (m.ch[base + CAPACITY] & CAPACITY_MASK):
        wake(m, entity, m.ch[m.ch[base + TAIL] + 1] + m.ch[base + CREDIT])
    else:
        m.ch[base + PRODUCER] = 2 * entity + 1  # at the next pop


@inlined
def push(m, base, value, t):
    """Adds a wavelet to a channel that has space."""
    slot = m.ch[base + TAIL]
    visible = t + m.ch[base + LATENCY]
    m.ch[slot] = value
    m.ch[slot + 1] = visible
    slot += 2
    if slot == base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK):
        slot = base + RING
    m.ch[base + TAIL] = slot
    n = m.ch[base + COUNT]
    m.ch[base + COUNT] = n + 1
    m.g[G_CROSSINGS] += m.ch[base + CREDIT]
    m.g[G_HOPS] += m.ch[base + HOPS]
    if n == 0:
        wake(m, m.ch[base + CONSUMER], max(visible, m.ch[base + LAST_POP] + 1))


@inlined
def pop(m, base, t):
    """Takes the head, which is visible; returns its bits. Wakes the producer if it waits for space."""
    slot = m.ch[base + HEAD]
    value = m.ch[slot]
    m.ch[slot + 1] = t
    capacity = m.ch[base + CAPACITY] & CAPACITY_MASK
    slot += 2
    if slot == base + RING + 2 * capacity:
        slot = base + RING
    m.ch[base + HEAD] = slot
    n = m.ch[base + COUNT]
    m.ch[base + COUNT] = n - 1
    m.ch[base + LAST_POP] = t
    if n == capacity and m.ch[base + PRODUCER] & 1:
        m.ch[base + PRODUCER] -= 1
        wake(m, m.ch[base + PRODUCER] >> 1, t + m.ch[base + CREDIT])
    return value
