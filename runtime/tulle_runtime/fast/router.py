"""What one router, and one host link, does in one cycle; and routers that go ahead."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import FULL, SPACE, UNKNOWN, head_time, pop, push, source_push, space, wake_for_space
from tulle_runtime.fast.jit import inlined, inner, lowest_bit
from tulle_runtime.fast.silence import LATER, silent_until
from tulle_runtime.fast.wheel import wake, wake_near
from tulle_runtime.fast.words import (
    CAPACITY,
    CAPACITY_MASK,
    COUNT,
    E_BASE,
    E_MASK,
    E_RIVALS,
    ENTRY_WORDS,
    G_AHEAD,
    G_CROSSINGS,
    G_HOPS,
    G_LAST,
    G_LOG,
    GROWTH,
    INFLIGHT,
    LAST_POP,
    NOBODY,
    OUT,
    OUT_HOST,
    OUT_NEVER,
    P_BASE,
    P_END,
    P_LAST,
    P_NEXT,
    PORT_WORDS,
    Q_FILLED,
    Q_FIRST,
    RING,
    ROUTER_WORDS,
    TREE,
)


@inlined
def outputs_space(m, base, mask, router, t):
    """SPACE if all outputs of the entry have space in t; UNKNOWN if that depends on what is yet to come."""
    at = base + OUT
    extra = base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    result = SPACE
    while mask != 0:
        out = m.ch[at]
        if out >= 0:
            found = space(m, np.int64(out), t)
            if found != SPACE:
                wake_for_space(m, out, router)
                if found == FULL:
                    return FULL
                result = UNKNOWN
        elif out == OUT_NEVER:
            return FULL
        mask &= mask - 1
        at = extra
        extra += 1
    return result


@inlined
def advance(m, router, rank, base, mask, t):
    """Moves the head of the entry to all its outputs."""
    value = pop(m, base, t)
    if m.ch[base + COUNT] == 0:
        m.routers[router * ROUTER_WORDS + Q_FILLED] &= ~(1 << rank)
    if m.ch[base + GROWTH] != 0:
        m.trees[m.ch[base + TREE] + INFLIGHT] += m.ch[base + GROWTH]
    at = base + OUT
    extra = base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    while mask != 0:
        out = m.ch[at]
        if out >= 0:
            push(m, np.int64(out), value, t)
        else:
            m.g[G_CROSSINGS] += 1
            m.g[G_HOPS] += 1
            if out <= OUT_HOST:
                n = m.g[G_LOG]
                m.log_port[n] = OUT_HOST - out
                m.log_value[n] = value
                m.log_time[n] = t + 1
                m.g[G_LOG] = n + 1
        mask &= mask - 1
        at = extra
        extra += 1
    m.g[G_LAST] = max(m.g[G_LAST], t)


@inlined
def _next_advance(m, base):
    """The first cycle in which the head of a channel that is not empty may advance."""
    return max(np.int64(head_time(m, base)), np.int64(m.ch[base + LAST_POP]) + 1)


@inlined
def filled(m, router):
    """The entries (bits) of a router whose channels are not empty."""
    return np.int64(m.routers[router * ROUTER_WORDS + Q_FILLED]) & ((1 << NOBODY) - 1)


@inlined
def _last_pop(m, entry):
    return m.ch[m.router_entries[entry * ENTRY_WORDS + E_BASE] + LAST_POP]


@inlined
def router_step(m, router, first, t):
    """Advances the entries of a router whose heads are visible, least recently advanced first; returns which ones lack
    space (bits). Entries that have gone ahead of t share no outputs with any of these."""
    ready = filled(m, router)
    left = ready
    while left != 0:
        k = lowest_bit(left)
        left &= left - 1
        if _next_advance(m, m.router_entries[(first + k) * ENTRY_WORDS + E_BASE]) > t:
            ready ^= 1 << k
    taken = blocked = 0
    while ready != 0:
        best = lowest_bit(ready)
        left = ready & (ready - 1)
        while left != 0:
            k = lowest_bit(left)
            left &= left - 1
            if _last_pop(m, first + k) < _last_pop(m, first + best):
                best = k
        ready ^= 1 << best
        base = np.int64(m.router_entries[(first + best) * ENTRY_WORDS + E_BASE])
        mask = m.router_entries[(first + best) * ENTRY_WORDS + E_MASK]
        if outputs_space(m, base, mask, router, t) != SPACE:
            blocked |= 1 << best
        elif mask & taken:
            m.contended[first + best] += 1
        else:
            advance(m, router, best, base, mask, t)
            taken |= mask
    return blocked


@inlined
def _alone_until(m, rivals, first, t, most):
    """The cycle up to `most` in which one of the rivals of an entry may want an output, as far as is known in t."""
    until = most
    while rivals != 0:
        other = m.router_entries[(first + lowest_bit(rivals)) * ENTRY_WORDS + E_BASE]
        rivals &= rivals - 1
        until = min(until, _next_advance(m, other) if m.ch[other + COUNT] != 0 else silent_until(m, other, t))
        if until <= t:
            break
    return until


@inlined
def router_event(m, router, now):
    """The present cycle of a router, and more of each entry as long as nothing else can want its outputs."""
    at = router * ROUTER_WORDS
    first = np.int64(m.routers[at + Q_FIRST])
    blocked = router_step(m, router, first, now)
    again = np.int64(LATER)
    most = now + m.g[G_AHEAD]
    left = filled(m, router) & ~blocked
    while left != 0:
        again = min(again, _stream(m, router, first, lowest_bit(left), now, most))
        left &= left - 1
    if again != LATER:
        wake(m, router, again)


@inlined
def _stream(m, router, first, rank, now, most):
    """Advances entry `rank` of a router, which holds wavelets, in cycles after `now`, up to `most`, as long as no other
    entry can want its outputs; returns the next cycle in which it has to be looked at. When a lack of space ends, the
    router is woken."""
    entry = (first + rank) * ENTRY_WORDS
    base = np.int64(m.router_entries[entry + E_BASE])
    t = max(_next_advance(m, base), now + 1)
    if t > most:
        return t
    mask = m.router_entries[entry + E_MASK]
    alone = _alone_until(m, m.router_entries[entry + E_RIVALS], first, t, most + 1)
    while t < alone:
        if outputs_space(m, base, mask, router, t) != SPACE:
            return np.int64(LATER)
        advance(m, router, rank, base, mask, t)
        if m.ch[base + COUNT] == 0:
            return np.int64(LATER)
        t = _next_advance(m, base)
    return t


@inner
def host_step(m, link, entity, t):
    """Pushes one wavelet of the least recently advanced input port of a host link that can."""
    first, end = m.link_first[link], m.link_first[link + 1]
    best = -1
    left = False
    for k in range(first, end):
        if m.ports[k * PORT_WORDS + P_NEXT] < m.ports[k * PORT_WORDS + P_END]:
            if best >= 0:
                left = True
            base = m.ports[k * PORT_WORDS + P_BASE]
            if base < 0:
                continue
            if space(m, base, t) != SPACE:
                wake_for_space(m, base, entity)
            elif best < 0 or m.ports[k * PORT_WORDS + P_LAST] < m.ports[best * PORT_WORDS + P_LAST]:
                best = k
    if best < 0:
        return
    source_push(m, m.ports[best * PORT_WORDS + P_BASE], np.int32(m.feed[m.ports[best * PORT_WORDS + P_NEXT]]), t)
    m.ports[best * PORT_WORDS + P_NEXT] += 1
    m.ports[best * PORT_WORDS + P_LAST] = t
    m.g[G_LAST] = max(m.g[G_LAST], t)
    if left or m.ports[best * PORT_WORDS + P_NEXT] < m.ports[best * PORT_WORDS + P_END]:
        wake_near(m, entity, t + 1)
