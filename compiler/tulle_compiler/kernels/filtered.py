"""Linears that get no zeros: the ReLU in front of them filters its results where they are sent.

At chunk 1 a lane then carries, behind its header, a wavelet (feature, value) for every feature that is not zero, and an
end mark; features are numbered by their place in the lane. In a tile each wavelet runs the AXPYs of its column as it
arrives. Nothing is buffered, so the tiles of a column go in step as far as their queues let them.
"""

from __future__ import annotations

from dataclasses import replace

from tulle_compiler.kernels.builder import Columns, mem, vector, wait
from tulle_compiler.kernels.tiles import SET
from tulle_compiler.options import Precision
from tulle_ir.code import AxpyColumns, DType, Fabric, Instruction, Offset, Push, Reg
from tulle_ir.target import Target

SHARE = 0.5  # of a ReLU's results that are expected not to be zero: the compiler sees no activations
END_MARK = -1


def arrival_slots(nonzeros, inputs, outputs, precision: Precision, target: Target, share: float):
    """Slots of a tile for clearing its sums and for the AXPYs of the `share` of its columns that arrive."""
    width = target.widths.f16 if precision.accumulate is DType.F16 else target.widths.f32_move
    clear = target.vector_issue + -(-outputs // width)
    return clear + 1 + share * (inputs * max(1, target.axpy_issue) + nonzeros * (target.axpy_overhead + 1))


def arrival_code(x: Fabric, table: str, rows: Reg) -> list[Instruction]:
    """Y = the sums of the columns that arrive. No column is known to be the first, so the sums are cleared."""
    return [vector("mov", mem("Y"), 0.0, None, 1, rows), AxpyColumns(mem("Y", (1, 1)), table, x.queue)]


def unmarked(tiles: Columns) -> Columns:
    """Tiles whose entries all add."""
    return replace(tiles, row=tiles.row & (SET - 1))


def sparse(queue: Fabric, first: Reg | None = None) -> Fabric:
    """The queue as a destination that filters zeros; row 0 has the index `first`, or 0."""
    return Fabric(queue.queue, Offset(0, () if first is None else ((first, 1),)))


def end(queue: Fabric, thread: int) -> list[Instruction]:
    """End the list that `thread` sends last."""
    return [wait(thread), Push(queue.queue, END_MARK)]
