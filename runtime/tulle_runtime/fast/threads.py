"""Microthreads: the lowest ready one steps, for as long as it is certain that nothing can come between."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import FULL, UNKNOWN, head_time
from tulle_runtime.fast.fabric import sink_space, source_ready
from tulle_runtime.fast.jit import inlined, inner, once
from tulle_runtime.fast.main import activate, report_fault
from tulle_runtime.fast.silence import LATER, silent_until
from tulle_runtime.fast.steps import FINISHED, fabric_run
from tulle_runtime.fast.words import (
    ACTIVE,
    BUSY,
    C_INPUTS,
    C_QUEUES,
    C_THREADS,
    C_WAKERS,
    CLASS,
    COUNT,
    HOLD,
    IDLE,
    N_DONE,
    N_WORDS,
    R_THEN,
    STATE,
    T_DST,
    T_ROW,
    T_SRC,
    THREAD_WORDS,
    WAITING,
)

NO_SLOT, NO_SPACE, UNDECIDED = 0, -1, -2  # in place of a number of slots


@once
def step_threads(m, pe, pb, entity, t, most):
    """The lowest ready microthread steps, up to cycle `most` if nothing can come between: the number of slots; else
    NO_SPACE if one lacks only output space; else NO_SLOT. UNDECIDED if it is yet to come whether one has space."""
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS]
    active = m.pe[pb + ACTIVE]
    bit = 1
    result = NO_SLOT
    until = most + 1
    while bit <= active:
        if active & bit:
            source = m.pe[tb + T_SRC]
            if source_ready(m, pb, source, t):
                has = sink_space(m, m.pe[tb + T_DST], entity, t)
                if has == UNKNOWN:
                    return UNDECIDED
                if has != FULL:
                    if until > t + 1 and (source < 0 or m.ch[source + COUNT] > 1):
                        until = min(until, _main_rests(m, pb, t))
                    else:
                        until = t + 1
                    in_row = m.pe[pb + STATE] == WAITING and m.pe[pb + HOLD] == 0
                    slots, ended = fabric_run(m, pe, pb, tb, t, until, in_row)
                    if ended == FINISHED:
                        m.pe[pb + ACTIVE] = active & ~bit
                        then = m.code[m.pe[tb + T_ROW] + R_THEN]
                        if then >= 0:
                            activate(m, pb, then, t + slots)
                    elif ended != 0:
                        report_fault(m, pe, ended)
                    return slots
                result = NO_SPACE
                until = t
            elif until > t + 1 and source >= 0:
                until = min(until, _next_visible(m, source, t + 1))
        bit <<= 1
        tb += THREAD_WORDS
    return result


@inlined
def _next_visible(m, base, t):
    """A cycle up to which nothing is visible in a channel where nothing is now."""
    return head_time(m, base) if m.ch[base + COUNT] != 0 else silent_until(m, base, t)


@inlined
def _main_rests(m, pb, t):
    """The cycle up to which no task can start of itself, if none can in t."""
    if m.pe[pb + STATE] != IDLE:
        return np.int64(LATER)
    k = m.pe[pb + CLASS]
    until = np.int64(LATER)
    queue = pb + m.classes[k + C_QUEUES]
    wakers = m.classes[k + C_WAKERS]
    while wakers != 0:
        base = m.pe[queue]
        if wakers & 1 and base >= 0 and (m.ch[base + COUNT] == 0 or head_time(m, base) > t):
            until = min(until, _next_visible(m, base, t + 1))
        wakers >>= 1
        queue += 1
    return until


@inner
def any_supplied(m, pb, t):
    """Whether a microthread has the wavelet that it needs in t; else AGAIN is when the next known of comes."""
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS]
    active = m.pe[pb + ACTIVE]
    while active != 0:
        if active & 1 and source_ready(m, pb, m.pe[tb + T_SRC], t):
            return True
        active >>= 1
        tb += THREAD_WORDS
    return False


@inner
def sources_certain(m, pb, t):
    """Whether it is certain for each active microthread what is visible in its source up to t."""
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS]
    active = m.pe[pb + ACTIVE]
    while active != 0:
        if active & 1 and not _certain(m, m.pe[tb + T_SRC], t):
            return False
        active >>= 1
        tb += THREAD_WORDS
    return True


@inner
def inputs_certain(m, pe, pb, t):
    """Whether it is certain for each input queue that matters in t what is visible there."""
    k = m.pe[pb + CLASS]
    state, active = m.pe[pb + STATE], m.pe[pb + ACTIVE]
    inputs = m.classes[k + C_INPUTS]
    if state == IDLE:
        inputs = m.classes[k + C_WAKERS]
    elif (state == WAITING and active & m.pe[pb + HOLD] != 0) or (
        state == BUSY and m.counts[pe * N_WORDS + N_DONE] > t
    ):
        inputs = 0
    queue = pb + m.classes[k + C_QUEUES]
    while inputs != 0:
        if inputs & 1 and not _certain(m, m.pe[queue], t):
            return False
        inputs >>= 1
        queue += 1
    return sources_certain(m, pb, t)


@inlined
def _certain(m, base, t):
    """Whether it is certain what is visible in a channel, if it is one, in t."""
    return base < 0 or m.ch[base + COUNT] != 0 or silent_until(m, base, t) > t
