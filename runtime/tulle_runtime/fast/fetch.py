"""The main thread at an instruction boundary: choosing tasks, passing what is free, waiting."""

from __future__ import annotations

from tulle_runtime.fast.channels import head_time
from tulle_runtime.fast.fabric import prepare
from tulle_runtime.fast.jit import inlined, inner, kept
from tulle_runtime.fast.main import begin, issue, report_fault
from tulle_runtime.fast.operands import length, scalar
from tulle_runtime.fast.words import (
    ACTIVATED,
    ACTIVE,
    AGAIN,
    ARRIVING,
    AWAIT,
    AXPY,
    AXPY_COLUMNS,
    AXPY_ENTRIES,
    BLOCKED,
    C_FIRST_TASK,
    C_QUEUES,
    C_TASK_COUNT,
    C_TASKS,
    C_THREAD_COUNT,
    C_THREADS,
    CLASS,
    COUNT,
    DEFER,
    DOOM,
    FLAGS,
    G_DISPATCH,
    HOLD,
    IDLE,
    JUMP,
    K_ENTRY,
    K_QUEUE,
    N_AXPY_SLOTS,
    N_CONTROL_SLOTS,
    N_FIRST,
    N_VECTOR_SLOTS,
    N_WORDS,
    NEXT,
    PC,
    POP,
    POPPING,
    PUSH,
    PUSHING,
    QUEUE_VIOLATION,
    R_AUX,
    R_KIND,
    R_N0,
    R_N1,
    R_OP,
    R_SINK,
    R_SOURCE,
    R_TARGET,
    R_THREAD,
    READY,
    ROW_WORDS,
    SINCE,
    STATE,
    STOP,
    SYNC,
    T_I,
    T_ROW,
    TASK,
    TASK_TABLE_WORDS,
    TASK_WORDS,
    THREAD_WORDS,
    VECTOR,
    VECTOR_ASYNC,
    VECTOR_SYNC,
    WAITING,
)


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
def runnable(m, pb, t):
    """The lowest runnable task, or -1: then AGAIN is when one on its way starts one."""
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
                    m.pe[pb + AGAIN] = min(m.pe[pb + AGAIN], visible)
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


@kept
def fetch(m, pe, pb, t, known):
    """From an instruction boundary to an instruction that uses slots, one that must wait, or to idleness. Without it
    being `known` what the inputs hold in t, False where that matters: then t has to be gone through again."""
    stood = m.pe[pb + STATE] == WAITING  # at the same instruction before t
    while True:
        if m.pe[pb + TASK] < 0:
            if not known:
                m.pe[pb + STATE] = READY
                return False
            task = runnable(m, pb, t)
            if task < 0:
                m.pe[pb + STATE] = IDLE
                return True
            k = m.pe[pb + CLASS]
            m.pe[pb + m.classes[k + C_TASKS] + TASK_WORDS * task + FLAGS] &= ~ACTIVATED
            m.pe[pb + TASK] = task
            m.pe[pb + PC] = m.tasks[(m.classes[k + C_FIRST_TASK] + task) * TASK_TABLE_WORDS + K_ENTRY]
            if m.counts[pe * N_WORDS + N_FIRST] < 0:
                m.counts[pe * N_WORDS + N_FIRST] = t
            begin(m, pe, pb, t, m.g[G_DISPATCH], N_CONTROL_SLOTS)
            return True
        row = m.pe[pb + PC]
        kind = m.code[row + R_KIND]
        if not known and m.code[row + R_SOURCE] >= 0 and kind != VECTOR_ASYNC:
            m.pe[pb + STATE] = READY
            return False
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
                return True
            m.pe[pb + PC] = row + ROW_WORDS
        elif kind == VECTOR_SYNC:
            if length(m, pb, row, R_N0) != 0 and length(m, pb, row, R_N1) != 0:
                if queue_in_use(m, pb, row):
                    report_fault(m, pe, QUEUE_VIOLATION)
                    _wait(m, pb, t, stood, 0)
                    return True
                k = m.pe[pb + CLASS]
                prepare(m, pb, pb + m.classes[k + C_THREADS] + THREAD_WORDS * m.classes[k + C_THREAD_COUNT], row, t)
                m.pe[pb + PC] = row + ROW_WORDS
                m.pe[pb + STATE] = SYNC
                return True
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
            return True
        else:
            cost = issue(m, pe, pb, row, kind)
            if cost > 0:
                begin(m, pe, pb, t, cost, _slots_of(m, pb, kind))
                return True
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
