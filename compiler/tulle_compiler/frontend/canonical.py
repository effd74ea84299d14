"""From the operators of one binding to a canonical Graph: live ones only, renumbered by structure, named, tied."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from tulle_compiler.frontend.bind import Bound
from tulle_compiler.frontend.binder import INPUT
from tulle_compiler.frontend.naming import readable_names
from tulle_compiler.frontend.weights import WeightStore
from tulle_ir.graph import Activation, Add, Array, Attention, Embed, Linear, Norm, Op
from tulle_ir.graph_check import op_inputs


def canonical_ops(bound: Bound) -> tuple[tuple[Op, ...], str]:
    """Operators the output needs, named t0, t1, ..., and the output tensor."""
    depth = _depths(bound.binder.ops)
    ops = {name: _ordered(op, depth) for name, op in bound.binder.ops.items()}
    order = _post_order(ops, bound.output.tensor)
    names = {old: f"t{i}" for i, old in enumerate(order)} | {INPUT: INPUT}
    renamed = [_renamed(ops[old], names) for old in order]
    tied = _tied(renamed, bound.binder.weights)
    readable = readable_names(tied)
    final = tuple(replace(op, name=name) for op, name in zip(tied, readable, strict=True))
    return final, names[bound.output.tensor]


def _depths(ops: dict[str, Op]) -> dict[str, int]:
    """Longest path from the input to each tensor."""
    depth = {INPUT: 0}
    for name, op in ops.items():
        depth[name] = 1 + max(depth[tensor] for tensor in op_inputs(op))
    return depth


def _ordered(op: Op, depth: dict[str, int]) -> Op:
    """A sum with the operand that is ready first in front."""
    if isinstance(op, Add) and depth[op.b] < depth[op.a]:
        return replace(op, a=op.b, b=op.a)
    return op


def _post_order(ops: dict[str, Op], output: str) -> list[str]:
    """Operators the output needs, operands first, left to right."""
    order: list[str] = []
    seen: set[str] = {INPUT}
    stack = [(output, False)]
    while stack:
        name, leaving = stack.pop()
        if leaving:
            order.append(name)
        elif name not in seen:
            seen.add(name)
            stack.append((name, True))
            stack.extend((tensor, False) for tensor in reversed(op_inputs(ops[name])))
    return order


def _renamed(op: Op, names: dict[str, str]) -> Op:
    output = names[op.output]
    match op:
        case Embed():
            return replace(op, ids=names[op.ids], output=output)
        case Linear():
            return replace(op, x=names[op.x], output=output)
        case Norm():
            return replace(op, x=names[op.x], output=output)
        case Activation():
            return replace(op, x=names[op.x], output=output)
        case Attention():
            q, k, v = (replace(view, tensor=names[view.tensor]) for view in (op.q, op.k, op.v))
            return replace(op, q=q, k=k, v=v, output=output)
        case Add():
            return replace(op, a=names[op.a], b=names[op.b], output=output)
        case _:
            assert_never(op)


def _tied(ops: list[Op], weights: WeightStore) -> list[Op]:
    """Linears whose weight is a transposed embedding table share its array, and say so."""
    tables = [op.table for op in ops if isinstance(op, Embed)]
    return [_tie(op, tables, weights) if isinstance(op, Linear) else op for op in ops]


def _tie(op: Linear, tables: list[Array], weights: WeightStore) -> Linear:
    for table in tables:
        if weights.is_transpose(op.weight, table):
            return replace(op, weight=weights.transposed(table), tied=True)
    return op
