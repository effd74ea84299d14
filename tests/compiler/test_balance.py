"""How evenly the non-zeros of a whole model's linears lie on their tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_models import gpt

from tulle_compiler.kernels.tiles import nonzeros_per_tile
from tulle_compiler.options import CompileOptions
from tulle_compiler.partition import Partition
from tulle_compiler.pipeline import compile_graph
from tulle_ir.graph import Graph, Linear
from tulle_ir.plan import Kernel

OPTIONS = CompileOptions(mesh=(64, 64), level="plan")


def model(pattern: str) -> Graph:
    """A GPT of two blocks whose linears have a quarter of their weights, in a pattern."""
    graph = gpt(width=256, heads=4, blocks=2, vocabulary=64, context=64, hidden=1024, sparsity=0.0)
    rng = np.random.default_rng(0)
    pruned = [replace(op, weight=_pruned(op, pattern, rng)) if isinstance(op, Linear) else op for op in graph.ops]
    return replace(graph, ops=tuple(pruned))


def _pruned(op: Linear, pattern: str, rng: np.random.Generator) -> np.ndarray:
    density = np.full(op.weight.shape[1], 0.25)
    if pattern == "power law":
        density = rng.permutation(np.arange(1, op.weight.shape[1] + 1) ** -0.5)
        density *= 0.25 / density.mean()
    if pattern == "dense outputs":
        density = np.where(rng.permutation(len(density)) < len(density) // 64, 1.0, 0.238)
    return np.where(rng.random(op.weight.shape, np.float32) < density, op.weight, np.float32(0))


def imbalance(kernel: Kernel) -> float:
    """The non-zeros of the heaviest tile over those of the mean one."""
    cuts = (
        Partition(kernel.tensors[f"{side}.order"], kernel.tensors[f"{side}.start"]) for side in ("inputs", "outputs")
    )
    tiles = nonzeros_per_tile(np.asarray(kernel.tensors["weight"]), *cuts)
    return float(tiles.max() / tiles.mean())


@pytest.mark.parametrize(("pattern", "limit"), [("plain", 1.1), ("power law", 1.25), ("dense outputs", 1.25)])
def test_all_linears_of_a_gpt_are_balanced(pattern: str, limit: float) -> None:
    plan = compile_graph(model(pattern), OPTIONS).stages["plan"]
    sparse = [kernel for kernel in plan.kernels if kernel.kind == "linear" and not kernel.params["dense"]]
    found = {kernel.name: round(imbalance(kernel), 3) for kernel in sparse}
    print(pattern, found)
    assert len(found) == 9
    assert all(value <= limit for value in found.values()), found
