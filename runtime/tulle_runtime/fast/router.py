"""What one router, and one host link, does in one cycle; and routers that go ahead."""

from __future__ import annotations

from tulle_runtime.fast.channels import (
    FULL,
    SPACE,
    UNKNOWN,
    head_time,
    pop,
    push,
    space,
    stays_empty,
    wake,
    wake_for_space,
    wake_near,
)
from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import (
    CAPACITY,
    CAPACITY_MASK,
    COUNT,
    G_AHEAD,
    G_CROSSINGS,
    G_HOPS,
    G_LAST,
    G_LOG,
    LAST_POP,
    MASK_SHIFT,
    OUT,
    OUT_HOST,
    OUT_NEVER,
    P_BASE,
    P_END,
    P_LAST,
    P_NEXT,
    PORT_WORDS,
    Q_CLOCK,
    Q_FIRST,
    RING,
    ROUTER_WORDS,
)

LATER = 1 << 40  # stands for a cycle that never comes


@inlined
def outputs_space(m, base, mask, router, t):
    """SPACE if all outputs of the entry have space in t; UNKNOWN if that depends on what is yet to come."""
    at = base + OUT
    extra = base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    result = SPACE
    while mask != 0:
        out = m.ch[at]
        if out >= 0:
            found = space(m, out, t)
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
def advance(m, base, mask, t):
    """Moves the head of the entry to all its outputs."""
    value = pop(m, base, t)
    at = base + OUT
    extra = base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    while mask != 0:
        out = m.ch[at]
        if out >= 0:
            push(m, out, value, t)
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
def router_step(m, router, first, end, t):
    """Advances the entries of a router whose heads are visible, least recently advanced first; returns the next cycle
    in which it has to look again by itself."""
    again = LATER
    ready = 0  # bit k: entry first + k has a visible head
    for k in range(end - first):
        base = m.router_entries[first + k]
        if m.ch[base + COUNT] != 0:
            visible = head_time(m, base)
            if visible <= t:
                ready |= 1 << k
            else:
                again = min(again, visible)
    taken = 0
    while ready != 0:
        best = 0
        oldest = t
        for k in range(end - first):
            if ready >> k & 1 and m.ch[m.router_entries[first + k] + LAST_POP] < oldest:
                best = k
                oldest = m.ch[m.router_entries[first + k] + LAST_POP]
        ready ^= 1 << best
        base = m.router_entries[first + best]
        mask = m.ch[base + CAPACITY] >> MASK_SHIFT
        if mask & taken:
            again = t + 1
            if outputs_space(m, base, mask, router, t) == SPACE:
                m.contended[first + best] += 1
        elif outputs_space(m, base, mask, router, t) == SPACE:
            advance(m, base, mask, t)
            taken |= mask
            if m.ch[base + COUNT] != 0:
                again = min(again, max(t + 1, head_time(m, base)))
    return again


@inlined
def _only_head(m, first, end, t):
    """(channel of the only entry with a visible head in t, cycle of the next other head); -1 if there may be more."""
    found = -1
    later = LATER
    for k in range(first, end):
        base = m.router_entries[k]
        if m.ch[base + COUNT] == 0:
            if not stays_empty(m, base, t):
                return -1, later
        else:
            visible = head_time(m, base)
            if visible > t:
                later = min(later, visible)
            elif found >= 0:
                return -1, later
            else:
                found = base
    return found, later


@inlined
def router_event(m, router, now):
    """The present cycle of a router, and some more as long as what happens is certain and a single entry streams."""
    at = router * ROUTER_WORDS
    clock = m.routers[at + Q_CLOCK]
    if clock > now:
        wake_near(m, router, clock)
        return
    first, end = m.routers[at + Q_FIRST], m.routers[at + ROUTER_WORDS + Q_FIRST]
    again = router_step(m, router, first, end, now)
    clock = now + 1
    while again <= now + m.g[G_AHEAD]:
        base, later = _only_head(m, first, end, again)
        if base < 0:
            break
        mask = m.ch[base + CAPACITY] >> MASK_SHIFT
        if outputs_space(m, base, mask, router, again) != SPACE:
            break
        advance(m, base, mask, again)
        clock = again + 1
        again = min(later, max(clock, head_time(m, base))) if m.ch[base + COUNT] != 0 else later
    m.routers[at + Q_CLOCK] = clock
    if again != LATER:
        wake(m, router, again)


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
    push(m, m.ports[best * PORT_WORDS + P_BASE], m.feed[m.ports[best * PORT_WORDS + P_NEXT]], t)
    m.ports[best * PORT_WORDS + P_NEXT] += 1
    m.ports[best * PORT_WORDS + P_LAST] = t
    m.g[G_LAST] = max(m.g[G_LAST], t)
    if left or m.ports[best * PORT_WORDS + P_NEXT] < m.ports[best * PORT_WORDS + P_END]:
        wake_near(m, entity, t + 1)
