"""Run a Graph in numpy: the oracle the mesh is verified against.

f32: everything in float32. f16 rounds to float16 at these points and no others, as the mesh does:
  * weights, biases, tables, position rows, gammas and betas, once;
  * every tensor that leaves a kernel (an activation that alone reads a linear belongs to that linear's kernel, so the
    sum reaches it unrounded), and features that enter;
  * attention weights, the largest of which is 1, before they are normalised.
Sums, biases, normalisation, softmax and the functions themselves are float32.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Activation, Add, Array, Attention, Embed, Graph, Linear, Norm, Op, View
from tulle_ir.graph_check import op_inputs
from tulle_ir.graph_math import activate, causal_attention, normalise

Precision = Literal["f32", "f16"]
Tensors = MutableMapping[str, Array]


def run_graph(
    graph: Graph, feed: np.ndarray, dtype: Precision = "f32", tensors: MutableMapping[str, list[Array]] | None = None
) -> Array:
    """The model's output in its ONNX shape, float32.

    `feed`: ids `[tokens]` or `[batch, tokens]`; or features of the shape `graph.input.axes`. When `tensors` is given,
    it receives every tensor by name, one `[tokens, width]` array per sequence. Raises BadInput on a bad feed.
    """
    sequences = _sequences(graph, feed)
    results = []
    for sequence in sequences:
        made = run_sequence(graph, sequence, dtype)
        results.append(made[graph.output.tensor][-1:] if graph.output.rows == "last" else made[graph.output.tensor])
        if tensors is not None:
            for name, value in made.items():
                tensors.setdefault(name, []).append(value)
    return _assemble(graph, results)


def run_sequence(graph: Graph, sequence: np.ndarray, dtype: Precision = "f32") -> dict[str, Array]:
    """All tensors of one sequence: ids `[tokens]` or features `[tokens, width]` in, `[tokens, width]` arrays out."""
    inner = fused_linears(graph.ops) if dtype == "f16" else frozenset()
    tensors: dict[str, Array] = {}
    if graph.input.kind == "features":
        tensors[graph.input.tensor] = _rounded(sequence.astype(np.float32), dtype)
    for op in graph.ops:
        result = _run_op(op, tensors, sequence, dtype)
        tensors[op.output] = result if op.output in inner else _rounded(result, dtype)
    return tensors


def fused_linears(ops: Iterable[Op]) -> frozenset[str]:
    """Outputs of linears whose only reader is an activation: kernel-internal tensors."""
    readers: dict[str, list[Op]] = {}
    ops = tuple(ops)
    for op in ops:
        for tensor in dict.fromkeys(op_inputs(op)):
            readers.setdefault(tensor, []).append(op)
    made_by_linear = (op.output for op in ops if isinstance(op, Linear))
    return frozenset(t for t in made_by_linear if [type(r) for r in readers.get(t, ())] == [Activation])


def _rounded(array: Array, dtype: Precision) -> Array:
    """The one rounding: to float16 and back, or nothing."""
    return array.astype(np.float16).astype(np.float32) if dtype == "f16" else array.astype(np.float32, copy=False)


def _run_op(op: Op, tensors: Tensors, ids: np.ndarray, dtype: Precision) -> Array:
    match op:
        case Embed():
            rows = _rounded(op.table[ids], dtype)
            return rows if op.positions is None else rows + _rounded(op.positions[: len(ids)], dtype)
        case Linear():
            weight = op.weight if op.scale is None else op.scale[:, None] * op.weight
            y = tensors[op.x] @ _rounded(weight, dtype)
            return y if op.bias is None else y + _rounded(op.bias, dtype)
        case Norm():
            beta = None if op.beta is None else _rounded(op.beta, dtype)
            return normalise(op.kind, tensors[op.x], _rounded(op.gamma, dtype), beta, op.eps).astype(np.float32)
        case Activation():
            return activate(op.kind, tensors[op.x]).astype(np.float32)
        case Attention():
            return _attend(op, tensors, dtype)
        case Add():
            return tensors[op.a] + tensors[op.b]
        case _:
            assert_never(op)


def _attend(op: Attention, tensors: Tensors, dtype: Precision) -> Array:
    """All heads, `[tokens, heads * head_dim]`."""
    heads = []
    for h in range(op.heads):
        q, k, v = (_head(tensors, view, h, op.head_dim) for view in (op.q, op.k, op.v))
        heads.append(causal_attention(q, k, v, op.scale, lambda weights: _rounded(weights, dtype)))
    return np.concatenate(heads, axis=1).astype(np.float32)


def _head(tensors: Tensors, view: View, head: int, head_dim: int) -> Array:
    start = view.offset + head * view.head_stride
    return tensors[view.tensor][:, start : start + head_dim]


def _sequences(graph: Graph, feed: np.ndarray) -> list[NDArray[np.generic]]:
    """The feed as a list of sequences, checked."""
    array = np.asarray(feed)
    ids = graph.input.kind == "ids"
    per_token = 0 if ids else 1
    if array.ndim not in (1 + per_token, 2 + per_token) or 0 in array.shape:
        raise BadInput(f"the feed has shape {array.shape}", where=f"input {graph.input.name!r}")
    batch = [array] if array.ndim == 1 + per_token else list(array)
    if graph.context is not None and batch[0].shape[0] > graph.context:
        what = f"{batch[0].shape[0]} tokens are more than the context of {graph.context}"
        raise BadInput(what, where=f"input {graph.input.name!r}")
    if ids and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= graph.input.width):
        raise BadInput(
            f"token ids must be integers from 0 to {graph.input.width - 1}", where=f"input {graph.input.name!r}"
        )
    if not ids and array.shape[-1] != graph.input.width:
        raise BadInput(f"{array.shape[-1]} features, not {graph.input.width}", where=f"input {graph.input.name!r}")
    return batch


def _assemble(graph: Graph, results: list[Array]) -> Array:
    """Sequences `[tokens, width]` as one array in the axes of the ONNX output."""
    axes = graph.output.axes
    if "batch" not in axes:
        stacked = np.concatenate(results, axis=0)
        lead = {"tokens": stacked.shape[0]}
    else:
        stacked = np.stack(results)
        lead = {"batch": stacked.shape[0], "tokens": stacked.shape[1]}
    sizes = {**lead, "features": stacked.shape[-1], "one": 1}
    return stacked.reshape([sizes[axis] for axis in axes])
