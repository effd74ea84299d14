"""How far memory operands reach, where the program itself tells; and reads that certainly conflict on a bank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tulle_ir.code import (
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Instruction,
    Load,
    Loop,
    Mem,
    Offset,
    Scalar,
    Store,
    Vector,
    While,
)
from tulle_ir.program import Buffer, Program
from tulle_ir.target import Target
from tulle_ir.verify.code import operands
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.scope import Scope, bodies, instructions

SET_MARK = 0x8000  # of a stored row index


@dataclass(frozen=True, slots=True)
class Span:
    """Elements `first` to `last`, both included, relative to the buffer."""

    first: int
    last: int


def check_reach(scope: Scope, program: Program, findings: Findings) -> None:
    """AXPY rows stay inside y (an error); other views with constant offsets and lengths do so too (a warning)."""
    reported: set[tuple[str, Mem]] = set()
    for path, instruction in instructions(scope):
        match instruction:
            case Axpy() | AxpyColumns():
                if (instruction.table, instruction.y) not in reported and not _rows_fit(instruction, scope, program):
                    reported.add((instruction.table, instruction.y))
                    what = f"a row of table '{instruction.table}' reaches beyond buffer '{instruction.y.buffer}'"
                    findings.error(what, instruction, path)
            case Vector(n0=n0, n1=n1):
                for view in operands(instruction):
                    if isinstance(view, Mem):
                        _check_span(view.buffer, _span(view, n0, n1), instruction, scope, path, findings)
            case Load(buffer=buffer, offset=offset) | Store(buffer=buffer, offset=offset):
                _check_span(buffer, _span(Mem(buffer, offset), 1, 1), instruction, scope, path, findings)
            case _:
                pass


def _span(view: Mem, n0: Scalar, n1: Scalar) -> Span | None:
    if not isinstance(n0, int) or not isinstance(n1, int) or view.offset.terms or min(n0, n1) < 1:
        return None
    ends = [(n0 - 1) * view.strides[0], (n1 - 1) * view.strides[1]]
    constant = view.offset.constant
    return Span(constant + sum(min(0, end) for end in ends), constant + sum(max(0, end) for end in ends))


def _check_span(buffer: str, span: Span | None, node: object, scope: Scope, path: str, findings: Findings) -> None:
    size = scope.buffers[buffer].size
    if span and (span.first < 0 or span.last >= size):
        reached = span.first if span.first < 0 else span.last
        findings.warning(f"element {reached} of buffer '{buffer}' is reached, which has {size}", node, path)


def _rows_fit(axpy: Axpy | AxpyColumns, scope: Scope, program: Program) -> bool:
    """Whether every row of the table, times the stride, lies inside y; true where registers decide."""
    row = f"{scope.tables[axpy.table].data}.row"
    if axpy.y.offset.terms or row not in program.tensors or program.tensors[row].size == 0:
        return True
    last = int((program.tensors[row] & (SET_MARK - 1)).max())
    length = axpy.n if isinstance(axpy, Axpy) and isinstance(axpy.n, int) else 1
    span = _span(axpy.y, last + 1, length)
    return span is None or (span.first >= 0 and span.last < scope.buffers[axpy.y.buffer].size)


def check_banks(scope: Scope, target: Target, findings: Findings) -> None:
    """A warning for AXPYs that repeat and whose two reads fall into one bank group whatever the registers hold."""
    for task in scope.of.tasks:
        for axpy in _hot(task.code, inside=False):
            if _conflicts(axpy, scope, target):
                what = f"'{axpy.y.buffer}' and '{axpy.x.buffer}' lie in one bank group: every row takes twice as long"
                findings.warning(what, axpy, f"{scope.path}, task '{task.name}'")


def _hot(code: tuple[Instruction, ...], inside: bool) -> Iterator[Axpy | AxpyEntries]:
    """The AXPYs that run again and again."""
    for instruction in code:
        if isinstance(instruction, AxpyEntries) or (isinstance(instruction, Axpy) and inside):
            yield instruction
        yield from _hot(bodies(instruction), inside or isinstance(instruction, Loop | While))


def _conflicts(axpy: Axpy | AxpyEntries, scope: Scope, target: Target) -> bool:
    if 0 in (axpy.y.strides[1], axpy.x.strides[1]):
        return False
    y = _groups(scope.buffers[axpy.y.buffer], axpy.y.offset, target)
    x = _groups(scope.buffers[axpy.x.buffer], axpy.x.offset, target)
    return len(y) == 1 and y == x


def _groups(buffer: Buffer, offset: Offset, target: Target) -> set[int]:
    """The bank groups in which a row may begin."""
    bank = max(1, target.sram_bytes // target.banks)
    begin = buffer.address
    end = buffer.address + buffer.size * buffer.dtype.size
    if not offset.terms:
        begin += offset.constant * buffer.dtype.size
    banks = np.arange(begin // bank, max(begin, end - 1) // bank + 1)
    return set((banks % target.bank_groups).tolist())
