"""What one PE does in one cycle (docs/machine.md, section 4): complete, fetch, threads, main; and PEs that go ahead."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.arrivals import end_of_arrivals
from tulle_runtime.fast.channels import FULL, LATER, SPACE, UNKNOWN, head_time, pop, silent_until, wake
from tulle_runtime.fast.fabric import FINISHED, fabric_run, receive, send, sink_space, source_ready
from tulle_runtime.fast.jit import inlined, inner, once
from tulle_runtime.fast.main import activate, arrive, complete, fetch, report_fault
from tulle_runtime.fast.operands import scalar
from tulle_runtime.fast.words import (
    ACTIVE,
    AHEAD,
    ARRIVING,
    AWAIT,
    BLOCKS,
    BUSY,
    C_FIRST_TASK,
    C_INPUTS,
    C_QUEUES,
    C_TASK_COUNT,
    C_THREAD_COUNT,
    C_THREADS,
    C_WAKERS,
    CLASS,
    CLOCK,
    COUNT,
    DOOM,
    END_MARK,
    G_AHEAD,
    G_LAST,
    G_LAUNCH,
    G_QUEUES,
    HEAD,
    HOLD,
    IDLE,
    K_START,
    N_BLOCKED,
    N_DONE,
    N_DOUBT_BLOCKED,
    N_DOUBT_QUEUE,
    N_DOUBT_WAITING,
    N_EPOCH,
    N_FROM,
    N_KIND,
    N_LAST,
    N_SLOTS,
    N_WORDS,
    NO_QUEUE,
    NOTHING,
    PC,
    POPPING,
    PUSHING,
    R_AUX,
    R_INDEX,
    R_KIND,
    R_N0,
    R_SINK,
    R_SOURCE,
    R_THEN,
    R_THREAD,
    READY,
    ROW_WORDS,
    START,
    STATE,
    SYNC,
    T_DST,
    T_ROW,
    T_SRC,
    TASK,
    TASK_TABLE_WORDS,
    THREAD_WORDS,
    VECTOR_ASYNC,
    WAITING,
    WAITS,
)


@inlined
def _account(m, pe, t):
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
def _start(m, pb, t):
    """Activates the tasks on start."""
    k = m.pe[pb + CLASS]
    for task in range(m.classes[k + C_TASK_COUNT]):
        if m.tasks[(m.classes[k + C_FIRST_TASK] + task) * TASK_TABLE_WORDS + K_START]:
            activate(m, pb, task, t)
    m.pe[pb + START] = 0


_NO_SLOT, _BLOCKED, _UNKNOWN = 0, -1, -2  # in place of a number of slots


@once
def _threads(m, pe, pb, entity, t, most):
    """The lowest ready microthread steps, up to cycle `most` if nothing can come between: the number of slots; else
    _BLOCKED if one lacks only output space; else _NO_SLOT. _UNKNOWN if it is yet to come whether one has space."""
    tb = pb + m.classes[m.pe[pb + CLASS] + C_THREADS]
    active = m.pe[pb + ACTIVE]
    bit = 1
    result = _NO_SLOT
    until = most + 1
    while bit <= active:
        if active & bit:
            source = m.pe[tb + T_SRC]
            if source_ready(m, source, entity, t):
                has = sink_space(m, m.pe[tb + T_DST], entity, t)
                if has == UNKNOWN:
                    return _UNKNOWN
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
                result = _BLOCKED
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


@once
def _main(m, pe, pb, entity, t):
    """The main thread makes a step of an instruction with fabric operands, with a result as in _threads."""
    state = m.pe[pb + STATE]
    k = m.pe[pb + CLASS]
    if state == SYNC:
        tb = pb + m.classes[k + C_THREADS] + THREAD_WORDS * m.classes[k + C_THREAD_COUNT]
        if not source_ready(m, m.pe[tb + T_SRC], entity, t):
            return _NO_SLOT
        has = sink_space(m, m.pe[tb + T_DST], entity, t)
        if has != SPACE:
            return _BLOCKED if has == FULL else _UNKNOWN
        _, ended = fabric_run(m, pe, pb, tb, t, t + 1, False)
        if ended == FINISHED:
            m.pe[pb + STATE] = READY
        elif ended != 0:
            report_fault(m, pe, ended)
        return 1
    row = m.pe[pb + PC]
    queues = pb + m.classes[k + C_QUEUES]
    if state == POPPING:
        base = m.pe[queues + m.code[row + R_SOURCE]]
        if not source_ready(m, base, entity, t):
            return _NO_SLOT
        m.pe[pb + m.code[row + R_AUX]] = receive(m, pe, base, NO_QUEUE, t)
    elif state == PUSHING:
        base = m.pe[queues + m.code[row + R_SINK]]
        has = sink_space(m, base, entity, t)
        if has != SPACE:
            return _BLOCKED if has == FULL else _UNKNOWN
        send(m, pe, base, scalar(m, pb, row, R_N0), t)
    elif state == ARRIVING:
        base = m.pe[queues + m.code[row + R_SOURCE]]
        if not source_ready(m, base, entity, t):
            return _NO_SLOT
        word = m.ch[m.ch[base + HEAD]]
        if word >> 16 & END_MARK != END_MARK:
            arrive(m, pe, pb, row, pop(m, base, t), t)
            return _NO_SLOT  # the main thread is busy with it from now on, this slot included
        receive(m, pe, base, NO_QUEUE, t)
        end_of_arrivals(m, pe, pb, row)
    else:
        return _NO_SLOT
    m.pe[pb + STATE] = READY
    m.pe[pb + PC] = row + ROW_WORDS
    return 1


@inner
def _inputs_certain(m, pe, pb, t):
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
    tb = pb + m.classes[k + C_THREADS]
    while active != 0:
        if active & 1 and not _certain(m, m.pe[tb + T_SRC], t):
            return False
        active >>= 1
        tb += THREAD_WORDS
    return True


@inlined
def _certain(m, base, t):
    """Whether it is certain what is visible in a channel, if it is one, in t."""
    return base < 0 or m.ch[base + COUNT] != 0 or silent_until(m, base, t) > t


@inner
def pe_event(m, pe, entity, now):
    """The present cycle of a PE, and more as long as each uses a slot and is certain."""
    pb = m.pe_base[pe]
    t = np.int64(m.pe[pb + CLOCK])
    if t > now:
        wake(m, entity, t)
        return
    t = now
    last, most = now + m.pe[pb + AHEAD], now + m.g[G_AHEAD]
    slots = np.int64(1)
    while slots > 0 and (t <= last or (t <= most and _inputs_certain(m, pe, pb, t))):
        slots = pe_step(m, pe, pb, entity, t, most)
        t += slots
    if slots > 0 or slots == _UNKNOWN:
        t = max(t, t - slots)
        wake(m, entity, t)
    else:
        t += 1 - slots
    m.pe[pb + CLOCK] = t


@inner
def pe_step(m, pe, pb, entity, t, most):
    """Cycle t of a PE, and those up to `most` in which nothing but a microthread can do anything: the number of slots
    used. 0 or _BLOCKED: the PE is woken for the next cycle in which something may happen of itself; _UNKNOWN: this
    cycle is not decided yet and has to be gone through again."""
    _account(m, pe, t)
    if m.pe[pb + START]:
        most = t
        if t >= m.g[G_LAUNCH]:
            _start(m, pb, t)
        else:
            wake(m, entity, m.g[G_LAUNCH])
    state = m.pe[pb + STATE]
    if state == BUSY and m.counts[pe * N_WORDS + N_DONE] == t:
        complete(m, pe, pb, t)
        m.pe[pb + STATE] = READY
        state = READY
    if state < WAITING or (state == WAITING and m.pe[pb + ACTIVE] & m.pe[pb + HOLD] == 0):
        fetch(m, pe, pb, entity, t)
    slots = _threads(m, pe, pb, entity, t, most) if m.pe[pb + ACTIVE] else _NO_SLOT
    if slots == _UNKNOWN:
        return slots
    if slots <= 0 and m.pe[pb + STATE] >= SYNC:
        by_main = _main(m, pe, pb, entity, t)
        if by_main == _UNKNOWN:
            return by_main
        slots = slots if by_main == _NO_SLOT else by_main
    if m.pe[pb + STATE] == BUSY:
        return _busy(m, pe, pb, entity, t, max(slots, 0))
    m.counts[pe * N_WORDS + N_FROM] = t
    if slots > 0:
        m.counts[pe * N_WORDS + N_SLOTS] += slots
        m.counts[pe * N_WORDS + N_LAST] = t + slots - 1
        m.counts[pe * N_WORDS + N_FROM] = t + slots
        m.g[G_LAST] = max(m.g[G_LAST], t + slots - 1)
    elif slots == _BLOCKED:
        m.counts[pe * N_WORDS + N_KIND] = BLOCKS
    else:
        m.counts[pe * N_WORDS + N_KIND] = _idle(m, pb)
    return slots


@once
def _idle(m, pb):
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


@once
def _busy(m, pe, pb, entity, t, stolen):
    """The main thread uses slot t of its instruction, unless a microthread took that and more; result as of pe_step."""
    if stolen:
        m.counts[pe * N_WORDS + N_DONE] += stolen
        m.counts[pe * N_WORDS + N_SLOTS] += stolen
        m.counts[pe * N_WORDS + N_LAST] += stolen
        m.g[G_LAST] = max(m.g[G_LAST], m.counts[pe * N_WORDS + N_LAST])
    done = m.counts[pe * N_WORDS + N_DONE]
    m.counts[pe * N_WORDS + N_FROM] = done
    if stolen:
        return stolen
    if m.pe[pb + DOOM]:
        if done == t + 1:
            report_fault(m, pe, m.pe[pb + DOOM])
        wake(m, entity, max(done - 1, t + 1))
    wake(m, entity, done)
    return np.int64(_NO_SLOT)
