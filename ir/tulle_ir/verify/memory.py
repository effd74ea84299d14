"""Buffers and tables lie in SRAM, aligned and apart; code fits beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tulle_ir.code import DType
from tulle_ir.memory import count_instructions
from tulle_ir.program import Buffer, Category, Table
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.scope import Scope

ALIGNMENT = 4  # bytes
INDEX_LIMIT = 2**16  # tables count entries in u16


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes [begin, end) of SRAM and what they hold."""

    begin: int
    end: int
    what: str
    node: Buffer | Table


def check_memory(scope: Scope, target: Target, findings: Findings) -> None:
    """All extents of a class, and its share of SRAM."""
    extents = sorted((*_buffers(scope), *_tables(scope)), key=lambda extent: (extent.begin, extent.end))
    for extent in extents:
        _check_extent(extent, scope, findings)
    _check_apart(extents, scope, findings)
    _check_sram(scope, target, findings)
    for table in scope.of.tables:
        _check_table(table, scope, findings)


def _check_apart(extents: list[Extent], scope: Scope, findings: Findings) -> None:
    """`extents` are sorted; each is held against the one that reaches farthest so far."""
    farthest: Extent | None = None
    for extent in extents:
        if farthest and extent.begin < farthest.end:
            what = f"{extent.what} begins at {extent.begin}, inside {farthest.what} (up to {farthest.end})"
            findings.error(what, extent.node, scope.path, findings.site(farthest.node, farthest.what))
        if farthest is None or extent.end > farthest.end:
            farthest = extent


def _buffers(scope: Scope) -> Iterator[Extent]:
    for buffer in scope.of.buffers:
        end = buffer.address + buffer.size * buffer.dtype.size
        yield Extent(buffer.address, end, f"buffer '{buffer.name}'", buffer)


def _tables(scope: Scope) -> Iterator[Extent]:
    for table in scope.of.tables:
        for part, begin, size in (
            ("ptr", table.ptr_address, 2 * (table.columns + 1)),
            ("row", table.row_address, 2 * table.capacity),
            ("value", table.value_address, table.dtype.size * table.capacity),
        ):
            yield Extent(begin, begin + size, f"'{part}' of table '{table.name}'", table)


def _check_extent(extent: Extent, scope: Scope, findings: Findings) -> None:
    if extent.end < extent.begin or (extent.end == extent.begin and isinstance(extent.node, Buffer)):
        findings.error(f"{extent.what} has no elements", extent.node, scope.path)
    if extent.begin % ALIGNMENT:
        what = f"{extent.what} is at {extent.begin}, not a multiple of {ALIGNMENT}"
        findings.error(what, extent.node, scope.path)
    if extent.begin < 0 or extent.end > scope.of.sram_bytes:
        what = f"{extent.what} reaches from {extent.begin} to {extent.end}, outside the {scope.of.sram_bytes} bytes"
        findings.error(f"{what} that the class declares", extent.node, scope.path)


def _check_sram(scope: Scope, target: Target, findings: Findings) -> None:
    declared = any(buffer.category is Category.CODE for buffer in scope.of.buffers)
    count = sum(count_instructions(task.code) for task in scope.of.tasks)
    code = 0 if declared else count * target.instruction_bytes
    total = scope.of.sram_bytes + code
    if total > target.sram_bytes or scope.of.sram_bytes < 0:
        what = f"{scope.of.sram_bytes} bytes of data and {code} of code ({count} instructions) are {total}"
        over = f"{total - target.sram_bytes} more than the {target.sram_bytes} of a PE"
        findings.error(f"{what}: {over}", scope.of, scope.path)


def _check_table(table: Table, scope: Scope, findings: Findings) -> None:
    path = f"{scope.path}, table '{table.name}'"
    if table.dtype not in (DType.F16, DType.F32):
        findings.error(f"table '{table.name}' holds {table.dtype}: values are f16 or f32", table, path)
    if not 0 <= table.capacity < INDEX_LIMIT or table.columns < 0:
        findings.error(f"table '{table.name}' has {table.capacity} entries: at most {INDEX_LIMIT - 1}", table, path)
