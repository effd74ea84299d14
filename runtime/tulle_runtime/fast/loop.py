"""The loop over time: from event to event, in slices."""

from __future__ import annotations

import numpy as np
from numba import njit

from tulle_runtime.fast.handle import handle
from tulle_runtime.fast.jit import inner, once
from tulle_runtime.fast.meeting import GONE, all_here, announce, meet
from tulle_runtime.fast.pe import pe_event
from tulle_runtime.fast.prefetch import LEAD, fetch_pes, fetch_routers
from tulle_runtime.fast.router import host_step, router_event
from tulle_runtime.fast.wheel import leave_far, wake_near
from tulle_runtime.fast.words import (
    FAR,
    FAULT,
    G_EARLY,
    G_ENTITIES,
    G_EVENTS,
    G_FAR,
    G_FAR_NEXT,
    G_FAULT,
    G_FULL,
    G_LAST,
    G_LATEST,
    G_LOG,
    G_LOG_SIZE,
    G_OUT_LINKS,
    G_PES,
    G_PROBE,
    G_ROUTERS,
    G_STOP,
    G_TIME,
    G_WOKEN,
    G_WORKERS,
    LEFT,
    LIMIT,
    LOG_FULL,
    MORE,
    NEAR,
    QUIET,
)


@inner
def _far_due(m, t):
    """Whether a far event is due at t."""
    entity = m.far_head[t & (FAR - 1)]
    while entity >= 0:
        if m.far_at[entity] == t:
            return True
        entity = m.far_next[entity]
    return False


@once
def _next_time(m, t):
    """The next cycle, from t on, with an event; -1 if there is none."""
    for when in range(t, t + NEAR):
        slot = when & (NEAR - 1)
        if m.near_count[slot * 2 + 0] + m.near_count[slot * 2 + 1] != 0:
            return when
        if m.far_head[when & (FAR - 1)] >= 0 and _far_due(m, when):
            return when
    if m.g[G_FAR] == 0:
        return np.int64(-1)
    if m.g[G_FAR_NEXT] == 0:
        m.g[G_FAR_NEXT] = _first_far(m, t + NEAR)
    return m.g[G_FAR_NEXT]


@inner
def _first_far(m, t):
    """When the first far event is, which is not before t."""
    for when in range(t, t + FAR):
        if m.far_head[when & (FAR - 1)] >= 0 and _far_due(m, when):
            return np.int64(when)
    best = np.int64(-1)
    for bucket in range(FAR):
        entity = m.far_head[bucket]
        while entity >= 0:
            if best < 0 or m.far_at[entity] < best:
                best = m.far_at[entity]
            entity = m.far_next[entity]
    return best


@once
def _far_to_near(m, t):
    """Far events due at t become near ones."""
    entity = m.far_head[t & (FAR - 1)]
    while entity >= 0:
        after = m.far_next[entity]
        if m.far_at[entity] == t:
            leave_far(m, entity)
            wake_near(m, entity, t)
        entity = after


@once
def _cycle(m, t, early):
    """All that happens in cycle t; if it is `early`, without what the mail that is yet to come may concern."""
    if m.far_head[t & (FAR - 1)] >= 0:
        _far_to_near(m, t)
    m.g[G_EARLY] = early
    slot = t & (NEAR - 1)
    keep = (1 << NEAR) - 1 ^ (1 << slot)
    routers, pes = m.g[G_ROUTERS], m.g[G_PES]
    entities = m.g[G_ENTITIES]
    count = m.near_count[slot * 2 + 0]
    first = slot * entities
    left = np.int64(0)
    for k in range(first, first + count):
        if k + LEAD < first + count:
            fetch_routers(m, k)
        entity = m.near[k]
        if early and m.border[entity]:
            m.near[first + left] = entity
            left += 1
            continue
        m.pending[entity] &= keep
        router_event(m, entity, t)
    m.near_count[slot * 2 + 0] = left
    m.g[G_EVENTS] += count - left
    count = m.near_count[slot * 2 + 1]
    last = first + entities - 1
    left = np.int64(0)
    for k in range(last, last - count, -1):
        if k - LEAD > last - count:
            fetch_pes(m, k)
        entity = m.near[k]
        if early and m.border[entity]:
            m.near[last - left] = entity
            left += 1
            continue
        m.pending[entity] &= keep
        if entity < routers + pes:
            pe_event(m, entity - routers, entity, t)
        else:
            host_step(m, entity - routers - pes, entity, t)
    m.near_count[slot * 2 + 1] = left
    m.g[G_EVENTS] += count - left
    m.g[G_EARLY] = 0


@once
def _agree(m, t):
    """The cycle to go on with, this worker having announced `t`; and MORE, or why the run does not go on."""
    if m.g[G_WORKERS] > 1:
        t = meet(m, t)
        if t == GONE:
            return t, LEFT
    else:
        m.g[G_WOKEN] = m.g[G_EVENTS]
        m.g[G_STOP] = m.g[G_FAULT] != 0
    if m.g[G_STOP] != 0:
        return t, FAULT
    if t < 0:
        return t, QUIET
    m.g[G_TIME] = t
    if m.g[G_PROBE] == 0 and t >= m.g[G_LATEST]:
        return t, LIMIT
    return t, MORE if m.g[G_FULL] == 0 else LOG_FULL


@njit(cache=True, nogil=True)
def run_slice(table, events):
    """Runs from G_TIME on until the run ends or `events` entities were woken; says why it returned. `table`: the
    machine's (handle.py)."""
    m = handle(table)
    until = m.g[G_WOKEN] + events
    while m.g[G_WOKEN] < until:
        t = _next_time(m, m.g[G_TIME])
        m.g[G_FULL] = m.g[G_LOG] + m.g[G_OUT_LINKS] > m.g[G_LOG_SIZE]
        early = False
        if m.g[G_WORKERS] > 1:
            t = announce(m, t)
            early = t == m.g[G_TIME] and not all_here(m)
        while True:  # twice for a cycle that begins early; one call of _cycle is compiled, not two (first.py)
            if not early:
                t, why = _agree(m, t)
                if why != MORE:
                    return why
            _cycle(m, t, early)
            if not early:
                break
            early = False
        m.g[G_TIME] = t + 1
        if m.g[G_PROBE] != 0 and m.g[G_FAULT] == 0 and m.g[G_LAST] >= m.g[G_LATEST]:
            return LIMIT
    return MORE
