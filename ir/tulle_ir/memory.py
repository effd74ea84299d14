"""How much SRAM a program takes, per PE and category. Vectorised per class: nothing here walks over PEs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tulle_ir.code import If, Instruction, Loop, While
from tulle_ir.program import Category, Grid, Program, ProgramClass, Table
from tulle_ir.report import CategoryBytes, Memory
from tulle_ir.target import Target

CATEGORIES = tuple(Category)


def memory_map(program: Program, target: Target) -> np.ndarray:
    """Bytes i64 [categories, H, W] that the program holds in each PE; categories in the order of `CATEGORIES`.

    A table counts with the entries of the PE itself, not with the room its class reserves for the heaviest PE.
    """
    width, height = program.mesh
    total = np.zeros((len(CATEGORIES), height, width), np.int64)
    for of in program.classes:
        xs, ys = grid_axes(of.grid)
        place = np.ix_(ys, xs)
        for category, held in class_bytes(of, program, target).items():
            total[CATEGORIES.index(category)][place] += held.reshape(of.grid.height, of.grid.width)
    return total


def pes_used(program: Program) -> np.ndarray:
    """bool [H, W]: the PEs that have code."""
    return class_map(program) >= 0


def class_map(program: Program) -> np.ndarray:
    """i32 [H, W]: which class each PE runs, -1 for none."""
    width, height = program.mesh
    which = np.full((height, width), -1, np.int32)
    for number, of in enumerate(program.classes):
        xs, ys = grid_axes(of.grid)
        which[np.ix_(ys, xs)] = number
    return which


def memory_of(held: np.ndarray, used: np.ndarray, target: Target) -> Memory:
    """The report's memory; `held`: bytes [categories, H, W] (`memory_map`), `used`: bool [H, W] (`pes_used`)."""
    per_pe = held.sum(axis=0)[used]
    by_category = {category.value: int(held[i].sum()) for i, category in enumerate(CATEGORIES)}
    return Memory(
        limit_bytes=target.sram_bytes,
        max_pe_bytes=int(per_pe.max(initial=0)),
        mean_pe_bytes=round(per_pe.sum() / max(per_pe.size, 1)),
        total_bytes=int(per_pe.sum()),
        by_category=CategoryBytes(**by_category),
    )


def class_bytes(of: ProgramClass, program: Program, target: Target) -> dict[Category, np.ndarray]:
    """Bytes i64 [P] of each category for the PEs of a class, in the order of its grid."""
    held = {category: np.zeros(of.grid.width * of.grid.height, np.int64) for category in CATEGORIES}
    for buffer in of.buffers:
        held[buffer.category] += buffer.size * buffer.dtype.size
    for table in of.tables:
        held[Category.WEIGHTS] += table_bytes(table, table_entries(table, program))
    if not any(buffer.category == Category.CODE for buffer in of.buffers):
        held[Category.CODE] += target.instruction_bytes * sum(count_instructions(task.code) for task in of.tasks)
    return held


def table_entries(table: Table, program: Program) -> np.ndarray:
    """Entries i64 [P] of each PE's table."""
    return np.diff(program.tensors[f"{table.data}.start"]).astype(np.int64)


def table_bytes(table: Table, entries: np.ndarray) -> np.ndarray:
    """Bytes i64 [P] of tables with that many entries: `ptr`, `row`, `value`."""
    return 2 * (table.columns + 1) + entries * (2 + table.dtype.size)


def count_instructions(code: Iterable[Instruction]) -> int:
    """Instructions of a task's code, those in bodies included."""
    return sum(1 + _inside(instruction) for instruction in code)


def grid_axes(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The columns x [width] and rows y [height] of a grid."""
    return grid.x + grid.step_x * np.arange(grid.width), grid.y + grid.step_y * np.arange(grid.height)


def _inside(instruction: Instruction) -> int:
    match instruction:
        case Loop(body=body) | While(body=body):
            return count_instructions(body)
        case If(then=then, other=other):
            return count_instructions(then) + count_instructions(other)
        case _:
            return 0
