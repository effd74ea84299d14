"""Which weights are zero: seeded weights in the patterns that pruning leaves behind. Matrices are [in, out]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Pattern = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""(normal weights f32 [in, out], share of zeros, generator) to the same weights pruned."""

_BLOCK = 16
_SPREAD = 0.5  # standard deviation of the logarithm of a feature's scale
_POWER = 0.8  # density of the k-th densest output ~ k^-_POWER
_DENSE = 64  # one output in so many is dense


def unstructured(w: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """The smallest weights of the matrix are zero."""
    return _keep(w, np.abs(w), sparsity)


def nm24(w: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """Of four weights along the inputs the two smallest are zero, whatever the sparsity asked for."""
    quads = np.abs(w).reshape(len(w) // 4, 4, -1)
    rank = quads.argsort(axis=1).argsort(axis=1)
    return np.where(rank.reshape(w.shape) >= 2, w, np.float32(0))


def block16(w: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """The blocks of 16 x 16 with the smallest norms are zero."""
    rows, columns = (side // _BLOCK for side in w.shape)
    blocks = w.reshape(rows, _BLOCK, columns, _BLOCK)
    norms = np.square(blocks).sum(axis=(1, 3))
    return _keep(blocks, norms[:, None, :, None], sparsity).reshape(w.shape)


def threshold(w: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """One threshold for the whole model, while features differ in scale: matrices, rows and columns end up uneven."""
    scales = [np.exp(_SPREAD * rng.standard_normal(n)).astype(np.float32) for n in w.shape]
    w = w * scales[0][:, None] * scales[1]
    sample = np.random.default_rng(0).standard_normal((3, 1_000_000))  # the same for all matrices
    limit = np.quantile(np.abs(sample[0]) * np.exp(_SPREAD * (sample[1] + sample[2])), sparsity)
    deviation = np.float32(w.std() / np.exp(2 * _SPREAD**2))  # of the weights before they were scaled
    return np.where(np.abs(w) >= limit * deviation, w, np.float32(0))


def power_law(w: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """Outputs differ in density by a power law."""
    shares = rng.permutation(np.arange(1.0, w.shape[1] + 1) ** -_POWER)
    low, high = 0.0, 1 / shares.min()
    for _ in range(60):  # the factor that makes the mean density 1 - sparsity, with no density above 1
        factor = (low + high) / 2
        low, high = (factor, high) if np.minimum(factor * shares, 1).mean() < 1 - sparsity else (low, factor)
    return _at_random(w, np.minimum(high * shares, 1), rng)


def dense_rows(w: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """A few outputs are dense, the others share what is left."""
    dense = rng.permutation(w.shape[1]) < -(-w.shape[1] // _DENSE)
    rest = max(1 - sparsity - dense.mean(), 0.0) / (1 - dense.mean())
    return _at_random(w, np.where(dense, 1.0, rest), rng)


PATTERNS: dict[str, Pattern] = {f.__name__: f for f in (unstructured, nm24, block16, threshold, power_law, dense_rows)}


def _keep(w: np.ndarray, size: np.ndarray, sparsity: float) -> np.ndarray:
    """Zero where `size` (broadcast over w) is among its smallest."""
    zeros = round(size.size * sparsity)
    if zeros == 0:
        return w
    limit = np.partition(size, zeros - 1, axis=None)[zeros - 1]
    return np.where(size > limit, w, np.float32(0))


def _at_random(w: np.ndarray, density: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keeps the share `density` [out] of each output's weights, at random."""
    return np.where(rng.random(w.shape, np.float32) < density, w, np.float32(0))
