"""Elementwise operators and row statistics on features: they grow expressions; sums of two tensors become joins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tulle_compiler.frontend.binder import Binder
from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.expressions import FUNCTIONS, REDUCTIONS, Base, base_of
from tulle_compiler.frontend.layout import contiguous
from tulle_compiler.frontend.movement import Handler, axes_of, reshaped
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.values import Rows, Value
from tulle_ir.graph import Add, Embed, Linear, Norm

UNARY = frozenset({"Sqrt", "Reciprocal", "Neg", "Abs", "Exp", "Log", "Tanh", "Erf", "Sigmoid", "Relu", "Swish", "Gelu"})
BINARY = frozenset(FUNCTIONS) - UNARY


def unary(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """An elementwise function of one tensor."""
    x = _rows(inputs[0], node)
    return [Rows(x.layout, binder.apply(node, (x.expr,), x.expr.width))]


def binary(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """An elementwise function of two: with a constant, within one tensor, or the sum of two tensors."""
    if len(inputs) != 2:
        raise node.fail(f"it has {len(inputs)} operands")
    a, b = inputs
    if isinstance(b, Const):
        return [_with_constant(binder, node, _rows(a, node), b, flipped=False)]
    if isinstance(a, Const):
        return [_with_constant(binder, node, _rows(b, node), a, flipped=True)]
    return [_with_tensor(binder, node, _rows(a, node), _rows(b, node))]


def _rows(value: Value, node: Node) -> Rows:
    if isinstance(value, Rows):
        return value
    raise node.fail("it computes on token ids or attention weights in a way not understood")


def _with_constant(binder: Binder, node: Node, x: Rows, const: Const, *, flipped: bool) -> Rows:
    if const.array.size == 1:
        if const.array.ndim > len(x.shape):
            x = _promoted(x, const.array.ndim, node)
        args = (x.expr, binder.constant(const))
        return Rows(x.layout, binder.apply(node, args[::-1] if flipped else args, x.expr.width))
    shape = _broadcast(node, x.shape, const.array.shape)
    x = _promoted(x, len(shape), node)
    if binder.selection(x.layout, base_of(x.expr), x.expr.width) is None:
        raise node.fail("it combines rearranged features with a constant that is not a single number")
    vector = _row_vector(const, shape)
    if vector is None:
        return _add_positions(binder, node, x, const, shape)
    if node.op == "Add" and isinstance(binder.ops.get(base_of(x.expr).tensor), Linear) and x.expr.op == "base":
        return _add_bias(binder, node, x, vector, shape)
    args = (x.expr, binder.constant(vector))
    layout = x.layout if x.shape == shape else contiguous(shape)
    return Rows(layout, binder.apply(node, args[::-1] if flipped else args, shape[-1]))


def _broadcast(node: Node, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError as error:
        raise node.fail(f"shapes {list(a)} and {list(b)} do not go together") from error


def _promoted(x: Rows, rank: int, node: Node) -> Rows:
    """The rows with leading axes of size 1 up to `rank`."""
    if len(x.shape) >= rank:
        return x
    value = reshaped(x, (1,) * (rank - len(x.shape)) + x.shape, node)
    assert isinstance(value, Rows)
    return value


def _row_vector(const: Const, shape: tuple[int, ...]) -> Const | None:
    """The constant as one row `[width]`, if it is the same for all rows."""
    array = const.array
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    if len(rows) > 1 and not np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape)):
        return None
    return Const(np.broadcast_to(rows[0], shape[-1:]), const.name)


def _add_bias(binder: Binder, node: Node, x: Rows, vector: Const, shape: tuple[int, ...]) -> Rows:
    base = binder.tensor(x, node)
    linear = binder.ops[base.tensor]
    assert isinstance(linear, Linear)
    bias = binder.weights.finite(vector.array, node)
    bias = bias if linear.bias is None else linear.bias + bias
    made = replace(linear, bias=binder.weights.nonzero(bias), name=_better_name(linear.name, vector.name))
    return binder.rows_value(binder.emit(made, base.width, base.last), shape)


def _better_name(weight: str, bias: str) -> str:
    """The one that looks like a module's parameter; exporters rename weights they transpose."""
    return bias if "." in bias and not weight.endswith(".weight") else weight


