"""Fetching into the caches what entities need that come a little later in the present cycle.

On the machine of the figures in README.md a miss costs as much as ten steps. What lies behind a pointer can be fetched
when the pointer is there, so each entity is looked at several times, so many entities ahead of it.
"""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, lowest_bit, prefetch
from tulle_runtime.fast.router import filled
from tulle_runtime.fast.words import (
    ACTIVE,
    C_QUEUES,
    C_TASKS,
    C_THREADS,
    CAPACITY,
    CAPACITY_MASK,
    CLASS,
    E_BASE,
    E_MASK,
    E_RIVALS,
    ENTRY_WORDS,
    G_PES,
    G_ROUTERS,
    LINE,
    MEMORY,
    N_WORDS,
    O_KIND,
    O_S0,
    O_S1,
    OUT,
    Q_FIRST,
    R_A,
    R_B,
    R_D,
    RING,
    ROUTER_WORDS,
    SRAM,
    T_A,
    T_B,
    T_D,
    T_I,
    T_J,
    T_ROW,
    THREAD_WORDS,
)

LEAD = 16  # entities from the first look to the entity's turn
_SECOND, _THIRD, _LAST = 10, 6, 3
_CHANNEL_LINES, _PE_LINES = 4, 4


@inlined
def fetch_routers(m, k):
    """What the routers m.near[k + 1] to m.near[k + LEAD] need, while m.near[k] has its turn."""
    prefetch(m.routers, m.near[k + LEAD] * ROUTER_WORDS)
    prefetch(m.pending, m.near[k + LEAD])
    first = m.routers[m.near[k + _SECOND] * ROUTER_WORDS + Q_FIRST]
    prefetch(m.router_entries, first * ENTRY_WORDS)
    _fetch_filled(m, m.near[k + _THIRD])
    _fetch_beside(m, m.near[k + _LAST])


@inlined
def _fetch_filled(m, router):
    """The channels that hold wavelets."""
    first = np.int64(m.routers[router * ROUTER_WORDS + Q_FIRST])
    left = filled(m, router)
    while left != 0:
        base = m.router_entries[(first + lowest_bit(left)) * ENTRY_WORDS + E_BASE]
        left &= left - 1
        for k in range(_CHANNEL_LINES):
            prefetch(m.ch, base + k * LINE)


@inlined
def _fetch_beside(m, router):
    """The channels that these lead to, up to two each, and those that compete with them."""
    first = np.int64(m.routers[router * ROUTER_WORDS + Q_FIRST])
    left = filled(m, router)
    while left != 0:
        entry = (first + lowest_bit(left)) * ENTRY_WORDS
        left &= left - 1
        base = np.int64(m.router_entries[entry + E_BASE])
        _fetch_channel(m, np.int64(m.ch[base + OUT]))
        mask = m.router_entries[entry + E_MASK]
        if mask & (mask - 1) != 0:
            _fetch_channel(m, np.int64(m.ch[base + RING + 2 * (m.ch[base + CAPACITY] & CAPACITY_MASK)]))
        rivals = m.router_entries[entry + E_RIVALS]
        while rivals != 0:
            prefetch(m.ch, np.int64(m.router_entries[(first + lowest_bit(rivals)) * ENTRY_WORDS + E_BASE]))
            rivals &= rivals - 1


@inlined
def _fetch_channel(m, base):
    """A channel's header and the beginning of its ring."""
    if base >= 0:
        prefetch(m.ch, base)
        prefetch(m.ch, base + LINE)


@inlined
def fetch_pes(m, k):
    """What m.near[k - 1] to m.near[k - LEAD] need, which are PEs and host links, while m.near[k] has its turn."""
    routers, pes = m.g[G_ROUTERS], m.g[G_PES]
    pe = m.near[k - LEAD] - routers
    if pe < pes:
        prefetch(m.pe_base, pe)
        prefetch(m.pending, pe + routers)
    pe = m.near[k - _THIRD] - routers
    if pe < pes:
        _fetch_record(m, pe)
    pe = m.near[k - _LAST] - routers
    if pe < pes:
        _fetch_queues(m, m.pe_base[pe])
        _fetch_operands(m, m.pe_base[pe])


@inlined
def _fetch_record(m, pe):
    """A PE's record and the counters that it needs most."""
    pb = m.pe_base[pe]
    for k in range(_PE_LINES):
        prefetch(m.pe, pb + k * LINE)
    prefetch(m.counts, pe * N_WORDS)
    prefetch(m.counts, pe * N_WORDS + 8)


@inlined
def _fetch_queues(m, pb):
    """The channels of a PE."""
    k = m.pe[pb + CLASS]
    for queue in range(m.classes[k + C_QUEUES], m.classes[k + C_TASKS]):
        _fetch_channel(m, np.int64(m.pe[pb + queue]))


@inlined
def _fetch_operands(m, pb):
    """The next elements in SRAM of the active microthreads' instructions."""
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS]
    active = m.pe[pb + ACTIVE]
    sram = np.int64(m.pe[pb + SRAM]) * 16
    while active != 0:
        if active & 1:
            _fetch_element(m, sram, tb, R_D, T_D)
            _fetch_element(m, sram, tb, R_A, T_A)
            _fetch_element(m, sram, tb, R_B, T_B)
        active >>= 1
        tb += THREAD_WORDS


@inlined
def _fetch_element(m, sram, tb, o, base):
    at = m.pe[tb + T_ROW] + o
    if m.code[at + O_KIND] == MEMORY:
        element = sram + m.pe[tb + base] + m.pe[tb + T_I] * m.code[at + O_S0] + m.pe[tb + T_J] * m.code[at + O_S1]
        prefetch(m.half, element >> 1)
        prefetch(m.half, (element + 32) >> 1)  # that of some steps later
