"""Channels and the timing wheel: push, pop, and who is woken when.

An entity (router, PE, host link) is woken when the head of one of its channels becomes visible and in the cycle after a
full channel that it fills was popped. Waking without need is harmless.
"""

from __future__ import annotations

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import (
    CAPACITY,
    CAPACITY_MASK,
    CONSUMER,
    COUNT,
    FAR,
    G_ENTITIES,
    G_FAR,
    G_ROUTERS,
    HEAD,
    LAST_POP,
    LATENCY,
    NEAR,
    PRODUCER,
    RING,
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
def wake(m, entity, t, when):
    """Wakes the entity at `when`, after t."""
    if when - t < NEAR:
        wake_near(m, entity, when)
    else:
        wake_far(m, entity, when)


@inlined
def head_time(m, base):
    """The cycle from which the head of a channel that is not empty is visible."""
    return m.ch[m.ch[base + HEAD] + 1] + m.ch[base + LATENCY]


@inlined
def has_space(m, base, t):
    """Whether the channel held less than its capacity at the start of t (nobody pushed in t yet)."""
    held = m.ch[base + COUNT] + (1 if m.ch[base + LAST_POP] == t else 0)
    return held < (m.ch[base + CAPACITY] & CAPACITY_MASK)


@inlined
def push(m, base, value, t):
    """Adds a wavelet to a channel that has space."""
    n = m.ch[base + COUNT]
    ring = 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    at = m.ch[base + HEAD] + 2 * n
    if at >= base + RING + ring:
        at -= ring
    m.ch[at] = value
    m.ch[at + 1] = t
    m.ch[base + COUNT] = n + 1
    if n == 0:
        wake(m, m.ch[base + CONSUMER], t, t + m.ch[base + LATENCY])


@inlined
def pop(m, base, t):
    """Takes the head, which is visible; returns its bits. Wakes the producer if the channel was full."""
    head = m.ch[base + HEAD]
    value = m.ch[head]
    capacity = m.ch[base + CAPACITY] & CAPACITY_MASK
    after = head + 2
    if after == base + RING + 2 * capacity:
        after = base + RING
    m.ch[base + HEAD] = after
    n = m.ch[base + COUNT]
    m.ch[base + COUNT] = n - 1
    m.ch[base + LAST_POP] = t
    if n == capacity:
        wake_near(m, m.ch[base + PRODUCER], t + 1)
    return value
