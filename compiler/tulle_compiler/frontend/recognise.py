"""Which operator an expression is, proved by evaluating it on probe rows against the definition.

Structure gives the candidate (a function of one tensor, elementwise or row-wise); its parameters are read off probes
and replaced by the constants of the file they agree with; the result must then reproduce the expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from tulle_compiler.frontend.expressions import Expr, Probe, constants_of, evaluate, has_reduction, is_elementwise
from tulle_ir.graph import ActivationKind, NormKind
from tulle_ir.graph_math import activate, normalise

TOLERANCE = 1e-6  # constants of the file are float32, so definitions agree to about 1e-7
NORM_TOLERANCE = 2e-5
_GRID = np.concatenate([np.linspace(-12, 12, 1537), np.linspace(-900, 900, 37), [1e-4, -1e-4]])[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """`x * gain + shift`; both `[width]` or `[1]`, float64."""

    gain: np.ndarray
    shift: np.ndarray

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool(np.all(self.gain == 1) and np.all(self.shift == 0))


@dataclass(frozen=True, slots=True, eq=False)
class NormParameters:
    """A row normalisation; gamma and beta float32 `[width]`."""

    kind: NormKind
    gamma: np.ndarray
    beta: np.ndarray
    eps: float


Recognised = Affine | ActivationKind | NormParameters | None


def recognise(expr: Expr, width: int) -> Recognised:
    """What `expr`, a function of a tensor `width` wide, computes; None when it is none of the known functions."""
    if has_reduction(expr):
        return _norm(expr, width)
    probe = _GRID if is_elementwise(expr) else np.random.default_rng(7).standard_normal((9, width))
    affine = _affine(expr, probe)
    if affine is not None or not is_elementwise(expr):
        return affine
    result = evaluate(expr, _GRID)
    for kind in get_args(ActivationKind):
        if _close(result, activate(kind, _GRID), TOLERANCE):
            return kind
    return None


def _close(a: Probe, b: Probe, tolerance: float) -> bool:
    """Equal within `tolerance` times max(1, |b|), everywhere."""
    if a.shape != b.shape or not np.all(np.isfinite(a)):
        return False
    return bool(np.all(np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))))


def _affine(expr: Expr, probe: Probe) -> Affine | None:
    ends = evaluate(expr, np.stack([np.zeros(probe.shape[1]), np.ones(probe.shape[1])]))
    if ends.shape != (2, probe.shape[1]) or not np.all(np.isfinite(ends)):
        return None
    affine = Affine(ends[1] - ends[0], ends[0])
    return affine if _close(evaluate(expr, probe), probe * affine.gain + affine.shift, TOLERANCE) else None


def _norm(expr: Expr, width: int) -> NormParameters | None:
    """Beta is the value at a zero row, gamma the limit of large rows, eps follows from tiny ones."""
    rng = np.random.default_rng(11)
    rows = rng.standard_normal((4, width)) + rng.standard_normal((4, 1))
    beta = evaluate(expr, np.zeros((1, width)))
    if beta.shape != (1, width) or not np.all(np.isfinite(beta)):
        return None
    kinds: tuple[NormKind, ...] = ("layer", "rms")
    for kind in kinds:
        found = _norm_of_kind(expr, kind, rows, beta[0])
        if found is not None:
            return found
    return None


def _norm_of_kind(expr: Expr, kind: NormKind, rows: Probe, beta: np.ndarray) -> NormParameters | None:
    vectors = [c.reshape(-1) for c in constants_of(expr) if c.size > 1]
    scalars = [float(c.reshape(-1)[0]) for c in constants_of(expr) if c.size == 1]
    with np.errstate(all="ignore"):
        gain = _gain(expr, kind, rows * 1e4, beta)
        gamma = _snapped_vector(np.median(gain, axis=0), vectors)
        if not gamma.any():
            return None
        alive = gamma != 0
        ratio = np.median((_gain(expr, kind, rows * 1e-4, beta) / gamma)[:, alive], axis=1)  # sqrt(v / (v + eps))
        variance = _variance(kind, rows * 1e-4)
        eps = _snapped_scalar(float(np.median(variance / ratio**2 - variance)), scalars)
    if not np.all(np.isfinite(gamma)) or not np.isfinite(eps) or eps <= 0:
        return None
    found = NormParameters(kind, gamma, _snapped_vector(beta, vectors), eps)
    scales = (1e-5, 1e-3, 3e-2, 1.0, 40.0)
    return found if all(_reproduces(expr, found, rows * scale) for scale in scales) else None


def _gain(expr: Expr, kind: NormKind, rows: Probe, beta: np.ndarray) -> Probe:
    """Per element, what the normalised row was multiplied by."""
    centred = rows - rows.mean(axis=-1, keepdims=True) if kind == "layer" else rows
    return (evaluate(expr, rows) - beta) * np.sqrt(_variance(kind, rows))[:, None] / centred


def _variance(kind: NormKind, rows: Probe) -> np.ndarray:
    centred = rows - rows.mean(axis=-1, keepdims=True) if kind == "layer" else rows
    return (centred**2).mean(axis=-1)


def _snapped_vector(estimate: np.ndarray, candidates: list[np.ndarray]) -> np.ndarray:
    """The constant of the file that the estimate agrees with, or the estimate, as float32."""
    for candidate in candidates:
        if candidate.shape == estimate.shape and np.allclose(candidate, estimate, rtol=1e-4, atol=1e-6):
            return candidate.astype(np.float32)
    return np.where(np.isclose(estimate, np.rint(estimate), rtol=1e-4, atol=1e-6), np.rint(estimate), estimate).astype(
        np.float32
    )


def _snapped_scalar(estimate: float, candidates: list[float]) -> float:
    near = (c for c in candidates if c != 0 and abs(c - estimate) <= 1e-3 * abs(c))
    return next(near, estimate)


def _reproduces(expr: Expr, found: NormParameters, rows: Probe) -> bool:
    gamma, beta = found.gamma.astype(np.float64), found.beta.astype(np.float64)
    return _close(evaluate(expr, rows), normalise(found.kind, rows, gamma, beta, found.eps), NORM_TOLERANCE)
