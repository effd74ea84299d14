"""What the operators of a Graph compute, in numpy, in the dtype of their input. The definitions others are held to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from tulle_ir.graph import ActivationKind, NormKind

Floats = NDArray[np.floating[Any]]

_ERF_STEP = 1 / 64
_ERF_LIMIT = 6.0  # erf(6) is 1 - 2e-17
_ERF_TABLE = np.array([math.erf(i * _ERF_STEP) for i in range(int(_ERF_LIMIT / _ERF_STEP) + 1)])


def erf(x: Floats) -> NDArray[np.float64]:
    """The error function, absolute error below 1e-11: a table and the first five terms of the Taylor series."""
    size = np.minimum(np.abs(x.astype(np.float64)), _ERF_LIMIT)
    index = np.rint(size / _ERF_STEP).astype(np.int64)
    at = index * _ERF_STEP
    h = size - at
    slope = 2 / math.sqrt(math.pi) * np.exp(-at * at)
    series = 1 - h * at + h**2 * (4 * at**2 - 2) / 6 + h**3 * (12 * at - 8 * at**3) / 24
    return np.copysign(_ERF_TABLE[index] + h * slope * series, x)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def activate(kind: ActivationKind, x: Floats) -> Floats:
    """The elementwise function `kind` of x, any shape."""
    match kind:
        case "gelu":
            return (0.5 * x * (1 + erf(x * math.sqrt(0.5)))).astype(x.dtype)
        case "gelu_tanh":
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
        case "relu":
            return np.maximum(x, 0)
        case "silu":
            return x * sigmoid(x)
        case "quick_gelu":
            return x * sigmoid(1.702 * x)
        case _:
            assert_never(kind)


def normalise(kind: NormKind, x: Floats, gamma: Floats, beta: Floats | None, eps: float) -> Floats:
    """LayerNorm or RMSNorm of each row of x `[tokens, width]`; gamma and beta `[width]`."""
    centred = x - x.mean(axis=-1, keepdims=True) if kind == "layer" else x
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(variance + np.asarray(eps, x.dtype)) * gamma
    return scaled if beta is None else scaled + beta


def causal_attention(
    q: Floats, k: Floats, v: Floats, scale: float, rounded: Callable[[Floats], Floats] = lambda weights: weights
) -> Floats:
    """One head of one sequence: q, k, v `[tokens, head_dim]`; position t looks at 0 to t. `rounded` is applied to the
    weights before they are normalised."""
    scores = (q @ k.T) * np.asarray(scale, q.dtype)
    hidden = np.triu(np.ones(scores.shape, bool), 1)
    scores = np.where(hidden, -np.inf, scores).astype(q.dtype)
    weights = rounded(np.exp(scores - scores.max(axis=-1, keepdims=True)))
    return (weights / weights.sum(axis=-1, keepdims=True)) @ v
