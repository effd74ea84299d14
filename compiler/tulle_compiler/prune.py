"""Pruning at compile time: set weights of linears to zero, per matrix and to an exact count.

Each Linear is one matrix as the Graph stores it (a fused qkv is one matrix). Embeddings and the head (the linear that
makes the output of a model on ids) stay as they are; a model on features has no head. Zeros already there count
towards the sparsity asked for, so pruning to less than what a matrix has leaves it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

import numpy as np

from tulle_compiler.prune_masks import masks_by_operator
from tulle_ir.diagnostics import UsageError
from tulle_ir.graph import Array, Graph, Linear


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Zero the smallest weights by magnitude, of equal ones the first in row-major order."""

    sparsity: float


@dataclass(frozen=True, slots=True)
class Random:
    """Zero weights at random places, seeded per matrix."""

    sparsity: float


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Keep what masks in an .npz or .safetensors file say (true or 1), `[in, out]`.

    A mask is named after its operator (`h.0.mlp.c_fc`) or parameter (`transformer.h.0.mlp.c_fc.weight`).
    """

    path: Path


PruneSpec = Magnitude | Random | MaskFile


@dataclass(frozen=True, slots=True)
class MatrixReport:
    """One matrix: its nonzeros before and after, and the sparsity after."""

    name: str
    shape: tuple[int, int]
    nonzeros_before: int
    nonzeros_after: int

    @property
    def sparsity(self) -> float:
        """Share of zeros after pruning."""
        return 1 - self.nonzeros_after / (self.shape[0] * self.shape[1])


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What pruning did, matrix by matrix, and overall."""

    matrices: tuple[MatrixReport, ...]

    @property
    def sparsity(self) -> float:
        """Share of zeros over all pruned matrices."""
        size = sum(m.shape[0] * m.shape[1] for m in self.matrices)
        return 1 - sum(m.nonzeros_after for m in self.matrices) / size if size else 0.0


def parse_prune(text: str) -> PruneSpec:
    """`magnitude:S`, `random:S` (0 <= S < 1) or `mask:FILE`; raises UsageError."""
    kind, _, value = text.partition(":")
    if kind == "mask" and value:
        return MaskFile(Path(value))
    if kind not in ("magnitude", "random"):
        raise UsageError(f"--prune {text!r} is not magnitude:S, random:S or mask:FILE")
    try:
        sparsity = float(value)
    except ValueError:
        sparsity = -1.0
    if not 0 <= sparsity < 1:
        raise UsageError(f"--prune {text!r}: the sparsity must be a number from 0 to below 1, e.g. {kind}:0.75")
    return Magnitude(sparsity) if kind == "magnitude" else Random(sparsity)


def prunable(graph: Graph) -> list[int]:
    """Indices of the operators that pruning touches: all linears but the head of a model on ids."""
    head = graph.output.tensor if graph.input.kind == "ids" else None
    return [i for i, op in enumerate(graph.ops) if isinstance(op, Linear) and op.output != head]


def prune(graph: Graph, spec: PruneSpec, seed: int = 0) -> tuple[Graph, PruneReport]:
    """The pruned Graph, and what was done. Raises BadInput when masks do not go with the model."""
    indices = prunable(graph)
    masks = masks_by_operator(graph, indices, spec.path) if isinstance(spec, MaskFile) else {}
    ops = list(graph.ops)
    reports: list[MatrixReport] = []
    for order, index in enumerate(indices):
        op = ops[index]
        assert isinstance(op, Linear)
        weight = _pruned(op, spec, masks, np.random.SeedSequence([seed, order]))
        before, after = int(np.count_nonzero(op.weight)), int(np.count_nonzero(weight))
        shape = (weight.shape[0], weight.shape[1])
        reports.append(MatrixReport(op.name, shape, before, after))
        ops[index] = op if after == before else replace(op, weight=weight, tied=False)
    return replace(graph, ops=tuple(ops)), PruneReport(tuple(reports))


def _pruned(op: Linear, spec: PruneSpec, masks: Mapping[str, np.ndarray], seed: np.random.SeedSequence) -> Array:
    """The weight after pruning, a new array."""
    match spec:
        case Magnitude():
            return _keep_largest(op.weight, np.abs(op.weight).reshape(-1), spec.sparsity)
        case Random():
            draws = np.random.Generator(np.random.PCG64(seed)).random(op.weight.size, np.float32)
            return _keep_largest(op.weight, np.where(op.weight.reshape(-1) == 0, np.float32(-1), draws), spec.sparsity)
        case MaskFile():
            return op.weight * masks[op.name] if op.name in masks else op.weight
        case _:
            assert_never(spec)


def zero_count(size: int, sparsity: float) -> int:
    """Zeros in a matrix of `size` weights: the sparsity, to the nearest whole weight."""
    return int(np.floor(size * sparsity + 0.5))


def _keep_largest(weight: Array, score: np.ndarray, sparsity: float) -> Array:
    """Zero the weights of lowest score, exactly `zero_count` of them; of equal scores the first ones."""
    zeros = zero_count(weight.size, sparsity)
    flat = weight.flatten()
    if zeros == 0:
        return flat.reshape(weight.shape)
    threshold = np.partition(score, zeros - 1)[zeros - 1]
    below = score < threshold
    ties = np.flatnonzero(score == threshold)[: zeros - int(np.count_nonzero(below))]
    flat[below] = 0
    flat[ties] = 0
    return flat.reshape(weight.shape)
