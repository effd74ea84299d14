"""Heads with linears of their own, concatenated: merged into one attention on concatenated weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.frontend.binder import Binder
from tulle_compiler.frontend.movement import Handler
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.values import Rows, Value
from tulle_ir.graph import Attention, Linear, View


def concat(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Concat of attention outputs along the features, each from linears of one common input."""
    rows = [value for value in inputs if isinstance(value, Rows)]
    rank = len(rows[0].shape) if rows else 0
    if len(rows) != len(inputs) or node.integer("axis", 0) % max(rank, 1) != rank - 1:
        raise node.fail("it concatenates activations with something else, or along the tokens")
    heads = [binder.ops.get(binder.tensor(value, node).tensor) for value in rows]
    first = heads[0]
    attentions = [op for op in heads if isinstance(op, Attention)]
    if len(attentions) != len(heads) or not isinstance(first, Attention):
        raise node.fail("it concatenates activations other than attention heads")
    if any((op.scale, op.head_dim) != (first.scale, first.head_dim) for op in attentions):
        raise node.fail("it concatenates attention heads of different sizes or scales")
    q, k, v = ([getattr(op, role) for op in attentions] for role in ("q", "k", "v"))
    size, width = first.head_dim, len(attentions) * first.head_dim
    views = (_merged(binder, node, q, size), _merged(binder, node, k, size), _merged(binder, node, v, size))
    made = Attention(*views, len(attentions), size, first.scale, "", origin=first.origin)
    base = binder.emit(made, width)
    return [binder.rows_value(base, (*rows[0].shape[:-1], width))]


def _merged(binder: Binder, node: Node, views: list[View], head_dim: int) -> View:
    """One linear for all heads' queries (or keys, or values)."""
    linears = [binder.ops.get(view.tensor) for view in views]
    found = [op for op in linears if isinstance(op, Linear) and op.weight.shape[1] == head_dim]
    if len(found) != len(views) or len({op.x for op in found}) != 1:
        raise node.fail("the concatenated heads are not made by one linear each, from the same input")
    weight = np.concatenate([op.weight for op in found], axis=1)
    parts = [np.zeros(head_dim, np.float32) if op.bias is None else op.bias for op in found]
    bias = binder.weights.nonzero(np.concatenate(parts))
    base = binder.emit(Linear(found[0].x, weight, bias, False, "", "", found[0].origin), weight.shape[1])
    return View(base.tensor, 0, head_dim)


HANDLERS: dict[str, Handler] = {"Concat": concat}
