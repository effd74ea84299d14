"""AXPY over a compressed column (docs/machine.md, section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tulle_ir.code import DType, VectorOp
from tulle_ir.program import Table
from tulle_ir.target import Target
from tulle_runtime.reference.memory import Sram, Trap
from tulle_runtime.reference.numbers import narrow, widen
from tulle_runtime.reference.operands import InMemory, Operand, number
from tulle_runtime.reference.vector import row_slots

SET = 0x8000  # the mark of a stored row index: the first non-zero of its row


@dataclass(frozen=True, slots=True)
class AxpyWork:
    """An axpy instruction with resolved operands."""

    sram: Sram
    table: Table
    column: int
    x: Operand
    y: InMemory
    n: int

    @property
    def in_table(self) -> bool:
        """Whether the column exists."""
        return 0 <= self.column < self.table.columns


def entries(work: AxpyWork) -> Iterator[tuple[int, int, bool]]:
    """(entry, row, set) of the column in stored order."""
    sram, table = work.sram, work.table
    first = sram.read(table.ptr_address + 2 * work.column, DType.U16)
    end = sram.read(table.ptr_address + 2 * work.column + 2, DType.U16)
    for entry in range(first, end):
        row = sram.read(table.row_address + 2 * entry, DType.U16)
        yield entry, row & ~SET, bool(row & SET)


def entries_of(table: Table, sram: Sram) -> int:
    """Entries of all columns."""
    first, end = (sram.read(table.ptr_address + 2 * column, DType.U16) for column in (0, table.columns))
    return end - first


def row_of(view: InMemory, row: int) -> InMemory:
    """The view with its row 0 moved to `row`."""
    return replace(view, address=view.at(row, 0))


def cost(work: AxpyWork, target: Target) -> int:
    """Datapath slots; a column outside the table faults after its issue."""
    if not work.in_table:
        return max(1, target.axpy_issue)
    width = target.widths.of(VectorOp.FMA, work.y.dtype, (work.table.dtype, work.x.dtype))
    slots = target.axpy_issue
    for _, row, _ in entries(work):
        slots += target.axpy_overhead + row_slots([work.x, row_of(work.y, row)], 0, work.n, width, target)
    return slots


def run(work: AxpyWork) -> int:
    """Perform it; returns the number of AXPYs executed (entries, if they have elements)."""
    if not work.in_table:
        raise Trap("column out of table", f"column {work.column} of {work.table.name}, {work.table.columns} columns")
    executed = 0
    if work.n > 0:
        for entry, row, is_set in entries(work):
            dtype = work.table.dtype
            value = widen(work.sram.read(work.table.value_address + dtype.size * entry, dtype), dtype)
            multiply_add(value, work.x, row_of(work.y, row), work.n, is_set)
            executed += 1
    return executed


def multiply_add(value: np.float32, x: Operand, y: InMemory, n: int, is_set: bool) -> None:
    """One AXPY: row 0 of y gets (or, if `is_set`, becomes) `value` times row 0 of x."""
    for j in range(n):
        result = value * number(x, 0, j)
        if not is_set:
            result = number(y, 0, j) + result
        y.write(0, j, narrow(result, y.dtype))
