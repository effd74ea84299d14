"""Widths of a Graph's tensors, and its invariants.

1. Every tensor is made once, before it is used; the input is `in`.   2. Weight shapes agree with the widths.
3. Views stay inside their tensors.   4. Names are unique.   5. Weights are float32 and finite.
6. An ids input feeds Embed operators only; tables have one row per token id and `context` position rows.
7. `tied` linears are transposed tables.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np

from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Activation, Add, Attention, Embed, Graph, Linear, Norm, Op, View


def op_inputs(op: Op) -> tuple[str, ...]:
    """Tensors an operator reads, in operand order (an attention may name one tensor three times)."""
    match op:
        case Embed():
            return (op.ids,)
        case Linear() | Norm() | Activation():
            return (op.x,)
        case Attention():
            return (op.q.tensor, op.k.tensor, op.v.tensor)
        case Add():
            return (op.a, op.b)
        case _:
            assert_never(op)


def op_arrays(op: Op) -> dict[str, np.ndarray]:
    """Bulk numbers of an operator by field name; absent ones are left out."""
    match op:
        case Embed():
            arrays = {"table": op.table, "positions": op.positions}
        case Linear():
            arrays = {"scale": op.scale, "weight": op.weight, "bias": op.bias}
        case Norm():
            arrays = {"gamma": op.gamma, "beta": op.beta}
        case Activation() | Attention() | Add():
            arrays = {}
        case _:
            assert_never(op)
    return {key: value for key, value in arrays.items() if value is not None}


def op_width(op: Op, widths: dict[str, int]) -> int:
    """Features per token of an operator's output, from the widths of its inputs."""
    match op:
        case Embed():
            return op.table.shape[1]
        case Linear():
            return op.weight.shape[1]
        case Norm() | Activation():
            return widths[op.x]
        case Attention():
            return op.heads * op.head_dim
        case Add():
            return widths[op.a]
        case _:
            assert_never(op)


def tensor_widths(graph: Graph) -> dict[str, int]:
    """Features per token of every tensor; the ids input has width 1."""
    widths = {graph.input.tensor: 1 if graph.input.kind == "ids" else graph.input.width}
    for op in graph.ops:
        widths[op.output] = op_width(op, widths)
    return widths


def check_graph(graph: Graph) -> None:
    """Raise BadInput naming the operator that breaks an invariant."""
    widths = {graph.input.tensor: 1 if graph.input.kind == "ids" else graph.input.width}
    names: set[str] = set()
    for op in graph.ops:
        for tensor in op_inputs(op):
            _require(tensor in widths, op, f"reads {tensor}, which no earlier operator makes")
        _require(op.output not in widths, op, f"makes {op.output} a second time")
        _require(op.name not in names, op, f"the name {op.name!r} is used twice")
        _check_op(op, graph, widths)
        for key, array in op_arrays(op).items():
            _require(array.dtype == np.float32, op, f"{key} is {array.dtype}, not float32")
        names.add(op.name)
        widths[op.output] = op_width(op, widths)
    if graph.output.tensor not in widths:
        raise BadInput(f"the output tensor {graph.output.tensor} is never made")


def _require(holds: bool, op: Op, what: str) -> None:
    if not holds:
        raise BadInput(what, where=f"operator {op.name!r}")


def _check_op(op: Op, graph: Graph, widths: dict[str, int]) -> None:
    """Shapes of one operator against the widths of its inputs."""
    match op:
        case Embed():
            _require(
                graph.input.kind == "ids" and op.ids == graph.input.tensor, op, "looks up something other than ids"
            )
            _require(op.table.shape[0] == graph.input.width, op, "the table has not one row per token id")
            rows = (graph.context, op.table.shape[1])
            _require(op.positions is None or op.positions.shape == rows, op, f"position rows are not {rows}")
        case Linear():
            _require(
                op.weight.ndim == 2 and op.weight.shape[0] == widths[op.x],
                op,
                f"weight is {op.weight.shape}, input {widths[op.x]} wide",
            )
            _require(op.scale is None or op.scale.shape == op.weight.shape[:1], op, "scale does not match the weight")
            _require(op.bias is None or op.bias.shape == op.weight.shape[1:], op, "bias does not match the weight")
        case Norm():
            _require(op.gamma.shape == (widths[op.x],), op, "gamma does not match the input")
            _require(op.beta is None or op.beta.shape == op.gamma.shape, op, "beta does not match gamma")
        case Attention():
            for view in (op.q, op.k, op.v):
                _require(_inside(view, op, widths[view.tensor]), op, f"{view} leaves its tensor")
        case Add():
            _require(widths[op.a] == widths[op.b], op, f"operands are {widths[op.a]} and {widths[op.b]} wide")
        case Activation():
            pass
        case _:
            assert_never(op)


def _inside(view: View, op: Attention, width: int) -> bool:
    """Whether all heads of a view lie inside a tensor of `width` columns."""
    return view.offset >= 0 and view.offset + (op.heads - 1) * view.head_stride + op.head_dim <= width
