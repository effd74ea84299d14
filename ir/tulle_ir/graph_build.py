"""Build Graphs by hand, for tests and examples.

b = GraphBuilder.ids(vocabulary=50, context=16)
x = b.embed(table, positions)
qkv = b.linear(b.norm(x, gamma, beta), w, bias)
x = b.add(x, b.linear(b.attention_fused(qkv, heads=2), w2))
graph = b.build(b.linear(x, table.T, tied=True))
"""

from __future__ import annotations

import numpy as np

from tulle_ir.graph import (
    Activation,
    ActivationKind,
    Add,
    Array,
    Attention,
    Embed,
    Graph,
    GraphInput,
    GraphOutput,
    Linear,
    Norm,
    NormKind,
    Op,
    View,
)
from tulle_ir.graph_check import check_graph, op_width


class GraphBuilder:
    """Collects operators; every method returns the tensor it makes."""

    def __init__(self, graph_input: GraphInput, context: int | None) -> None:
        self.input = graph_input
        self.context = context
        self._ops: list[Op] = []
        self._widths = {graph_input.tensor: 1 if graph_input.kind == "ids" else graph_input.width}

    @classmethod
    def ids(cls, vocabulary: int, context: int, name: str = "input_ids") -> GraphBuilder:
        """A model that reads token ids `[batch, tokens]`."""
        return cls(GraphInput(name, "ids", vocabulary, ("batch", "tokens")), context)

    @classmethod
    def features(cls, width: int, name: str = "x") -> GraphBuilder:
        """A model that reads float features `[tokens, width]`."""
        return cls(GraphInput(name, "features", width, ("tokens", "features")), None)

    def embed(self, table: Array, positions: Array | None = None, *, name: str = "") -> str:
        """Look up the ids."""
        return self._append(Embed(self.input.tensor, table, positions, self._next(), name or self._name("embed")))

    def linear(self, x: str, weight: Array, bias: Array | None = None, *, tied: bool = False, name: str = "") -> str:
        """`x @ weight + bias`, weight `[in, out]`."""
        return self._append(Linear(x, weight, bias, tied, self._next(), name or self._name("linear")))

    def norm(
        self,
        x: str,
        gamma: Array,
        beta: Array | None = None,
        *,
        eps: float = 1e-5,
        kind: NormKind = "layer",
        name: str = "",
    ) -> str:
        """LayerNorm or RMSNorm over each row."""
        return self._append(Norm(x, kind, gamma, beta, eps, self._next(), name or self._name("norm")))

    def activation(self, x: str, kind: ActivationKind, *, name: str = "") -> str:
        """An elementwise function."""
        return self._append(Activation(x, kind, self._next(), name or self._name(kind)))

    def attention(
        self, q: View, k: View, v: View, heads: int, head_dim: int, *, scale: float | None = None, name: str = ""
    ) -> str:
        """Causal attention on views; scale defaults to 1 / sqrt(head_dim)."""
        scale = float(np.float32(head_dim**-0.5)) if scale is None else scale
        return self._append(Attention(q, k, v, heads, head_dim, scale, self._next(), name or self._name("attention")))

    def attention_fused(self, qkv: str, heads: int, *, name: str = "") -> str:
        """Causal attention on one tensor `[q | k | v]`, each head after head."""
        width = self._widths[qkv] // 3
        q, k, v = (View(qkv, i * width, width // heads) for i in range(3))
        return self.attention(q, k, v, heads, width // heads, name=name)

    def add(self, a: str, b: str, *, name: str = "") -> str:
        """Residual join."""
        return self._append(Add(a, b, self._next(), name or self._name("join")))

    def build(self, output: str, name: str = "logits") -> Graph:
        """The checked Graph that gives `output` for every token."""
        axes = (*self.input.axes, "features") if self.input.kind == "ids" else self.input.axes
        graph = Graph(self.input, tuple(self._ops), GraphOutput(name, output, axes), self.context)
        check_graph(graph)
        return graph

    def _next(self) -> str:
        return f"t{len(self._ops)}"

    def _name(self, kind: str) -> str:
        return f"{kind}.{len(self._ops)}"

    def _append(self, op: Op) -> str:
        self._ops.append(op)
        self._widths[op.output] = op_width(op, self._widths)
        return op.output
