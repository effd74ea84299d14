"""What cycles without a slot count as."""

from __future__ import annotations

from tulle_runtime.fast.jit import inlined, once
from tulle_runtime.fast.words import (
    ACTIVE,
    ARRIVING,
    AWAIT,
    BLOCKS,
    C_THREAD_COUNT,
    C_THREADS,
    CLASS,
    G_LAST,
    G_QUEUES,
    N_BLOCKED,
    N_DOUBT_BLOCKED,
    N_DOUBT_QUEUE,
    N_DOUBT_WAITING,
    N_EPOCH,
    N_FROM,
    N_KIND,
    N_WORDS,
    NOTHING,
    PC,
    POPPING,
    R_INDEX,
    R_KIND,
    R_THEN,
    R_THREAD,
    STATE,
    SYNC,
    T_ROW,
    TASK,
    THREAD_WORDS,
    VECTOR_ASYNC,
    WAITING,
    WAITS,
)


@inlined
def account_idle(m, pe, t):
    """Counts the idle cycles up to t - 1; those after the last slot or movement known may yet turn out not to count."""
    since = m.counts[pe * N_WORDS + N_FROM]
    kind = m.counts[pe * N_WORDS + N_KIND]
    if since >= t or kind == NOTHING:
        return
    if kind == BLOCKS:
        m.counts[pe * N_WORDS + N_BLOCKED] += t - since
    else:
        m.waited[pe * (m.g[G_QUEUES] + 1) + kind - WAITS] += t - since
    last = m.g[G_LAST]
    if last + 1 < t:
        if m.counts[pe * N_WORDS + N_EPOCH] != last:
            m.counts[pe * N_WORDS + N_EPOCH] = last
            m.counts[pe * N_WORDS + N_DOUBT_BLOCKED] = 0
            m.counts[pe * N_WORDS + N_DOUBT_WAITING] = 0
        doubt = N_DOUBT_BLOCKED
        if kind != BLOCKS:  # between two movements there is one queue at most that a PE waits for
            doubt = N_DOUBT_WAITING
            m.counts[pe * N_WORDS + N_DOUBT_QUEUE] = kind - WAITS
        m.counts[pe * N_WORDS + doubt] += t - max(since, last + 1)


@once
def idle_as(m, pb):
    """What a cycle without a slot counts as if nothing is blocked: WAITS + the number of the queue that the main thread
    waits for, itself or at a microthread; of the lowest microthread that starts a task; or of none (G_QUEUES)."""
    k = m.pe[pb + CLASS]
    threads = pb + m.classes[k + C_THREADS]
    active = m.pe[pb + ACTIVE]
    state = m.pe[pb + STATE]
    row = m.pe[pb + PC]
    if state in (POPPING, ARRIVING):
        return WAITS + m.code[row + R_INDEX]
    thread = -1
    if state == SYNC:
        thread = m.classes[k + C_THREAD_COUNT]
    elif state == WAITING and m.code[row + R_KIND] in (AWAIT, VECTOR_ASYNC) and active >> m.code[row + R_THREAD] & 1:
        thread = m.code[row + R_THREAD]
    else:
        for other in range(m.classes[k + C_THREAD_COUNT]):
            if active >> other & 1 and m.code[m.pe[threads + THREAD_WORDS * other + T_ROW] + R_THEN] >= 0:
                thread = other
                break
    if thread >= 0:
        return WAITS + m.code[m.pe[threads + THREAD_WORDS * thread + T_ROW] + R_INDEX]
    return WAITS + m.g[G_QUEUES] if active != 0 or m.pe[pb + TASK] >= 0 else NOTHING
