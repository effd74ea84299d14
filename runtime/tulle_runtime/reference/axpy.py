"""AXPY over a compressed column (docs/machine.md, section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tulle_ir.code import DType, VectorOp
from tulle_ir.program import Table
from tulle_ir.target import Target
from tulle_runtime.reference.memory import Sram, Trap
from tulle_runtime.reference.numbers import narrow, widen
from tulle_runtime.reference.operands import InMemory, number
from tulle_runtime.reference.vector import conflict

SET = 0x8000  # the mark of a stored row index: the first non-zero of its row


@dataclass(frozen=True, slots=True)
class AxpyWork:
    """An axpy instruction with resolved operands."""

    sram: Sram
    table: Table
    column: int
    x: InMemory
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


def row_of(y: InMemory, row: int) -> InMemory:
    """y with its row 0 moved to `row`."""
    return replace(y, address=y.at(row, 0))


def cost(work: AxpyWork, target: Target) -> int:
    """Datapath slots; a column outside the table faults after its issue."""
    if not work.in_table:
        return max(1, target.axpy_issue)
    width = target.widths.of(VectorOp.FMA, work.y.dtype, (work.table.dtype, work.x.dtype))
    steps = -(-work.n // width)
    slots = target.axpy_issue
    for _, row, _ in entries(work):
        conflicted = conflict([work.x, row_of(work.y, row)], 0, target)
        slots += target.axpy_overhead + steps * (2 if conflicted else 1)
    return slots


def run(work: AxpyWork) -> int:
    """Perform it; returns the number of AXPYs executed (entries, if they have elements)."""
    if not work.in_table:
        raise Trap("column out of table", f"column {work.column} of {work.table.name}, {work.table.columns} columns")
    executed = 0
    if work.n > 0:
        for entry, row, is_set in entries(work):
            _multiply_add(work, entry, row_of(work.y, row), is_set)
            executed += 1
    return executed


def _multiply_add(work: AxpyWork, entry: int, y: InMemory, is_set: bool) -> None:
    dtype = work.table.dtype
    value = widen(work.sram.read(work.table.value_address + dtype.size * entry, dtype), dtype)
    for j in range(work.n):
        result = value * number(work.x, 0, j)
        if not is_set:
            result = number(y, 0, j) + result
        y.write(0, j, narrow(result, y.dtype))
