"""What one PE does in one cycle (docs/machine.md, section 4): complete, fetch, threads, main; and PEs that go ahead."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.arrivals import end_of_arrivals
from tulle_runtime.fast.channels import FULL, SPACE, pop
from tulle_runtime.fast.fabric import receive, send, sink_space, source_ready
from tulle_runtime.fast.fetch import fetch
from tulle_runtime.fast.idle import account_idle, idle_as
from tulle_runtime.fast.jit import inlined, kept, once
from tulle_runtime.fast.main import activate, arrive, complete, report_fault
from tulle_runtime.fast.operands import scalar
from tulle_runtime.fast.steps import FINISHED, fabric_run
from tulle_runtime.fast.threads import (
    NO_SLOT,
    NO_SPACE,
    UNDECIDED,
    any_supplied,
    inputs_certain,
    sources_certain,
    step_threads,
)
from tulle_runtime.fast.wheel import wake
from tulle_runtime.fast.words import (
    ACTIVE,
    AGAIN,
    AHEAD,
    ARRIVING,
    BLOCKS,
    BUSY,
    C_FIRST_TASK,
    C_QUEUES,
    C_TASK_COUNT,
    C_THREAD_COUNT,
    C_THREADS,
    CLASS,
    CLOCK,
    DOOM,
    END_MARK,
    G_AHEAD,
    G_LAST,
    G_LAUNCH,
    G_TIME,
    HEAD,
    HOLD,
    K_START,
    N_DONE,
    N_FROM,
    N_KIND,
    N_LAST,
    N_SLOTS,
    N_WORDS,
    NO_MORE,
    NO_QUEUE,
    PC,
    POPPING,
    PUSHING,
    R_AUX,
    R_N0,
    R_SINK,
    R_SOURCE,
    READY,
    ROW_WORDS,
    START,
    STATE,
    SYNC,
    T_DST,
    T_SRC,
    TASK_TABLE_WORDS,
    THREAD_WORDS,
    WAITING,
)

_ALONE = 1 << 12  # cycles that a main thread goes ahead by itself: a program that never looks at an input still ends


@once
def _start(m, pb, t):
    """Activates the tasks on start."""
    k = m.pe[pb + CLASS]
    for task in range(m.classes[k + C_TASK_COUNT]):
        if m.tasks[(m.classes[k + C_FIRST_TASK] + task) * TASK_TABLE_WORDS + K_START]:
            activate(m, pb, task, t)
    m.pe[pb + START] = 0


@once
def _main(m, pe, pb, entity, t):
    """The main thread makes a step of an instruction with fabric operands, with a result as in step_threads."""
    state = m.pe[pb + STATE]
    k = m.pe[pb + CLASS]
    if state == SYNC:
        tb = pb + m.classes[k + C_THREADS] + THREAD_WORDS * m.classes[k + C_THREAD_COUNT]
        if not source_ready(m, pb, m.pe[tb + T_SRC], t):
            return NO_SLOT
        has = sink_space(m, m.pe[tb + T_DST], entity, t)
        if has != SPACE:
            return NO_SPACE if has == FULL else UNDECIDED
        _, ended = fabric_run(m, pe, pb, tb, t, t + 1, np.bool_(False))
        if ended == FINISHED:
            m.pe[pb + STATE] = READY
        elif ended != 0:
            report_fault(m, pe, ended)
        return 1
    row = m.pe[pb + PC]
    queues = pb + m.classes[k + C_QUEUES]
    if state == POPPING:
        base = m.pe[queues + m.code[row + R_SOURCE]]
        if not source_ready(m, pb, base, t):
            return NO_SLOT
        m.pe[pb + m.code[row + R_AUX]] = receive(m, pe, base, NO_QUEUE, t)
    elif state == PUSHING:
        base = m.pe[queues + m.code[row + R_SINK]]
        has = sink_space(m, base, entity, t)
        if has != SPACE:
            return NO_SPACE if has == FULL else UNDECIDED
        send(m, pe, base, scalar(m, pb, row, R_N0), t)
    elif state == ARRIVING:
        base = m.pe[queues + m.code[row + R_SOURCE]]
        if not source_ready(m, pb, base, t):
            return NO_SLOT
        word = m.ch[m.ch[base + HEAD]]
        if word >> 16 & END_MARK != END_MARK:
            arrive(m, pe, pb, row, pop(m, base, t), t)
            return NO_SLOT  # the main thread is busy with it from now on, this slot included
        receive(m, pe, base, NO_QUEUE, t)
        end_of_arrivals(m, pe, pb, row)
    else:
        return NO_SLOT
    m.pe[pb + STATE] = READY
    m.pe[pb + PC] = row + ROW_WORDS
    return 1


@kept
def pe_event(m, pe, entity, now):
    """The present cycle of a PE, and more as long as what happens in them is certain."""
    pb = m.pe_base[pe]
    t = np.int64(m.pe[pb + CLOCK])
    if t > now:
        wake(m, entity, t)
        return
    t = now
    last, most = now + m.pe[pb + AHEAD], now + m.g[G_AHEAD]
    known = t <= last
    while True:
        m.pe[pb + AGAIN] = NO_MORE
        slots = np.int64(NO_SLOT) if _only_main(m, pe, pb, t) else pe_step(m, pe, pb, entity, t, most, known)
        after = t + slots if slots > 0 else _next_step(m, pe, pb, slots, t, last, most)
        if after <= t:
            break
        t = after
        known = t <= last or (t <= most and inputs_certain(m, pe, pb, t))
        if not known and not _by_itself(m, pe, pb, t):
            slots = UNDECIDED
            break
    if slots == UNDECIDED:
        wake(m, entity, t)
    else:
        _wake_again(m, pe, pb, entity, t)
        t += 1
    m.pe[pb + CLOCK] = t


@inlined
def _only_main(m, pe, pb, t):
    """Whether the main thread is in the middle of an instruction and no microthread has a wavelet in t."""
    return (
        m.pe[pb + STATE] == BUSY
        and t < m.counts[pe * N_WORDS + N_DONE]
        and m.pe[pb + DOOM] == 0
        and m.pe[pb + START] == 0
        and not any_supplied(m, pb, t)
    )


@inlined
def _next_step(m, pe, pb, slots, t, last, most):
    """The cycle after t to go on with if the main thread is busy and no microthread used its slot; t if none is."""
    if slots != NO_SLOT or m.pe[pb + STATE] != BUSY or m.pe[pb + DOOM] or m.g[G_AHEAD] == 0:
        return t
    done = m.counts[pe * N_WORDS + N_DONE]
    if m.pe[pb + ACTIVE] == 0:
        return done
    after = min(done, np.int64(m.pe[pb + AGAIN]))
    return after if after <= most and (after <= last + 1 or sources_certain(m, pb, after - 1)) else t


@inlined
def _by_itself(m, pe, pb, t):
    """Whether the main thread goes on in t whatever the inputs hold, and no microthread can come between."""
    state = m.pe[pb + STATE]
    return (
        m.pe[pb + ACTIVE] == 0
        and m.pe[pb + DOOM] == 0
        and (state == READY or (state == BUSY and m.counts[pe * N_WORDS + N_DONE] == t))
        and m.g[G_AHEAD] > 0
        and t < m.g[G_TIME] + _ALONE
    )


@inlined
def _wake_again(m, pe, pb, entity, t):
    """Has the PE woken for the next cycle after t in which something may happen of itself."""
    again = np.int64(m.pe[pb + AGAIN])
    if m.pe[pb + STATE] == BUSY:
        done = m.counts[pe * N_WORDS + N_DONE]
        again = min(again, max(done - 1, t + 1) if m.pe[pb + DOOM] else done)
    if again != NO_MORE:
        wake(m, entity, again)


@once
def pe_step(m, pe, pb, entity, t, most, known):
    """Cycle t of a PE, and those up to `most` in which nothing but a microthread can do anything: the number of slots
    used. 0 or NO_SPACE: the PE has something to do of itself at AGAIN; UNDECIDED: this cycle is not decided yet and has
    to be gone through again. `known`: what the inputs hold in t."""
    account_idle(m, pe, t)
    if m.pe[pb + START]:
        most = t
        if t >= m.g[G_LAUNCH]:
            _start(m, pb, t)
        else:
            m.pe[pb + AGAIN] = m.g[G_LAUNCH]
    state = m.pe[pb + STATE]
    if state == BUSY and m.counts[pe * N_WORDS + N_DONE] == t:
        complete(m, pe, pb, t)
        m.pe[pb + STATE] = READY
        state = READY
        if not known and m.pe[pb + ACTIVE]:
            return np.int64(UNDECIDED)
    fetches = state < WAITING or (state == WAITING and m.pe[pb + ACTIVE] & m.pe[pb + HOLD] == 0)
    if fetches and not fetch(m, pe, pb, t, known):
        return np.int64(UNDECIDED)
    slots = step_threads(m, pe, pb, entity, t, most) if m.pe[pb + ACTIVE] else NO_SLOT
    if slots == UNDECIDED:
        return slots
    if slots <= 0 and m.pe[pb + STATE] >= SYNC:
        by_main = _main(m, pe, pb, entity, t)
        if by_main == UNDECIDED:
            return by_main
        slots = slots if by_main == NO_SLOT else by_main
    if m.pe[pb + STATE] == BUSY:
        _busy(m, pe, pb, t, slots)
        return slots
    m.counts[pe * N_WORDS + N_FROM] = t
    if slots > 0:
        m.counts[pe * N_WORDS + N_SLOTS] += slots
        m.counts[pe * N_WORDS + N_LAST] = t + slots - 1
        m.counts[pe * N_WORDS + N_FROM] = t + slots
        m.g[G_LAST] = max(m.g[G_LAST], t + slots - 1)
    elif slots == NO_SPACE:
        m.counts[pe * N_WORDS + N_KIND] = BLOCKS
    else:
        m.counts[pe * N_WORDS + N_KIND] = idle_as(m, pb)
    return slots


@once
def _busy(m, pe, pb, t, stolen):
    """The main thread uses slot t of its instruction, unless a microthread took that and more."""
    if stolen > 0:
        m.counts[pe * N_WORDS + N_DONE] += stolen
        m.counts[pe * N_WORDS + N_SLOTS] += stolen
        m.counts[pe * N_WORDS + N_LAST] += stolen
        m.g[G_LAST] = max(m.g[G_LAST], m.counts[pe * N_WORDS + N_LAST])
    done = m.counts[pe * N_WORDS + N_DONE]
    m.counts[pe * N_WORDS + N_FROM] = done
    if stolen <= 0 and m.pe[pb + DOOM] and done == t + 1:
        report_fault(m, pe, m.pe[pb + DOOM])
