"""The Graph stage: the operators of a GPT on tensors, free of ONNX.

Every tensor is `[tokens, width]`: one row per token, no batch or head axes; a sequence is a run of consecutive tokens.
Tensors have canonical names: the input is `in`, results are `t0`, `t1`, ... in an order that depends on structure
alone, so two files that differ in names and node order give equal Graphs. `name` (readable, unique) and `origin`
(the ONNX node) stand outside equality; weights, compared bit for bit by value, are float32 `[in, out]`.
Operators come in topological order. What an operator computes is defined by `graph_run.py`; widths and invariants
are in `graph_check.py`; `GraphBuilder` (graph_build.py) makes Graphs by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
Axis = Literal["batch", "tokens", "features", "one"]
ActivationKind = Literal["gelu", "gelu_tanh", "relu", "silu", "quick_gelu"]
NormKind = Literal["layer", "rms"]


class _ByValue:
    """Equality by fields, arrays by dtype, shape and elements; fields marked `compare=False` are left out."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = (f.name for f in fields(self) if f.compare)  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash((type(self).__name__, getattr(self, "output", "")))


def _same(a: Any, b: Any) -> bool:
    """Whether two field values are equal; arrays are compared element by element."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a is b or (a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b))
    return type(a) is type(b) and a == b


@dataclass(frozen=True, slots=True, eq=False)
class View(_ByValue):
    """Heads inside a tensor: head h is the columns `offset + h * head_stride : + head_dim`.

    So a fused qkv linear, separate q, k and v linears, and per-head interleaving are the same operator.
    """

    tensor: str
    offset: int
    head_stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Embed(_ByValue):
    """`table[id] + positions[p]` for the token at position p of its sequence; no position rows when None."""

    ids: str
    table: Array  # [vocabulary, width]
    positions: Array | None  # [context, width]
    output: str
    name: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Linear(_ByValue):
    """`(x * scale) @ weight + bias`. `tied`: the weight is the transposed embedding table, byte for byte."""

    x: str
    weight: Array  # [in, out]
    bias: Array | None  # [out]
    tied: bool
    output: str
    name: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)
    scale: Array | None = None  # [in]; the gamma of a norm whose values x are


@dataclass(frozen=True, slots=True, eq=False)
class Norm(_ByValue):
    """`(x - m) / sqrt(mean((x - m)^2) + eps) * gamma + beta` per row; m is the row's mean ("layer") or 0 ("rms")."""

    x: str
    kind: NormKind
    gamma: Array  # [width]
    beta: Array | None  # [width]
    eps: float
    output: str
    name: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Activation(_ByValue):
    """An elementwise function: gelu is x/2 (1 + erf(x / sqrt 2)), gelu_tanh its usual approximation by tanh."""

    x: str
    kind: ActivationKind
    output: str
    name: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Attention(_ByValue):
    """Causal attention: per head `softmax(scale * q k^T) v` over positions up to the token's own, within its sequence.

    The output is `[tokens, heads * head_dim]`, head after head.
    """

    q: View
    k: View
    v: View
    heads: int
    head_dim: int
    scale: float
    output: str
    name: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Add(_ByValue):
    """`a + b`, the residual join; `a` is the operand that is ready first."""

    a: str
    b: str
    output: str
    name: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)


Op: TypeAlias = Embed | Linear | Norm | Activation | Attention | Add


@dataclass(frozen=True, slots=True, eq=False)
class GraphInput(_ByValue):
    """What enters: token ids below `width` (the vocabulary), or float features `[tokens, width]`.

    `axes` is the shape of the ONNX input, e.g. ("batch", "tokens") for ids. A file with a static shape has `batch`.
    """

    name: str = field(compare=False)
    kind: Literal["ids", "features"]
    width: int
    axes: tuple[Axis, ...]
    batch: int | None = None
    tensor: str = "in"


@dataclass(frozen=True, slots=True, eq=False)
class GraphOutput(_ByValue):
    """What leaves: `tensor`, as the ONNX output of shape `axes`, for all tokens or each sequence's last one only."""

    name: str = field(compare=False)
    tensor: str
    axes: tuple[Axis, ...]
    rows: Literal["all", "last"] = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Graph(_ByValue):
    """A whole model. `context` is the longest sequence in tokens; None when rows are independent of each other.

    `metadata` (e.g. a tokenizer as JSON under "tulle.tokenizer"), `notes` (what the import did that the user should
    know) and `source_sha256` (of the file and its data files) stand outside equality.
    """

    input: GraphInput
    ops: tuple[Op, ...]
    output: GraphOutput
    context: int | None
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    source_sha256: str = field(default="", compare=False)
