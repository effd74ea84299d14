"""Norms give away their gamma and beta: a linear that reads normalised values takes them up.

`(x * gamma + beta) @ w + b` is `x @ (gamma * w) + (beta @ w + b)`. So norms only normalise, which makes their kernels a
third shorter, and no zero weight becomes another number. What is rounded to f16 is then gamma * w, once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tulle_ir.graph import Graph, Linear, Norm, Op
from tulle_ir.graph_check import op_inputs


def fold_norms(graph: Graph) -> Graph:
    """The same function with plain norms wherever linears alone read them. Weights are not copied."""
    norms = {op.output: op for op in graph.ops if isinstance(op, Norm) and op.output != graph.output.tensor}
    for op in graph.ops:
        if not isinstance(op, Linear) or op.scale is not None:
            for tensor in op_inputs(op):
                norms.pop(tensor, None)
    return replace(graph, ops=tuple(_folded(op, norms) for op in graph.ops))


def _folded(op: Op, norms: dict[str, Norm]) -> Op:
    """A norm without its parameters, a linear with those of the norm it reads."""
    if isinstance(op, Norm) and op.output in norms:
        return replace(op, gamma=np.ones_like(op.gamma), beta=None)
    if isinstance(op, Linear) and op.x in norms:
        norm = norms[op.x]
        shift = None if norm.beta is None else norm.beta @ op.weight
        bias = shift if op.bias is None else op.bias if shift is None else op.bias + shift
        return replace(op, scale=norm.gamma, bias=bias)
    return op
