"""What one router, and one host link, does in one cycle."""

from __future__ import annotations

from tulle_runtime.fast.channels import has_space, head_time, pop, push, wake, wake_near
from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import (
    CAPACITY,
    CAPACITY_MASK,
    COUNT,
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
    RING,
)

_RAMP_BIT = 16


@inlined
def outputs_have_space(m, base, mask, t):
    """Whether all outputs of the entry have space."""
    at = base + OUT
    extra = base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    while mask != 0:
        out = m.ch[at]
        if out >= 0:
            if not has_space(m, out, t):
                return False
        elif out == OUT_NEVER:
            return False
        mask &= mask - 1
        at = extra
        extra += 1
    return True


@inlined
def advance(m, base, mask, t):
    """Moves the head of the entry to all its outputs."""
    value = pop(m, base, t)
    at = base + OUT
    extra = base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)
    left = mask
    moved = 0
    while left != 0:
        out = m.ch[at]
        if out >= 0:
            push(m, out, value, t)
        elif out <= OUT_HOST:
            n = m.g[G_LOG]
            m.log_port[n] = OUT_HOST - out
            m.log_value[n] = value
            m.log_time[n] = t + 1
            m.g[G_LOG] = n + 1
        moved += 1
        left &= left - 1
        at = extra
        extra += 1
    m.g[G_CROSSINGS] += moved
    m.g[G_HOPS] += moved - (1 if mask & _RAMP_BIT else 0)
    m.g[G_LAST] = max(m.g[G_LAST], t)


@inlined
def wake_for_head(m, base, entity, t):
    """Wakes the router for the next wavelet of an entry, if there is one."""
    if m.ch[base + COUNT] != 0:
        wake(m, entity, t, max(t + 1, head_time(m, base)))


@inlined
def router_step(m, router, t):
    """Advances the entries of a router whose heads are visible, least recently advanced first."""
    first, end = m.router_first[router], m.router_first[router + 1]
    ready = 0  # bit k: entry first + k has a visible head
    for k in range(end - first):
        base = m.router_entries[first + k]
        if m.ch[base + COUNT] != 0:
            visible = head_time(m, base)
            if visible <= t:
                ready |= 1 << k
            else:
                wake(m, router, t, visible)
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
            wake_near(m, router, t + 1)
            if outputs_have_space(m, base, mask, t):
                m.contended[first + best] += 1
        elif outputs_have_space(m, base, mask, t):
            advance(m, base, mask, t)
            taken |= mask
            wake_for_head(m, base, router, t)


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
            if (
                base >= 0
                and has_space(m, base, t)
                and (best < 0 or m.ports[k * PORT_WORDS + P_LAST] < m.ports[best * PORT_WORDS + P_LAST])
            ):
                best = k
    if best < 0:
        return
    push(m, m.ports[best * PORT_WORDS + P_BASE], m.feed[m.ports[best * PORT_WORDS + P_NEXT]], t)
    m.ports[best * PORT_WORDS + P_NEXT] += 1
    m.ports[best * PORT_WORDS + P_LAST] = t
    m.g[G_HOPS] += 1
    m.g[G_CROSSINGS] += 1
    m.g[G_LAST] = max(m.g[G_LAST], t)
    if left or m.ports[best * PORT_WORDS + P_NEXT] < m.ports[best * PORT_WORDS + P_END]:
        wake_near(m, entity, t + 1)