def _add_positions(binder: Binder, node: Node, x: Rows, const: Const, shape: tuple[int, ...]) -> Rows:
    """A constant that differs from token to token: position rows, if it is added to embeddings."""
    base = binder.tensor(x, node)
    embed = binder.ops.get(base.tensor)
    rows = np.broadcast_to(const.array, shape)
    whole = rows.size == base.width * binder.batch * binder.tokens
    if node.op != "Add" or not isinstance(embed, Embed) or base.last or not whole:
        raise node.fail("it combines activations with a constant that depends on the position")
    rows = rows.reshape(binder.batch, binder.tokens, base.width)
    if not np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape)):
        raise node.fail("position rows differ between the sequences of a batch")
    positions = np.ascontiguousarray(binder.weights.finite(rows[0], node))
    if embed.positions is not None:
        positions = embed.positions + positions
    return binder.rows_value(binder.emit(replace(embed, positions=positions, origin=embed.origin), base.width), shape)


def _with_tensor(binder: Binder, node: Node, a: Rows, b: Rows) -> Rows:
    shape = _broadcast(node, a.shape, b.shape)
    a, b = _promoted(a, len(shape), node), _promoted(b, len(shape), node)
    if base_of(a.expr).tensor == base_of(b.expr).tensor:
        return _within_tensor(binder, node, a, b, shape)
    if node.op != "Add":
        raise node.fail(f"{node.op} of two different activations is not supported")
    if a.shape != b.shape:
        raise node.fail(f"it adds activations of shapes {list(a.shape)} and {list(b.shape)}")
    left, right = binder.tensor(a, node), binder.tensor(b, node)
    return binder.rows_value(join(binder, node, left, right), shape)


def join(binder: Binder, node: Node, left: Base, right: Base) -> Base:
    """The sum of two tensors."""
    if left.last != right.last or left.width != right.width:
        raise node.fail("it adds activations of different tokens")
    return binder.emit(Add(left.tensor, right.tensor, "", origin=node.origin), left.width, left.last)


def _within_tensor(binder: Binder, node: Node, a: Rows, b: Rows, shape: tuple[int, ...]) -> Rows:
    """Both operands are functions of the same rows (x - mean(x), say)."""
    selections = {binder.selection(v.layout, base_of(v.expr), v.expr.width) for v in (a, b)}
    wide = a if a.shape == shape else b
    if (len(selections) != 1 or None in selections or wide.shape != shape) and a.layout != b.layout:
        raise node.fail("it combines differently arranged parts of one tensor")
    return Rows(wide.layout, binder.apply(node, (a.expr, b.expr), wide.expr.width))


def reduction(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """ReduceMean or ReduceSum over the features."""
    x = _rows(inputs[0], node)
    axes = axes_of(node, inputs)
    if axes is None or [axis % len(x.shape) for axis in axes] != [len(x.shape) - 1]:
        raise node.fail("it reduces over something other than the features")
    if binder.selection(x.layout, base_of(x.expr), x.expr.width) != "all":
        raise node.fail("it reduces rearranged features")
    kept = (*x.shape[:-1], 1) if node.integer("keepdims", 1) else x.shape[:-1]
    return [Rows(contiguous(kept), binder.apply(node, (x.expr,), 1))]


def norm(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """LayerNormalization and RMSNormalization."""
    base = binder.tensor(inputs[0], node)
    rank = len(_rows(inputs[0], node).shape)
    if node.integer("axis", -1) % rank != rank - 1:
        raise node.fail("it normalises over more than the features")
    gamma, *rest = (_vector(binder, node, value, base.width) for value in inputs[1:] if value is not None)
    beta = binder.weights.nonzero(rest[0]) if rest else None
    kind = "layer" if node.op == "LayerNormalization" else "rms"
    name = inputs[1].name if isinstance(inputs[1], Const) else ""
    made = Norm(base.tensor, kind, gamma, beta, node.real("epsilon", 1e-5), "", name, node.origin)
    return [binder.rows_value(binder.emit(made, base.width, base.last), _rows(inputs[0], node).shape)]


def _vector(binder: Binder, node: Node, value: Value, width: int) -> np.ndarray:
    """A parameter `[width]`; one number stands for all."""
    if not isinstance(value, Const) or value.array.size not in (1, width):
        raise node.fail(f"its scale or bias is not a constant of {width} numbers")
    vector = binder.weights.finite(value.array, node).reshape(-1)
    return vector if vector.size == width else np.full(width, vector[0], np.float32)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), norm),
}
