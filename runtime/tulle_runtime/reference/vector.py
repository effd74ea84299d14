"""Vector instructions: what they do to an element, and what they cost on the main thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from tulle_ir.code import COSTED, VectorOp
from tulle_ir.target import Target
from tulle_runtime.reference import functions
from tulle_runtime.reference.numbers import maximum, minimum, narrow
from tulle_runtime.reference.operands import Immediate, InMemory, Operand, number


@dataclass(frozen=True, slots=True)
class VectorWork:
    """A vector instruction with resolved operands."""

    op: VectorOp
    dst: Operand
    a: Operand
    b: Operand | None
    n0: int
    n1: int

    @property
    def empty(self) -> bool:
        """Whether it has no elements."""
        return self.n0 == 0 or self.n1 == 0


def run(work: VectorWork) -> None:
    """All elements in row-major order, each complete before the next is read."""
    for i in range(work.n0):
        for j in range(work.n1):
            element(work, i, j)


def element(work: VectorWork, i: int, j: int) -> None:
    """Read, compute and write element (i, j)."""
    if work.op is VectorOp.MOV and work.a.dtype == work.dst.dtype:
        work.dst.write(i, j, work.a.read(i, j))
        return
    a = number(work.a, i, j)
    match work.op:
        case VectorOp.ADD | VectorOp.SUB | VectorOp.MUL | VectorOp.MAX | VectorOp.MIN:
            result = _binary(work.op, a, _second(work, i, j))
        case VectorOp.FMA:
            product = a * _second(work, i, j)
            result = number(work.dst, i, j) + product
        case VectorOp.MOV | VectorOp.EXP | VectorOp.TANH | VectorOp.ERF | VectorOp.RECIP | VectorOp.RSQRT:
            result = _unary(work.op, a)
        case _:
            assert_never(work.op)
    work.dst.write(i, j, narrow(result, work.dst.dtype))


def _second(work: VectorWork, i: int, j: int) -> np.float32:
    if work.b is None:
        raise ValueError(f"{work.op} needs two sources")
    return number(work.b, i, j)


def _binary(op: VectorOp, a: np.float32, b: np.float32) -> np.float32:
    match op:
        case VectorOp.ADD:
            return a + b
        case VectorOp.SUB:
            return a - b
        case VectorOp.MUL:
            return a * b
        case VectorOp.MAX:
            return maximum(a, b)
        case VectorOp.MIN:
            return minimum(a, b)
        case _:
            raise ValueError(f"{op} is not binary")


def _unary(op: VectorOp, a: np.float32) -> np.float32:
    match op:
        case VectorOp.MOV:
            return a
        case VectorOp.EXP:
            return functions.exp(a)
        case VectorOp.TANH:
            return functions.tanh(a)
        case VectorOp.ERF:
            return functions.erf(a)
        case VectorOp.RECIP:
            return functions.recip(a)
        case VectorOp.RSQRT:
            return functions.rsqrt(a)
        case _:
            raise ValueError(f"{op} is not unary")


def cost(work: VectorWork, target: Target) -> int:
    """Datapath slots of a vector instruction without fabric operands."""
    if work.empty:
        return target.vector_issue
    scalars = sum(isinstance(read, InMemory) and read.step_bytes == 0 for read in _reads(work))
    slots = target.vector_issue + scalars * target.load_cycles + (work.n0 - 1) * target.row_overhead
    if work.op in COSTED:
        return slots + work.n0 * work.n1 * target.cost_of(work.op)
    sources = tuple(s.dtype for s in (work.a, work.b) if s is not None and not isinstance(s, Immediate))
    width = target.widths.of(work.op, work.dst.dtype, sources)
    slots += sum(row_slots(_reads(work), i, work.n1, width, target) for i in range(work.n0))
    return slots + int(conflict(_reads(work), 0, 0, target))


def _reads(work: VectorWork) -> list[Operand]:
    """The operands that are read: a, b and, for `fma`, the destination."""
    reads = [work.a] if work.b is None else [work.a, work.b]
    return [*reads, work.dst] if work.op is VectorOp.FMA else reads


def row_slots(reads: list[Operand], row: int, n: int, width: int, target: Target) -> int:
    """Slots of the steps of a row of n elements."""
    return sum(2 if conflict(reads, row, j, target) else 1 for j in range(0, n, width))


def conflict(reads: list[Operand], row: int, j: int, target: Target) -> bool:
    """Whether two reads of the step that begins at element j of a row fall into the same bank group.

    What is held in a register does not count.
    """
    bank_bytes = target.sram_bytes // target.banks
    addresses = [read.at(row, j) for read in reads if isinstance(read, InMemory) and read.step_bytes != 0]
    groups = [address // bank_bytes % target.bank_groups for address in addresses]
    return len(set(groups)) < len(groups)
