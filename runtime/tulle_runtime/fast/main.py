"""Instructions of the main thread: starting them, and their effects."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.arrivals import arrival_cost, arrival_effect
from tulle_runtime.fast.axpy import axpy_cost, axpy_effect
from tulle_runtime.fast.fabric import prepare
from tulle_runtime.fast.jit import inner, kept, once
from tulle_runtime.fast.operands import address, length, load_bits, scalar, size_of, store_bits
from tulle_runtime.fast.scalars import compare, compute
from tulle_runtime.fast.vector import vector_cost, vector_effect, vector_inside
from tulle_runtime.fast.words import (
    ACTIVATE,
    ACTIVATED,
    ACTIVE,
    ARRIVED,
    AXPY,
    AXPY_COLUMNS,
    AXPY_ENTRIES,
    BAD_COLUMN,
    BLOCK,
    BLOCKED,
    BRANCH,
    BUSY,
    C_TASKS,
    C_THREADS,
    CLASS,
    COMPUTE,
    CONTROL,
    DEFER,
    DIVISION_BY_ZERO,
    DOOM,
    EXTENT,
    FLAG_SINCE,
    FLAGS,
    G_BRANCH,
    G_DIVIDE,
    G_FAULT,
    G_FAULT_PE,
    G_LAST,
    G_LOAD,
    LOAD,
    LOOP,
    N_ARRIVED,
    N_AXPY_SLOTS,
    N_AXPYS,
    N_AXPYS_COMING,
    N_CONTROL_SLOTS,
    N_COST,
    N_COST_OF,
    N_DONE,
    N_LAST,
    N_MACS,
    N_MACS_COMING,
    N_SLOTS,
    N_WORDS,
    O_TYPE,
    OUT_OF_BOUNDS,
    PC,
    R_AUX,
    R_D,
    R_KIND,
    R_N0,
    R_N1,
    R_OP,
    R_TARGET,
    R_THEN,
    R_THREAD,
    ROW_WORDS,
    S_DIV,
    S_MOD,
    SRAM,
    STATE,
    TASK_WORDS,
    THREAD_WORDS,
    U16,
    VECTOR,
    VECTOR_ASYNC,
)


@inner
def report_fault(m, pe, kind):
    """Notes a fault of this cycle; the lowest PE's first one stays."""
    if m.g[G_FAULT] == 0 or m.place[pe] < m.place[m.g[G_FAULT_PE]]:
        m.g[G_FAULT] = kind
        m.g[G_FAULT_PE] = pe


@inner
def begin(m, pe, pb, t, cost, kind):
    """The main thread uses `cost` slots from t on; they go to the counter `kind` (N_*_SLOTS) when it has."""
    m.pe[pb + STATE] = BUSY
    m.counts[pe * N_WORDS + N_DONE] = t + cost
    m.counts[pe * N_WORDS + N_SLOTS] += cost
    m.counts[pe * N_WORDS + N_COST] = cost
    m.counts[pe * N_WORDS + N_COST_OF] = kind
    m.counts[pe * N_WORDS + N_LAST] = t + cost - 1
    m.g[G_LAST] = max(m.g[G_LAST], t + cost - 1)


@inner
def activate(m, pb, task, t):
    """Sets the activation of a task, in force from t on."""
    at = pb + m.classes[m.pe[pb + CLASS] + C_TASKS] + TASK_WORDS * task
    if m.pe[at + FLAGS] & ACTIVATED == 0:
        m.pe[at + FLAGS] |= ACTIVATED
        m.pe[at + FLAG_SINCE] = t


@kept
def complete(m, pe, pb, t):
    """The effect of the main instruction whose last slot was in t - 1, if it did not take place before."""
    m.counts[pe * N_WORDS + m.counts[pe * N_WORDS + N_COST_OF]] += m.counts[pe * N_WORDS + N_COST]
    m.counts[pe * N_WORDS + N_COST] = 0
    if m.counts[pe * N_WORDS + N_MACS_COMING] != 0:
        m.counts[pe * N_WORDS + N_AXPYS] += m.counts[pe * N_WORDS + N_AXPYS_COMING]
        m.counts[pe * N_WORDS + N_MACS] += m.counts[pe * N_WORDS + N_MACS_COMING]
        m.counts[pe * N_WORDS + N_AXPYS_COMING] = 0
        m.counts[pe * N_WORDS + N_MACS_COMING] = 0
    row = m.pe[pb + DEFER]
    if row < 0:
        return
    m.pe[pb + DEFER] = -1
    kind = m.code[row + R_KIND]
    if kind == VECTOR_ASYNC:
        thread = m.code[row + R_THREAD]
        tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS] + THREAD_WORDS * thread
        if prepare(m, pb, tb, row, t):
            m.pe[pb + ACTIVE] |= 1 << thread
        elif m.code[row + R_THEN] >= 0:
            activate(m, pb, m.code[row + R_THEN], t)
    elif kind == CONTROL:
        task, verb = m.code[row + R_AUX], m.code[row + R_OP]
        at = pb + m.classes[m.pe[pb + CLASS] + C_TASKS] + TASK_WORDS * task
        if verb == ACTIVATE:
            activate(m, pb, task, t)
        elif verb == BLOCK:
            m.pe[at + FLAGS] |= BLOCKED
        else:
            m.pe[at + FLAGS] &= ~BLOCKED
    else:
        memory_effect(m, pb, row, kind)


