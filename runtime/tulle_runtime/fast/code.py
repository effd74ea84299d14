"""Flattens a class: its code as rows, its tasks, and the layout of its PEs' records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tulle_ir.code import Await, If, Instruction, Loop, Vector, While
from tulle_ir.program import ProgramClass, Trigger
from tulle_ir.target import Target
from tulle_runtime.fast import words as w
from tulle_runtime.fast.lines import whole
from tulle_runtime.fast.rows import Rows


@dataclass(frozen=True, slots=True)
class FlatClass:
    """`code` i32[rows, ROW_WORDS], `entry` row of each task, `layout` i32[CLASS_WORDS] of the PE record."""

    code: np.ndarray
    tasks: np.ndarray  # i32[tasks, TASK_TABLE_WORDS]
    layout: np.ndarray


def flatten(cls: ProgramClass, target: Target, first_row: int, first_task: int) -> FlatClass:
    """The class's code as rows, the first of which is row `first_row` of all, and the layout of its PEs' records."""
    layout = _layout(cls, first_task)
    rows = Rows(cls, target, layout, first_row)
    queues = {queue.name: index for index, queue in enumerate(cls.queues)}
    tasks = np.full((len(cls.tasks), w.TASK_TABLE_WORDS), -1, np.int32)
    for index, task in enumerate(cls.tasks):
        tasks[index, w.K_ENTRY] = rows.here
        tasks[index, w.K_START] = task.trigger == Trigger.START
        if task.trigger == Trigger.DATA:
            tasks[index, w.K_QUEUE] = queues[task.queue]
        rows.block(task.code, 0)
        rows.add(w.STOP)
    code = np.array(rows.rows, np.int32).reshape(-1, w.ROW_WORDS)
    return FlatClass(code, tasks, layout)


def _layout(cls: ProgramClass, first_task: int) -> np.ndarray:
    everything = [instruction for task in cls.tasks for instruction in _all(task.code)]
    depth = max((_depth(task.code) for task in cls.tasks), default=0)
    layout = np.zeros(w.CLASS_WORDS, np.int32)
    layout[w.C_QUEUES] = w.PE_HEADER
    layout[w.C_TASKS] = layout[w.C_QUEUES] + len(cls.queues)
    layout[w.C_REGISTERS] = layout[w.C_TASKS] + w.TASK_WORDS * len(cls.tasks)
    layout[w.C_THREADS] = layout[w.C_REGISTERS] + len(cls.registers) + depth
    layout[w.C_THREAD_COUNT] = 1 + max((_thread(instruction) for instruction in everything), default=-1)
    layout[w.C_TASK_COUNT] = len(cls.tasks)
    layout[w.C_INPUTS] = sum(1 << index for index, queue in enumerate(cls.queues) if queue.is_input)
    wakers = {task.queue for task in cls.tasks if task.trigger == Trigger.DATA}
    layout[w.C_WAKERS] = sum(1 << index for index, queue in enumerate(cls.queues) if queue.name in wakers)
    layout[w.C_FIRST_TASK] = first_task
    size = layout[w.C_THREADS] + w.THREAD_WORDS * (layout[w.C_THREAD_COUNT] + 1)
    layout[w.C_SIZE] = whole(size, w.LINE)
    return layout


def _blocks(instruction: Instruction) -> tuple[tuple[Instruction, ...], ...]:
    """The bodies inside an instruction."""
    match instruction:
        case Loop(body=body) | While(body=body):
            return (body,)
        case If(then=then, other=other):
            return (then, other)
        case _:
            return ()


def _all(code: tuple[Instruction, ...]) -> Iterator[Instruction]:
    for instruction in code:
        yield instruction
        for block in _blocks(instruction):
            yield from _all(block)


def _depth(code: tuple[Instruction, ...]) -> int:
    """How deep loops nest."""
    return max(
        (int(isinstance(one, Loop)) + max((_depth(block) for block in _blocks(one)), default=0) for one in code),
        default=0,
    )


def _thread(instruction: Instruction) -> int:
    """The microthread an instruction names, or -1."""
    match instruction:
        case Vector(launch=launch) if launch is not None:
            return launch.thread
        case Await(thread=thread):
            return thread
        case _:
            return -1
