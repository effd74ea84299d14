"""What a value of the ONNX graph can be once the input shape is bound.

`Const` (known), `Ids` (the token ids), `Rows` (features per token: a function of one base tensor, looked up through
a layout), `Scores` (q k^T with what was done to it), `Weights` (softmaxed causal scores), or a list of values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.expressions import Expr
from tulle_compiler.frontend.layout import Layout
from tulle_ir.graph import View


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """Token ids, one per row of the input."""

    layout: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.layout.shape


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """`expr`, a function of a base tensor `[rows, expr.width]`, read through `layout`."""

    layout: Layout
    expr: Expr

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.layout.shape


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """`scale * q k^T + mask` per head; shape `[..., tokens, tokens]`. `mask` is `[tokens, tokens]` or None."""

    shape: tuple[int, ...]
    q: View
    k: View
    heads: int
    head_dim: int
    scale: float
    mask: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Softmax of causal scores: row t weighs positions 0 to t."""

    scores: Scores

    @property
    def shape(self) -> tuple[int, ...]:
        """ONNX shape."""
        return self.scores.shape


Dynamic = Ids | Rows | Scores | Weights
Value = Const | Dynamic | list | None
