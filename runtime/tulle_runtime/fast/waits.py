"""What still waits when nothing can happen any more: empty after a run that is ok."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tulle_ir.program import Program, ProgramClass
from tulle_runtime.fast import sram
from tulle_runtime.fast import words as w
from tulle_runtime.fast.layout import Layout
from tulle_runtime.fast.machine import Machine
from tulle_runtime.result import Wait


def waits_of(program: Program, layout: Layout) -> list[Wait]:
    """All waits at quiescence, sorted by (y, x, who, why, color, since). Looks closer only at what waits."""
    found = [*_channels(layout), *_host_inputs(layout)]
    for k, cls in enumerate(program.classes):
        found += _class(program, layout, k, cls)
    return sorted(found, key=lambda wait: (wait.y, wait.x, wait.who, wait.why, wait.color, wait.since))


def _channels(layout: Layout) -> Iterator[Wait]:
    ch, entries = layout.machine.ch, layout.entries
    width = entries.mesh[0]
    exists = np.flatnonzero(layout.channels >= 0)
    for channel in exists[ch[layout.channels[exists] + w.COUNT] != 0]:
        entry = channel % len(entries.router)
        router, since = int(entries.router[entry]), int(ch[ch[layout.channels[channel] + w.HEAD] + 1])
        yield Wait(router % width, router // width, "channel", "undelivered", int(entries.color[entry]), since)


def _host_inputs(layout: Layout) -> Iterator[Wait]:
    for port, row in zip(layout.input_ports, layout.machine.ports, strict=True):
        if row[w.P_NEXT] < row[w.P_END]:
            yield Wait(port.x, port.y, "host input", "output space", port.color, int(row[w.P_LAST]) + 1)


def _class(program: Program, layout: Layout, k: int, cls: ProgramClass) -> Iterator[Wait]:
    """What waits at the PEs of a class."""
    m = layout.machine
    first, n = layout.class_first[k], sram.pes(cls)
    if n == 0:
        return
    record = m.classes[k]
    base = int(m.pe_base[first])
    view = m.pe[base : base + n * int(record[w.C_SIZE])].reshape(n, -1)
    flags = view[:, record[w.C_TASKS] : record[w.C_REGISTERS]].reshape(n, -1, w.TASK_WORDS)[:, :, w.FLAGS]
    waits = (view[:, w.TASK] >= 0) | (view[:, w.ACTIVE] != 0) | (flags & w.ACTIVATED != 0).any(axis=1)
    for pe in np.flatnonzero(waits):
        place = int(m.place[first + pe])
        x, y = place % program.mesh[0], place // program.mesh[0]
        for who, why, color, since in _pe(m, cls, record, view[pe]):
            yield Wait(x, y, who, why, color, since)


def _pe(m: Machine, cls: ProgramClass, record: np.ndarray, pe: np.ndarray) -> Iterator[tuple[str, str, int, int]]:
    """(who, why, color, since) of everything that waits in one PE."""
    threads = int(record[w.C_THREADS])
    for thread in range(int(record[w.C_THREAD_COUNT])):
        if pe[w.ACTIVE] >> thread & 1:
            yield (f"thread {thread}", *_stalled(m, cls, pe, threads + w.THREAD_WORDS * thread))
    if pe[w.TASK] >= 0:
        who = f"task {cls.tasks[pe[w.TASK]].name}"
        row = m.code[pe[w.PC] // w.ROW_WORDS]
        state = pe[w.STATE]
        if state == w.SYNC:
            yield (who, *_stalled(m, cls, pe, threads + w.THREAD_WORDS * int(record[w.C_THREAD_COUNT])))
        elif state in (w.POPPING, w.ARRIVING):
            yield who, "input", cls.queues[row[w.R_SOURCE]].color, int(pe[w.SINCE])
        elif state == w.PUSHING:
            yield who, "output space", cls.queues[row[w.R_SINK]].color, int(pe[w.SINCE])
        else:
            yield who, f"thread {row[w.R_THREAD]}", -1, int(pe[w.SINCE])
    tasks = int(record[w.C_TASKS])
    for index, task in enumerate(cls.tasks):
        at = tasks + w.TASK_WORDS * index
        if pe[at + w.FLAGS] & w.ACTIVATED:
            yield f"task {task.name}", "start", -1, int(pe[at + w.FLAG_SINCE])


def _stalled(m: Machine, cls: ProgramClass, pe: np.ndarray, at: int) -> tuple[str, int, int]:
    """(why, color, since) of the fabric instruction in the thread record at word `at`."""
    row = m.code[pe[at + w.T_ROW] // w.ROW_WORDS]
    source = int(pe[at + w.T_SRC])
    since = int(pe[at + w.T_SINCE])
    if source != w.NO_QUEUE and (source < 0 or m.ch[source + w.COUNT] == 0):
        return "input", cls.queues[row[w.R_SOURCE]].color, since
    return "output space", cls.queues[row[w.R_SINK]].color, since
