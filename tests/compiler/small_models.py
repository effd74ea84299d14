"""Small Graphs for compiler tests, of any dimensions, with seeded weights."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from tulle_ir.graph import Graph, View
from tulle_ir.graph_build import GraphBuilder


def weights(rng: np.random.Generator, shape: tuple[int, int], sparsity: float) -> np.ndarray:
    """Normal weights [in, out], the smallest `sparsity` share of them zero."""
    w = (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
    w[np.abs(w) < np.quantile(np.abs(w), sparsity)] = 0
    return w


@cache
def matmul(inputs: int, outputs: int, sparsity: float = 0.5, bias: bool = False, seed: int = 0) -> Graph:
    """y = x @ w (+ b)."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder.features(inputs)
    added = rng.standard_normal(outputs).astype(np.float32) if bias else None
    return b.build(b.linear("in", weights(rng, (inputs, outputs), sparsity), added))


@cache
def mlp(widths: tuple[int, ...], kind: str = "relu", sparsity: float = 0.5, seed: int = 0) -> Graph:
    """Linears with an activation between them."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder.features(widths[0])
    x = "in"
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        x = b.linear(x, weights(rng, (inputs, outputs), sparsity), rng.standard_normal(outputs).astype(np.float32))
        if index < len(widths) - 2:
            x = b.activation(x, kind)  # type: ignore[arg-type]
    return b.build(x)


@cache
def gpt(
    width: int = 24,
    heads: int = 3,
    blocks: int = 2,
    vocabulary: int = 37,
    context: int = 19,
    hidden: int = 53,
    sparsity: float = 0.6,
    activation: str = "gelu_tanh",
    seed: int = 0,
) -> Graph:
    """A GPT-2: learned positions, pre-LayerNorm blocks, tied head. `width` must divide by `heads`."""
    rng = np.random.default_rng(seed)

    def vector(n: int, mean: float = 0.0) -> np.ndarray:
        return (mean + 0.1 * rng.standard_normal(n)).astype(np.float32)

    table = rng.standard_normal((vocabulary, width)).astype(np.float32)
    b, dim = GraphBuilder.ids(vocabulary, context), width // heads
    x = b.embed(table, rng.standard_normal((context, width)).astype(np.float32))
    for _ in range(blocks):
        h = b.norm(x, vector(width, 1), vector(width))
        qkv = b.linear(h, weights(rng, (width, 3 * width), sparsity), vector(3 * width))
        a = b.attention(View(qkv, 0, dim), View(qkv, width, dim), View(qkv, 2 * width, dim), heads, dim)
        x = b.add(x, b.linear(a, weights(rng, (width, width), sparsity), vector(width)))
        h = b.norm(x, vector(width, 1), vector(width))
        h = b.linear(h, weights(rng, (width, hidden), sparsity), vector(hidden))
        h = b.activation(h, activation)  # type: ignore[arg-type]
        x = b.add(x, b.linear(h, weights(rng, (hidden, width), sparsity), vector(width)))
    x = b.norm(x, vector(width, 1), vector(width))
    return b.build(b.linear(x, np.ascontiguousarray(table.T), tied=True))
