"""The timing wheel: which entity is woken when."""

from __future__ import annotations

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import FAR, G_ENTITIES, G_FAR, G_FAR_NEXT, G_ROUTERS, G_TIME, NEAR


@inner
def wake_far(m, entity, when):
    """Wakes the entity at `when`, NEAR or more cycles ahead; only the earliest far wake of an entity is kept."""
    at = m.far_at[entity]
    if at != 0 and at <= when:
        return
    if m.g[G_FAR] == 0:  # before the entity leaves a list, after which the first one might be unknown
        m.g[G_FAR_NEXT] = when
    elif m.g[G_FAR_NEXT] != 0:
        m.g[G_FAR_NEXT] = min(m.g[G_FAR_NEXT], when)
    if at != 0:
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
    if m.far_at[entity] == m.g[G_FAR_NEXT]:
        m.g[G_FAR_NEXT] = 0
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
