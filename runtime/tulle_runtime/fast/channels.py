"""Channels: push, pop, and whether there is space.

Whether a wavelet is visible, and whether there is space, is read from the cycles noted in the slots, not from the order
of evaluation: so an entity may go ahead of the present cycle (G_TIME) as far as all that it reads is certain.

An entity (router, PE, host link) is woken when the head of one of its channels becomes visible and when a channel in
which it found no space gains some. Waking without need is harmless.
"""

from __future__ import annotations

from tulle_runtime.fast.jit import inlined
from tulle_runtime.fast.mail import post
from tulle_runtime.fast.wheel import wake
from tulle_runtime.fast.words import (
    ADDRESS,
    CAPACITY,
    CAPACITY_MASK,
    CONSUMER,
    COUNT,
    CREDIT,
    ELSEWHERE,
    G_CROSSINGS,
    G_HOPS,
    G_ROUTERS,
    G_TIME,
    HEAD,
    HOPS,
    INFLIGHT,
    LAST_POP,
    LATENCY,
    POP_THERE,
    PRODUCER,
    PUSH_THERE,
    Q_FILLED,
    RANK_SHIFT,
    RING,
    ROUTER_WORDS,
    TAIL,
    TREE,
)


@inlined
def head_time(m, base):
    """The cycle from which the head of a channel that is not empty is visible."""
    return m.ch[m.ch[base + HEAD] + 1]


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
    consumer = m.ch[base + CONSUMER]
    if consumer == ELSEWHERE:
        post(m, m.ch[base + ADDRESS], PUSH_THERE, value, visible)
    elif n == 0:
        if consumer < m.g[G_ROUTERS]:
            m.routers[consumer * ROUTER_WORDS + Q_FILLED] |= 1 << (m.ch[base + CAPACITY] >> RANK_SHIFT)
        wake(m, consumer, max(visible, m.ch[base + LAST_POP] + 1))


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
    producer = m.ch[base + PRODUCER]
    if producer < 0:
        post(m, -1 - producer, POP_THERE, 0, t)
    elif n == capacity and producer & 1:
        m.ch[base + PRODUCER] = producer - 1
        wake(m, producer >> 1, t + m.ch[base + CREDIT])
    return value
