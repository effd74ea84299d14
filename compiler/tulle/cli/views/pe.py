"""One PE: its class, kernel, queues, buffers, registers with its own values, code, and AXPY tables by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tulle.cli.table import Table
from tulle_ir.diagnostics import UsageError
from tulle_ir.memory import table_entries
from tulle_ir.program import Program, ProgramClass, Register, Symbol, Task, Trigger
from tulle_ir.program import Table as AxpyTable
from tulle_ir.symbols import block_of
from tulle_ir.target import Target
from tulle_ir.text.code_printer import block

SET_MARK = 0x8000
COLUMNS = 16  # columns of a table shown
ENTRIES = 6  # entries of a column shown


@dataclass(frozen=True, slots=True)
class Pe:
    """PE (x, y) is number `index` of class `of`."""

    x: int
    y: int
    index: int
    of: ProgramClass


def find_pe(program: Program, x: int, y: int) -> Pe:
    """The PE at (x, y). Raises UsageError if it lies off the mesh or has no code."""
    width, height = program.mesh
    if x >= width or y >= height:
        raise UsageError(f"PE ({x}, {y}) is not on the mesh", remedy=f"x below {width}, y below {height}")
    for of in program.classes:
        i, off_x = divmod(x - of.grid.x, of.grid.step_x)
        j, off_y = divmod(y - of.grid.y, of.grid.step_y)
        if not off_x and not off_y and 0 <= i < of.grid.width and 0 <= j < of.grid.height:
            return Pe(x, y, j * of.grid.width + i, of)
    raise UsageError(f"PE ({x}, {y}) has no code", remedy="`tulle inspect` without --pe maps those that have")


def pe_parts(pe: Pe, program: Program, target: Target) -> list[Table | str]:
    """Everything about the PE, for the terminal."""
    parts: list[Table | str] = [_head(pe, program)]
    tables = (_queues(pe, target), _memory(pe, program), _registers(pe, program))
    parts += [table for table in tables if table.rows]
    parts += ["\n".join(_task_lines(task)) for task in pe.of.tasks]
    parts += ["\n".join(_column_lines(table, pe, program)) for table in pe.of.tables]
    return parts


def pe_json(pe: Pe, program: Program) -> dict[str, Any]:
    """The same as JSON; tables in full: per column, [row, value, sets] of each entry."""
    return {
        "pe": [pe.x, pe.y],
        "class": pe.of.name,
        "kernels": _kernels(pe, program),
        "blocks": _blocks(pe, program),
        "queues": [vars_of(q) for q in pe.of.queues],
        "buffers": [vars_of(b) for b in pe.of.buffers],
        "registers": {r.name: _register_value(r, pe, program) for r in pe.of.registers},
        "code": {task.name: list(_task_lines(task)) for task in pe.of.tasks},
        "tables": {t.name: [_entries(t, pe, program, c) for c in range(t.columns)] for t in pe.of.tables},
    }


def vars_of(item: Any) -> dict[str, Any]:
    """The fields of a dataclass with slots."""
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def _head(pe: Pe, program: Program) -> str:
    grid = pe.of.grid
    kernels = ", ".join(_kernels(pe, program)) or "no kernel"
    place = f"class {pe.of.name} ({grid.width} x {grid.height} PEs, this is number {pe.index})"
    held = [f"  {part} {which}" for block in _blocks(pe, program).values() for part, which in block.items()]
    return "\n".join([f"PE ({pe.x}, {pe.y}): {place}; {kernels}", *held])


def _kernels(pe: Pe, program: Program) -> list[str]:
    """The symbols whose regions hold the PE, each with its origin."""
    return [f"{s.name} (from {s.origin})" if s.origin else s.name for s in _symbols(pe, program)]


def _blocks(pe: Pe, program: Program) -> dict[str, dict[str, str]]:
    """By kernel: the input and output features of its matrix that the PE holds, those there are."""
    held = {s.name: block_of(s, pe.x, pe.y, program) for s in _symbols(pe, program)}
    return {
        name: {part: which for part, which in zip(("inputs", "outputs"), block, strict=True) if which}
        for name, block in held.items()
        if any(block)
    }


def _symbols(pe: Pe, program: Program) -> list[Symbol]:
    """Those whose regions hold the PE."""
    return [
        s
        for s in program.symbols
        if s.region[0] <= pe.x < s.region[0] + s.region[2] and s.region[1] <= pe.y < s.region[1] + s.region[3]
    ]


def _queues(pe: Pe, target: Target) -> Table:
    rows = []
    for queue in pe.of.queues:
        depths = target.input_queues if queue.is_input else target.output_queues
        direction = "in" if queue.is_input else "out"
        row = (f"%{queue.name}", direction, str(queue.index), depths[queue.index], str(queue.color), queue.dtype.value)
        rows.append(row)
    return Table("queues", ("name", "", "queue", "depth", "color", "type"), tuple(rows))


def _memory(pe: Pe, program: Program) -> Table:
    rows = [
        (b.address, b.name, f"{b.dtype}[{b.size}]", b.size * b.dtype.size, b.category.value, b.data)
        for b in pe.of.buffers
    ]
    for table in pe.of.tables:
        entries = int(table_entries(table, program)[pe.index])
        arrays = (
            (table.ptr_address, f"{table.name}.ptr", f"u16[{table.columns + 1}]", 2 * (table.columns + 1)),
            (table.row_address, f"{table.name}.row", f"u16[{entries}]", 2 * entries),
            (table.value_address, f"{table.name}.value", f"{table.dtype}[{entries}]", table.dtype.size * entries),
        )
        rows += [(*array, "weights", table.data) for array in arrays]
    columns = ("address", "name", "elements", "bytes", "holds", "data")
    return Table(f"SRAM, {pe.of.sram_bytes:,} bytes within reach", columns, tuple(sorted(rows)))


def _registers(pe: Pe, program: Program) -> Table:
    rows = tuple(
        (r.name, _register_value(r, pe, program), r.value if isinstance(r.value, str) else "") for r in pe.of.registers
    )
    return Table("registers at load", ("name", "value", "data"), rows)


def _register_value(register: Register, pe: Pe, program: Program) -> int:
    if isinstance(register.value, str):
        return int(program.tensors[register.value][pe.index])
    return register.value


def _task_lines(task: Task) -> Iterator[str]:
    trigger = {Trigger.START: " on start", Trigger.DATA: f" on %{task.queue}", Trigger.ACTIVATION: ""}[task.trigger]
    yield from block(f"task {task.name}{trigger}{' blocked' if task.blocked else ''}", task.code)


def _column_lines(table: AxpyTable, pe: Pe, program: Program) -> Iterator[str]:
    """The table's entries, a line per column with any, abbreviated."""
    total = int(table_entries(table, program)[pe.index])
    yield f"table {table.name}: {total:,} non-zeros in {table.columns} columns (row: value; '=' sets, others add)"
    filled = [c for c in range(table.columns) if _span(table, pe, program, c)[1]]
    for column in filled[:COLUMNS]:
        entries = _entries(table, pe, program, column)
        shown = "  ".join(f"{row}{'=' if sets else ':'} {value:.5g}" for row, value, sets in entries[:ENTRIES])
        more = f"  ... {len(entries) - ENTRIES} more" if len(entries) > ENTRIES else ""
        yield f"  [{column}]  {shown}{more}"
    if len(filled) > COLUMNS:
        yield f"  ... {len(filled) - COLUMNS} more columns"


def _span(table: AxpyTable, pe: Pe, program: Program, column: int) -> tuple[int, int]:
    """Where the column's entries begin in the flat arrays, and how many there are."""
    ptr = program.tensors[f"{table.data}.ptr"][pe.index]
    start = int(program.tensors[f"{table.data}.start"][pe.index])
    return start + int(ptr[column]), int(ptr[column + 1]) - int(ptr[column])


def _entries(table: AxpyTable, pe: Pe, program: Program, column: int) -> list[tuple[int, float, bool]]:
    """(row, value, sets) of each entry of a column, in stored order."""
    start, count = _span(table, pe, program, column)
    rows = program.tensors[f"{table.data}.row"][start : start + count].astype(np.int64)
    values = program.tensors[f"{table.data}.value"][start : start + count]
    return [(int(r) & ~SET_MARK, float(v), bool(r & SET_MARK)) for r, v in zip(rows, values, strict=True)]
