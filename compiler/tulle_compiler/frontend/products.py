"""Embedding lookups and matrix products with constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.frontend import layout as layouts
from tulle_compiler.frontend.binder import INPUT, Binder
from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.expressions import Base
from tulle_compiler.frontend.movement import Handler
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.scores import scores_of, weighted_values
from tulle_compiler.frontend.selection import gather_fixed
from tulle_compiler.frontend.values import Ids, Rows, Value, Weights
from tulle_ir.graph import Embed, Linear


def gather(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """A table looked up by the ids, or fixed positions of activations."""
    data, index = inputs[0], inputs[1]
    axis = node.integer("axis", 0)
    if isinstance(index, Const):
        return [gather_fixed(node, data, index, axis)]
    if not isinstance(data, Const) or not isinstance(index, Ids) or axis != 0 or data.array.ndim != 2:
        raise node.fail("it looks something up by values computed from the tokens")
    ids = Base(INPUT, 1)
    if binder.selection(layouts.reshape(index.layout, (*index.shape, 1)) or index.layout, ids, 1) != "all":
        raise node.fail("it looks up only part of the token ids")
    table = binder.weights.finite(data.array, node)
    if 0 in table.shape:
        raise node.fail(f"the embedding table is empty: {list(table.shape)}")
    base = binder.emit(Embed(INPUT, table, None, "", data.name, node.origin), table.shape[1])
    return [binder.rows_value(base, (*index.shape, table.shape[1]))]


def matmul(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """A linear layer, q k^T, or attention weights times v."""
    a, b = inputs[0], inputs[1]
    if isinstance(a, Rows) and isinstance(b, Const):
        return [_linear(binder, node, a, b, None, transposed=False, alpha=1.0)]
    if isinstance(a, Rows) and isinstance(b, Rows):
        return [scores_of(binder, node, a, b)]
    if isinstance(a, Weights) and isinstance(b, Rows):
        return [weighted_values(binder, node, a, b)]
    raise node.fail("a product of these operands is neither a linear layer nor attention")


def gemm(binder: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """A linear layer with alpha, beta and transposed operands."""
    a, b = inputs[0], inputs[1]
    c = inputs[2] if len(inputs) > 2 else None
    if not isinstance(a, Rows) or not isinstance(b, Const) or not (c is None or isinstance(c, Const)):
        raise node.fail("its weight and bias are not constants")
    if node.integer("transA", 0):
        a = Rows(layouts.transpose(a.layout, (1, 0)), a.expr)
    bias = None if c is None else Const(c.array * np.asarray(node.real("beta", 1.0), c.array.dtype), c.name)
    transposed = bool(node.integer("transB", 0))
    return [_linear(binder, node, a, b, bias, transposed=transposed, alpha=node.real("alpha", 1.0))]


def _linear(
    binder: Binder, node: Node, x: Rows, weight: Const, bias: Const | None, *, transposed: bool, alpha: float
) -> Rows:
    base = binder.tensor(x, node)
    array = weight.array
    if array.ndim > 2 and array.size == np.prod(array.shape[-2:]):
        array = array.reshape(array.shape[-2:])
    if array.ndim != 2 or 0 in array.shape:
        raise node.fail(f"its weight has the shape {list(array.shape)}")
    matrix = binder.weights.weight(array, node, transposed=transposed, gain=alpha)
    if matrix.shape[0] != base.width:
        raise node.fail(f"its weight {list(matrix.shape)} does not go with {base.width} features")
    vector = None if bias is None else _bias(binder, node, bias, matrix.shape[1])
    name = weight.name or ("" if bias is None else bias.name)
    made = Linear(base.tensor, matrix, vector, False, "", name, node.origin)
    shape = (*x.shape[:-1], matrix.shape[1])
    return binder.rows_value(binder.emit(made, matrix.shape[1], base.last), shape)


def _bias(binder: Binder, node: Node, bias: Const, width: int) -> np.ndarray | None:
    if bias.array.size not in (1, width) or bias.array.shape[-1:] not in ((), (1,), (width,)):
        raise node.fail(f"its bias {list(bias.array.shape)} does not go with {width} outputs")
    vector = np.broadcast_to(bias.array.reshape(-1), width)
    return binder.weights.nonzero(np.ascontiguousarray(binder.weights.finite(vector, node)))


HANDLERS: dict[str, Handler] = {"Gather": gather, "MatMul": matmul, "Gemm": gemm}
