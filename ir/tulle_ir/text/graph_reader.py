"""Builds a `Graph` while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, get_args

import numpy as np
from lark import Token, v_args

from tulle_ir.graph import (
    Activation,
    ActivationKind,
    Add,
    Attention,
    Axis,
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
from tulle_ir.text.array_reader import ArrayReader
from tulle_ir.text.reader import error

Array = np.ndarray
Made = TypeVar("Made", bound=Op)


class GraphReader(ArrayReader):
    """Methods are named after the grammar's rules. Operators get output, name and origin when their line ends."""

    def graph(self, keyword: Token, context: int | None, source: Token | None, *items: Any) -> Graph:
        entry, *ops, result = items
        return self.put(keyword, Graph(entry, tuple(ops), result, context, source_sha256=str(source or "")))

    def graph_input(
        self,
        tensor: Token,
        _keyword: Token,
        name: Token,
        domain: tuple[Token, int],
        axes: tuple[Axis, ...],
        batch: int | None,
    ) -> GraphInput:
        kind, width = domain
        form = "ids" if kind == "ids" else "features"
        return self.put(tensor, GraphInput(str(name), form, width, axes, batch, str(tensor)))

    def domain(self, *tokens: Any) -> tuple[Token, int]:
        return tokens[0], tokens[-1]

    def graph_output(
        self, keyword: Token, name: Token, tensor: Token, axes: tuple[Axis, ...], last: Token | None
    ) -> GraphOutput:
        return self.put(keyword, GraphOutput(str(name), str(tensor), axes, "all" if last is None else "last"))

    def axes(self, *axes: Axis) -> tuple[Axis, ...]:
        return axes

    def axis(self, token: Token) -> Any:
        return _one_of(Axis, token, "an axis")

    def operator(self, output: Token, op: Made, name: Token | None, origin: Token | None) -> Made:
        return self.put(output, replace(op, output=str(output), name=str(name or ""), origin=str(origin or "")))

    # ---- operators ----

    def embed(self, _keyword: Token, ids: Token, table: Array, positions: Array | None) -> Embed:
        return Embed(str(ids), table, positions, "")

    def linear_map(
        self, _keyword: Token, x: Token, tied: Token | None, scale: Array | None, weight: Array, bias: Array | None
    ) -> Linear:
        return Linear(str(x), weight, bias, tied is not None, "", scale=scale)

    def norm(self, _keyword: Token, kind: Token, x: Token, eps: float, gamma: Array, beta: Array | None) -> Norm:
        return Norm(str(x), _one_of(NormKind, kind, "a norm"), gamma, beta, float(eps), "")

    def activation(self, _keyword: Token, kind: Token, x: Token) -> Activation:
        return Activation(str(x), _one_of(ActivationKind, kind, "an activation"), "")

    def attention(
        self, _keyword: Token, heads: int, head_dim: int, scale: float, q: View, k: View, v: View
    ) -> Attention:
        return Attention(q, k, v, heads, head_dim, float(scale), "")

    def add(self, _keyword: Token, a: Token, b: Token) -> Add:
        return Add(str(a), str(b), "")

    def view(self, tensor: Token, offset: int, step: int) -> View:
        return View(str(tensor), offset, step)


v_args(inline=True)(GraphReader)  # lark passes the children as arguments


def _one_of(kinds: Any, token: Token, what: str) -> Any:
    """The word, if it is one of a Literal's. Raises TextError."""
    words = get_args(kinds)
    if token not in words:
        raise error(f"'{token}' is not {what}: {', '.join(words)}", token)
    return str(token)
