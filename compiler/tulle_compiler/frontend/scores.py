"""Attention: scores, what is done to them, and their product with the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tulle_compiler.frontend import layout as layouts
from tulle_compiler.frontend.binder import Binder
from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.expressions import Base, Expr, base_of, is_elementwise
from tulle_compiler.frontend.layout import Layout, strided
from tulle_compiler.frontend.masks import check_causal, masked, replaced, times
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.recognise import Affine, recognise
from tulle_compiler.frontend.values import Rows, Scores, Value, Weights
from tulle_ir.graph import Attention, View

_CLAMP = -1e30


def scores_of(binder: Binder, node: Node, q: Rows, k: Rows) -> Scores:
    """q `[..., tokens, head_dim]` times k `[..., head_dim, tokens]`."""
    rank = len(q.shape)
    if rank < 3 or len(k.shape) != rank or q.shape[:-2] != k.shape[:-2] or q.shape[-1] != k.shape[-2]:
        raise node.fail(f"it multiplies activations of shapes {list(q.shape)} and {list(k.shape)}")
    swapped = layouts.transpose(k.layout, (*range(rank - 2), rank - 1, rank - 2))
    q_view, heads, q_scale = _heads(binder, node, q.layout, q.expr)
    k_view, _, k_scale = _heads(binder, node, swapped, k.expr)
    shape = (*q.shape[:-1], k.shape[-1])
    return Scores(shape, q_view, k_view, heads, q.shape[-1], q_scale * k_scale, None)


def _heads(binder: Binder, node: Node, layout: Layout, expr: Expr) -> tuple[View, int, float]:
    """The view, number of heads and factor of `[..., tokens, head_dim]` features."""
    base, factor = _scaled(binder, node, expr)
    *lead, tokens, head_dim = layout.shape
    heads = int(np.prod(lead)) // binder.batch
    four = layouts.reshape(layout, (binder.batch, heads, tokens, head_dim))
    if tokens != binder.tokens or four is None or base.last:
        raise node.fail(
            f"queries, keys or values of shape {list(layout.shape)} do not cover the {binder.tokens} tokens"
        )
    stride = four.axes[1][0][1] if len(four.axes[1]) == 1 else head_dim
    wanted = ((binder.batch, tokens * base.width), (heads, stride), (tokens, base.width), (head_dim, 1))
    if four != strided(four.offset, wanted) or not 0 < stride < base.width * tokens:
        raise node.fail("its heads do not lie evenly in the features (grouped-query attention is not supported yet)")
    return View(base.tensor, four.offset, stride), heads, factor


def _scaled(binder: Binder, node: Node, expr: Expr) -> tuple[Base, float]:
    """A tensor and the factor it is multiplied by."""
    if expr.resolved is None and is_elementwise(expr):
        found = recognise(expr, base_of(expr).width)
        if isinstance(found, Affine) and found.gain.size == 1 and not found.shift.any():
            return base_of(expr), float(found.gain[0])
    return binder.resolve(expr, node), 1.0


def arithmetic(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Add, Sub, Mul, Div, Max of scores and a constant."""
    a, b = inputs
    scores, const, flipped = (a, b, False) if isinstance(a, Scores) else (b, a, True)
    if not isinstance(scores, Scores) or not isinstance(const, Const):
        raise node.fail("it combines attention scores with another activation")
    factor = const.scalar
    match node.op:
        case "Mul" | "Div" if factor is not None and not (node.op == "Div" and (flipped or factor == 0)):
            gain = factor if node.op == "Mul" else 1 / factor
            mask = None if scores.mask is None else times(scores.mask, gain)
            return [replace(scores, scale=scores.scale * gain, mask=mask)]
        case "Add" | "Sub" if node.op == "Add" or not flipped:
            arrays = (const.array, scores.mask)
            return [replace(scores, mask=binder.once(node.op, arrays, lambda: masked(node, scores, const.array)))]
        case "Max" if factor is not None and factor <= _CLAMP:
            return [scores]
        case _:
            raise node.fail("it changes attention scores in a way not understood")


def where(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Where on a constant condition: hides scores, or chooses a side as a whole."""
    condition, a, b = inputs
    if not isinstance(condition, Const):
        raise node.fail("its condition depends on the token values")
    if condition.array.all():
        return [a]
    if not condition.array.any():
        return [b]
    scores, fill, hidden = (a, b, ~condition.array.astype(bool)) if isinstance(a, Scores) else (b, a, condition.array)
    if not isinstance(scores, Scores) or not isinstance(fill, Const):
        raise node.fail("it picks among activations in a way not understood")
    arrays = (condition.array, fill.array, scores.mask)
    side = "first" if hidden is condition.array else "second"
    mask = binder.once(side, arrays, lambda: replaced(node, scores, hidden, fill.array))
    return [replace(scores, mask=mask)]


def softmax(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Softmax over the keys, of scores with a causal mask."""
    scores = inputs[0]
    if not isinstance(scores, Scores):
        raise node.fail("a softmax of something other than attention scores is not supported")
    rank = len(scores.shape)
    if node.integer("axis", -1 if node.version >= 13 else 1) % rank != rank - 1:
        raise node.fail("the softmax does not run over the keys")
    binder.once("causal", (scores.mask,), lambda: check_causal(node, scores.mask, binder.tokens))
    return [Weights(scores)]


def is_nan(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Softmax of a causal row is never NaN: position t sees itself."""
    if not isinstance(inputs[0], Weights):
        raise node.fail("it tests activations for NaN")
    return [Const(np.broadcast_to(np.False_, inputs[0].shape))]


def weighted_values(binder: Binder, node: Node, weights: Weights, v: Rows) -> Rows:
    """The attention operator: weights `[..., tokens, tokens]` times v `[..., tokens, head_dim]`."""
    scores = weights.scores
    view, heads, factor = _heads(binder, node, v.layout, v.expr)
    if heads != scores.heads or v.shape[-1] != scores.head_dim:
        raise node.fail(f"{heads} value heads of {v.shape[-1]} do not go with {scores.heads} of {scores.head_dim}")
    if factor != 1.0:
        view = replace(view, tensor=binder.resolve(v.expr, node).tensor)
    made = Attention(scores.q, scores.k, view, heads, scores.head_dim, float(np.float32(scores.scale)), "")
    width = heads * scores.head_dim
    base = binder.emit(replace(made, origin=node.origin), width)
    per_head = (
        (binder.batch, binder.tokens * width),
        (heads, scores.head_dim),
        (binder.tokens, width),
        (scores.head_dim, 1),
    )
    layout = layouts.reshape(strided(0, per_head), v.shape)
    assert layout is not None
    return Rows(layout, binder.leaf(base))


HANDLERS = {"Softmax": softmax, "Where": where, "IsNaN": is_nan}