@kept
def memory_effect(m, pb, row, kind):
    """The effect of a main instruction on memory and registers; it is inside bounds."""
    if kind == AXPY:
        axpy_effect(m, pb, row)
    elif kind == VECTOR:
        vector_effect(m, pb, row)
    elif kind in (AXPY_COLUMNS, AXPY_ENTRIES):
        arrival_effect(m, pb, row, m.pe[pb + ARRIVED])
    else:
        at = np.int64(m.pe[pb + SRAM]) * 16 + address(m, pb, row, R_D)
        element = m.code[row + R_D + O_TYPE] % U16  # u16 and f16 are the same two bytes
        if kind == LOAD:
            m.pe[pb + m.code[row + R_AUX]] = np.int32(load_bits(m, element, at))
        else:
            store_bits(m, element, at, np.uint32(scalar(m, pb, row, R_N0)))


@once
def issue(m, pe, pb, row, kind):
    """Starts an instruction that touches no queue; returns its slots. The effect comes at once if nobody can tell."""
    m.pe[pb + PC] = row + ROW_WORDS
    if kind == COMPUTE:
        op = m.code[row + R_OP]
        a, b = np.int64(scalar(m, pb, row, R_N0)), np.int64(scalar(m, pb, row, R_N1))
        divides = op in (S_DIV, S_MOD)
        if divides and b == 0:
            m.pe[pb + DOOM] = DIVISION_BY_ZERO
        else:
            m.pe[pb + m.code[row + R_AUX]] = np.int32(compute(op, a, b))
        return m.g[G_DIVIDE] if divides else np.int64(1)
    if kind == LOOP:
        limit = scalar(m, pb, row, R_N0)
        m.pe[pb + m.code[row + R_AUX]] = 0
        m.pe[pb + m.code[row + R_N1]] = limit
        if limit <= 0:
            m.pe[pb + PC] = m.code[row + R_TARGET]
        return np.int64(1)
    if kind == BRANCH:
        if not compare(m.code[row + R_OP], scalar(m, pb, row, R_N0), scalar(m, pb, row, R_N1)):
            m.pe[pb + PC] = m.code[row + R_TARGET]
        return m.g[G_BRANCH]
    if kind == CONTROL:
        m.pe[pb + DEFER] = row
        return np.int64(1)
    cost = np.int64(1)
    good = True
    if kind == VECTOR:
        cost = vector_cost(m, pb, row)
        good = vector_inside(m, pb, row)
    elif kind == AXPY:
        cost, entries, problem = axpy_cost(m, pb, row)
        good = problem == 0
        if problem == 2:
            m.pe[pb + DOOM] = BAD_COLUMN
            return cost
        n = length(m, pb, row, R_N1)
        if good and n > 0:
            m.counts[pe * N_WORDS + N_AXPYS_COMING] = entries
            m.counts[pe * N_WORDS + N_MACS_COMING] = entries * n
    else:
        at = address(m, pb, row, R_D)
        if kind == LOAD:
            cost = m.g[G_LOAD]
        good = 0 <= at <= m.pe[pb + EXTENT] - size_of(m.code[row + R_D + O_TYPE] % U16)
    _effect(m, pb, row, kind, good, cost)
    return cost


@inner
def arrive(m, pe, pb, row, word, t):
    """Starts the AXPYs of a sparse wavelet that was popped in t, the first of their slots."""
    cost, axpys, macs, problem = arrival_cost(m, pb, row, word)
    m.pe[pb + ARRIVED] = word
    if problem == 2:
        m.pe[pb + DOOM] = BAD_COLUMN
    else:
        if problem == 0:
            m.counts[pe * N_WORDS + N_AXPYS_COMING] = axpys
            m.counts[pe * N_WORDS + N_MACS_COMING] = macs
            m.counts[pe * N_WORDS + N_ARRIVED] += axpys
        _effect(m, pb, row, m.code[row + R_KIND], problem == 0, cost)
    begin(m, pe, pb, t, cost, N_AXPY_SLOTS if problem == 0 else N_CONTROL_SLOTS)


@inner
def _effect(m, pb, row, kind, good, cost):
    """Arranges for the effect of a main instruction at its last slot: now, if nobody can tell."""
    if not good:
        m.pe[pb + DOOM] = OUT_OF_BOUNDS
    elif m.pe[pb + ACTIVE] == 0:
        memory_effect(m, pb, row, kind)
    elif cost > 0:
        m.pe[pb + DEFER] = row
