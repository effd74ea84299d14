"""Instructions with fabric operands: how they begin, when they are ready, and what they count."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import FULL, SPACE, head_time, pop, source_push, space, wake_for_space
from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.operands import address, length, short_address
from tulle_runtime.fast.words import (
    AGAIN,
    C_QUEUES,
    CLASS,
    COUNT,
    END_MARK,
    N_PASSED,
    N_RECEIVED,
    N_SENT,
    N_WORDS,
    NO_QUEUE,
    O_KIND,
    R_A,
    R_B,
    R_D,
    R_N0,
    R_N1,
    R_SINK,
    R_SOURCE,
    SPARSE,
    T_A,
    T_B,
    T_D,
    T_DST,
    T_I,
    T_J,
    T_N0,
    T_N1,
    T_ROW,
    T_SINCE,
    T_SRC,
)


@inner
def prepare(m, pb, tb, row, t):
    """Fixes the operands of a fabric instruction in the thread record at `tb`; False if it has no steps."""
    n0, n1 = length(m, pb, row, R_N0), length(m, pb, row, R_N1)
    if n0 == 0 or n1 == 0:
        return False
    queues = pb + m.classes[m.pe[pb + CLASS] + C_QUEUES]
    m.pe[tb + T_ROW] = row
    m.pe[tb + T_A] = short_address(m, pb, row, R_A)
    m.pe[tb + T_B] = short_address(m, pb, row, R_B)
    sparse = m.code[row + R_D + O_KIND] == SPARSE
    m.pe[tb + T_D] = address(m, pb, row, R_D) & END_MARK if sparse else short_address(m, pb, row, R_D)
    m.pe[tb + T_I] = 0
    m.pe[tb + T_J] = 0
    m.pe[tb + T_N0] = n0
    m.pe[tb + T_N1] = n1
    m.pe[tb + T_SINCE] = t
    source, sink = m.code[row + R_SOURCE], m.code[row + R_SINK]
    m.pe[tb + T_SRC] = m.pe[queues + source] if source >= 0 else NO_QUEUE
    m.pe[tb + T_DST] = m.pe[queues + sink] if sink >= 0 else NO_QUEUE
    return True


@inlined
def source_ready(m, pb, base, t):
    """Whether a wavelet is visible in the channel (or none is needed); else AGAIN is when one on its way is."""
    if base < 0:
        return base == NO_QUEUE
    if m.ch[base + COUNT] == 0:
        return False
    visible = head_time(m, base)
    if visible <= t:
        return True
    m.pe[pb + AGAIN] = min(m.pe[pb + AGAIN], visible)
    return False


@inlined
def sink_space(m, base, entity, t):
    """Whether the channel has space (or there is none to fill), as `space` says."""
    if base < 0:
        return SPACE if base == NO_QUEUE else FULL
    found = space(m, np.int64(base), t)
    if found == FULL:
        wake_for_space(m, base, entity)
    return found


@inlined
def receive(m, pe, base, sink, t):
    """Pops a wavelet for the compute engine, in a step that pushes to `sink` if that is a channel."""
    m.counts[pe * N_WORDS + N_RECEIVED] += 1
    if sink >= 0:
        m.counts[pe * N_WORDS + N_PASSED] += 1
    return pop(m, np.int64(base), t)


@inlined
def send(m, pe, base, value, t):
    """Pushes a wavelet of the compute engine."""
    source_push(m, np.int64(base), value, t)
    m.counts[pe * N_WORDS + N_SENT] += 1
