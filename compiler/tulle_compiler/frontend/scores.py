"""Attention: scores, what is done to them, and the proof that the mask is causal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tulle_compiler.frontend import layout as layouts
from tulle_compiler.frontend.binder import Binder
from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.expressions import Base, Expr, base_of, is_elementwise
from tulle_compiler.frontend.layout import Layout, strided
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.recognise import Affine, recognise
from tulle_compiler.frontend.values import Rows, Scores, Value, Weights
from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Attention, View


class NotCausal(BadInput):
    """Attention that is not plain causal attention: at no length can it be taken."""


NEGLIGIBLE = -1e4  # a score this low has weight zero in float32: exp(-10000) is 0
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
            mask = None if scores.mask is None else _times(scores.mask, gain)
            return [replace(scores, scale=scores.scale * gain, mask=mask)]
        case "Add" | "Sub" if node.op == "Add" or not flipped:
            arrays = (const.array, scores.mask)
            return [replace(scores, mask=binder.once(node.op, arrays, lambda: _masked(node, scores, const.array)))]
        case "Max" if factor is not None and factor <= _CLAMP:
            return [scores]
        case _:
            raise node.fail("it changes attention scores in a way not understood")


def _times(mask: np.ndarray, gain: float) -> np.ndarray:
    """mask * gain, 0 staying 0."""
    with np.errstate(all="ignore"):
        return np.where(mask == 0, np.float32(0), mask * np.float32(gain))


def _plane(node: Node, scores: Scores, array: np.ndarray) -> np.ndarray:
    """A mask as `[tokens, tokens]`, when it is the same for all heads and sequences."""
    try:
        full = np.broadcast_to(array, scores.shape)
    except ValueError as error:
        raise node.fail(f"a mask of shape {list(array.shape)} on scores {list(scores.shape)}") from error
    lead = array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else array[None]
    if len(lead) > 1 and not all(np.array_equal(plane, lead[0]) for plane in lead[1:]):
        raise node.fail("the mask differs between heads or sequences (ALiBi, padding?), which is not supported")
    return full[(0,) * (full.ndim - 2)]


def _masked(node: Node, scores: Scores, array: np.ndarray) -> np.ndarray:
    """The mask after adding (or subtracting) a constant."""
    with np.errstate(all="ignore"):
        plane = _plane(node, scores, array).astype(np.float32) * np.float32(1 if node.op == "Add" else -1)
        return plane if scores.mask is None else scores.mask + plane


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
    mask = binder.once(side, arrays, lambda: _replaced(node, scores, hidden, fill.array))
    return [replace(scores, mask=mask)]


def _replaced(node: Node, scores: Scores, hidden: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """The mask after replacing the scores where `hidden` by `fill`."""
    plane = _plane(node, scores, fill).astype(np.float32)
    chosen = _plane(node, scores, hidden).astype(bool)
    if np.any(chosen & (plane > NEGLIGIBLE)):
        raise node.fail(f"it replaces attention scores by {float(plane.max())}, which does not hide them")
    return np.where(chosen, plane, np.float32(0) if scores.mask is None else scores.mask)


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


def check_causal(node: Node, mask: np.ndarray | None, tokens: int) -> None:
    """Position t must see exactly 0 to t; raises BadInput with the first position that does not."""
    length = f"at length {tokens}"
    if mask is None:
        mask = np.zeros((tokens, tokens), np.float32)
    allowed = np.tri(tokens, dtype=bool)
    hidden = mask <= NEGLIGIBLE
    leak = _first(~allowed & ~hidden)
    if leak is not None:
        what = f"the attention is not causal: {length}, position {leak[0]} sees position {leak[1]}"
        raise NotCausal(what, where=node.where, remedy="only causal (GPT-like) attention is supported")
    gap = _first(allowed & (hidden | np.isnan(mask)))
    if gap is not None:
        what = f"the attention hides earlier tokens: {length}, position {gap[0]} does not see {gap[1]}"
        raise NotCausal(what, where=node.where, remedy="sliding windows and padding are not supported")
    bias = _first(allowed & (mask != 0))
    if bias is not None:
        what = f"the attention adds a position-dependent bias to its scores: {length}, position {bias[0]} on {bias[1]}"
        raise NotCausal(what, where=node.where)


def _first(where_true: np.ndarray) -> tuple[int, int] | None:
    """The first true place, row by row."""
    flat = int(np.argmax(where_true))
    row, column = divmod(flat, where_true.shape[1])
    return (row, column) if where_true[row, column] else None


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
