"""What instructions and hops cost in cycles (docs/machine.md, sections 2 and 5), for the cost models of the kernels."""

from __future__ import annotations

from tulle_ir.code import DType
from tulle_ir.target import Target


def block(target: Target, rows: float, elements: int, width: int, cost: int = 1, scalars: int = 0) -> float:
    """A vector instruction over `rows` rows of `elements` elements, `width` a cycle, or `cost` cycles each; `scalars`:
    operands that are one element per row."""
    steps = -(-elements // width) * cost
    return target.vector_issue + scalars * target.load_cycles + rows * (steps + target.row_overhead)


def product_width(target: Target, source: DType) -> int:
    """Elements per cycle of `mul` and `fma` with sources of this type and an f32 result."""
    return target.widths.f16_to_f32 if source is DType.F16 else target.widths.f32_multiply


def sum_width(target: Target, source: DType) -> int:
    """Elements per cycle of `builder.add_to` with values of this type."""
    return target.widths.f16_to_f32 if source is DType.F16 else target.widths.f32_move


def hop_cycles(target: Target) -> int:
    """Cycles from one PE of a chain to the next: up its ramp, over a link, down the other's ramp, and through it."""
    return 2 * target.ramp_cycles + 2
