"""The main thread of a PE: completing, choosing tasks, fetching."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.arrivals import arrival_cost, arrival_effect
from tulle_runtime.fast.axpy import axpy_cost, axpy_effect
from tulle_runtime.fast.channels import head_time, wake
from tulle_runtime.fast.fabric import prepare
from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.operands import address, length, load_bits, scalar, size_of, store_bits
from tulle_runtime.fast.scalars import compare, compute
from tulle_runtime.fast.vector import vector_cost, vector_effect, vector_inside
from tulle_runtime.fast.words import (
    ACTIVATE,
    ACTIVATED,
    ACTIVE,
    ARRIVED,
    ARRIVING,
    AWAIT,
    AXPY,
    AXPY_COLUMNS,
    AXPY_ENTRIES,
    BAD_COLUMN,
    BLOCK,
    BLOCKED,
    BRANCH,
    BUSY,
    C_FIRST_TASK,
    C_QUEUES,
    C_TASK_COUNT,
    C_TASKS,
    C_THREAD_COUNT,
    C_THREADS,
    CLASS,
    COMPUTE,
    CONTROL,
    COUNT,
    DEFER,
    DIVISION_BY_ZERO,
    DOOM,
    EXTENT,
    FLAG_SINCE,
    FLAGS,
    G_BRANCH,
    G_DISPATCH,
    G_DIVIDE,
    G_FAULT,
    G_FAULT_PE,
    G_LAST,
    G_LOAD,
    HOLD,
    IDLE,
    JUMP,
    K_ENTRY,
    K_QUEUE,
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
    N_FIRST,
    N_LAST,
    N_MACS,
    N_MACS_COMING,
    N_SLOTS,
    N_VECTOR_SLOTS,
    N_WORDS,
    NEXT,
    O_TYPE,
    OUT_OF_BOUNDS,
    PC,
    POP,
    POPPING,
    PUSH,
    PUSHING,
    QUEUE_VIOLATION,
    R_AUX,
    R_D,
    R_KIND,
    R_N0,
    R_N1,
    R_OP,
    R_SINK,
    R_SOURCE,
    R_TARGET,
    R_THEN,
    R_THREAD,
    ROW_WORDS,
    S_DIV,
    S_MOD,
    SINCE,
    SRAM,
    STATE,
    STOP,
    SYNC,
    T_I,
    T_ROW,
    TASK,
    TASK_TABLE_WORDS,
    TASK_WORDS,
    THREAD_WORDS,
    U16,
    VECTOR,
    VECTOR_ASYNC,
    VECTOR_SYNC,
    WAITING,
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


@inner
def complete(m, pe, pb, t):
    """The effect of the main instruction whose last slot was in t - 1, if it did not take place before."""
    m.counts[pe * N_WORDS + m.counts[pe * N_WORDS + N_COST_OF]] += m.counts[pe * N_WORDS + N_COST]
    m.counts[pe * N_WORDS + N_COST] = 0
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


@inner
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


@inner
def queue_in_use(m, pb, row):
    """Whether an active microthread uses a queue of this instruction."""
    k = m.pe[pb + CLASS]
    for thread in range(m.classes[k + C_THREAD_COUNT]):
        if m.pe[pb + ACTIVE] >> thread & 1:
            other = m.pe[pb + m.classes[k + C_THREADS] + THREAD_WORDS * thread + T_ROW]
            for at in (R_SOURCE, R_SINK):
                queue = m.code[row + at]
                if queue >= 0 and (queue == m.code[other + R_SOURCE] or queue == m.code[other + R_SINK]):
                    return True
    return False


@inner
def runnable(m, pb, entity, t):
    """The lowest runnable task, or -1."""
    k = m.pe[pb + CLASS]
    for task in range(m.classes[k + C_TASK_COUNT]):
        flags = m.pe[pb + m.classes[k + C_TASKS] + TASK_WORDS * task + FLAGS]
        if flags & BLOCKED:
            continue
        if flags & ACTIVATED:
            return task
        queue = m.tasks[(m.classes[k + C_FIRST_TASK] + task) * TASK_TABLE_WORDS + K_QUEUE]
        if queue >= 0:
            base = m.pe[pb + m.classes[k + C_QUEUES] + queue]
            if base >= 0 and m.ch[base + COUNT] != 0:
                visible = head_time(m, base)
                if visible > t:
                    wake(m, entity, visible)
                elif not _read_by_thread(m, pb, k, queue):
                    return task
    return -1


@inner
def _read_by_thread(m, pb, k, queue):
    """Whether an active microthread reads the queue."""
    for thread in range(m.classes[k + C_THREAD_COUNT]):
        if m.pe[pb + ACTIVE] >> thread & 1:
            row = m.pe[pb + m.classes[k + C_THREADS] + THREAD_WORDS * thread + T_ROW]
            if m.code[row + R_SOURCE] == queue:
                return True
    return False


@inner
def fetch(m, pe, pb, entity, t):
    """From an instruction boundary to an instruction that uses slots, one that must wait, or to idleness."""
    stood = m.pe[pb + STATE] == WAITING  # at the same instruction before t
    while True:
        if m.pe[pb + TASK] < 0:
            task = runnable(m, pb, entity, t)
            if task < 0:
                m.pe[pb + STATE] = IDLE
                return
            k = m.pe[pb + CLASS]
            m.pe[pb + m.classes[k + C_TASKS] + TASK_WORDS * task + FLAGS] &= ~ACTIVATED
            m.pe[pb + TASK] = task
            m.pe[pb + PC] = m.tasks[(m.classes[k + C_FIRST_TASK] + task) * TASK_TABLE_WORDS + K_ENTRY]
            if m.counts[pe * N_WORDS + N_FIRST] < 0:
                m.counts[pe * N_WORDS + N_FIRST] = t
            begin(m, pe, pb, t, m.g[G_DISPATCH], N_CONTROL_SLOTS)
            return
        row = m.pe[pb + PC]
        kind = m.code[row + R_KIND]
        if kind == STOP:
            m.pe[pb + TASK] = -1
        elif kind == JUMP:
            m.pe[pb + PC] = m.code[row + R_TARGET]
        elif kind == NEXT:
            register = pb + m.code[row + R_AUX]
            m.pe[register] += 1
            again = m.pe[register] < m.pe[pb + m.code[row + R_N0]]
            m.pe[pb + PC] = m.code[row + R_TARGET] if again else row + ROW_WORDS
        elif kind == AWAIT:
            if not _arrived(m, pb, row):
                _wait(m, pb, t, stood, 0 if m.code[row + R_OP] != 0 else 1 << m.code[row + R_THREAD])
                return
            m.pe[pb + PC] = row + ROW_WORDS
        elif kind == VECTOR_SYNC:
            if length(m, pb, row, R_N0) != 0 and length(m, pb, row, R_N1) != 0:
                if queue_in_use(m, pb, row):
                    report_fault(m, pe, QUEUE_VIOLATION)
                    _wait(m, pb, t, stood, 0)
                    return
                k = m.pe[pb + CLASS]
                prepare(m, pb, pb + m.classes[k + C_THREADS] + THREAD_WORDS * m.classes[k + C_THREAD_COUNT], row, t)
                m.pe[pb + PC] = row + ROW_WORDS
                m.pe[pb + STATE] = SYNC
                return
            m.pe[pb + PC] = row + ROW_WORDS
        elif kind in (VECTOR_ASYNC, POP, PUSH, AXPY_COLUMNS, AXPY_ENTRIES):
            if kind == VECTOR_ASYNC and m.pe[pb + ACTIVE] >> m.code[row + R_THREAD] & 1:
                _wait(m, pb, t, stood, 1 << m.code[row + R_THREAD])
            elif queue_in_use(m, pb, row):
                report_fault(m, pe, QUEUE_VIOLATION)
                _wait(m, pb, t, stood, 0)
            elif kind == VECTOR_ASYNC:
                m.pe[pb + DEFER] = row
                m.pe[pb + PC] = row + ROW_WORDS
                begin(m, pe, pb, t, 1, N_CONTROL_SLOTS)
            else:
                m.pe[pb + STATE] = POPPING if kind == POP else PUSHING if kind == PUSH else ARRIVING
                m.pe[pb + SINCE] = t
            return
        else:
            cost = issue(m, pe, pb, row, kind)
            if cost > 0:
                begin(m, pe, pb, t, cost, _slots_of(m, pb, kind))
                return
        stood = False


@inlined
def _slots_of(m, pb, kind):
    """The counter of an instruction's slots; one that ends in a fault is not counted as work."""
    if m.pe[pb + DOOM] or kind not in (AXPY, VECTOR):
        return N_CONTROL_SLOTS
    return N_AXPY_SLOTS if kind == AXPY else N_VECTOR_SLOTS


@inner
def _arrived(m, pb, row):
    """Whether the condition of an `await` holds."""
    thread = m.code[row + R_THREAD]
    if m.pe[pb + ACTIVE] >> thread & 1 == 0:
        return True
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS] + THREAD_WORDS * thread
    return m.code[row + R_OP] != 0 and m.pe[tb + T_I] > scalar(m, pb, row, R_N0)


@inner
def _wait(m, pb, t, stood, threads):
    """The main thread waits at its instruction, at least until all of `threads` are idle."""
    m.pe[pb + STATE] = WAITING
    m.pe[pb + HOLD] = threads
    if not stood:
        m.pe[pb + SINCE] = t


@inner
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
