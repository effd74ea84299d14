"""Sparsity becomes speed: GPT-3 XL's linear shapes against their dense baseline, by sparsity and pattern of zeros."""

from __future__ import annotations

import numpy as np
from patterns import PATTERNS
from products import Ran, run_product

from tulle_compiler.options import CompileOptions

SHAPES = ((2048, 6144), (2048, 8192), (8192, 2048))
MESH, TOKENS = (32, 48), 512
SPARSITIES = (0.5, 0.75, 0.84, 0.9)
UNEVEN = 0.75  # sparsity of the other patterns; 2:4 has its own
LEAST = {0.5: 0.93, 0.75: 0.88, 0.84: 0.82, 0.9: 0.75}  # share of 1 / (1 - s) aimed at, unstructured
LESS = 0.05  # that uneven patterns may lose


def main() -> None:
    """The first shape; shapes.py has the others."""
    table(SHAPES[:1])


def table(shapes: tuple[tuple[int, int], ...]) -> None:
    """A row per shape and pattern. Chunk and layout are the plan's choice, for the baseline too (--ignore-sparsity)."""
    print(f"GPT-3 XL's linears: {TOKENS} tokens, {MESH[0]} x {MESH[1]} PEs of wse2, f16; values verified")
    print(
        "speed-up: over the dense baseline; share: of 1 / (1 - zeros); ideal: all cycles over the linear's ideal_cycles"
    )
    print(
        f"{'in':>6}{'out':>6}  {'pattern':<13}{'zeros':>7}{'chunk':>7}{'cycles':>11}{'per token':>11}{'ideal':>7}",
        end="",
    )
    print(f"{'predicted':>11}{'link':>6}{'speed-up':>10}{'share':>7}{'aim':>6}")
    for shape in shapes:
        dense = _row(shape, "dense", 0.0, None)
        for sparsity in SPARSITIES:
            _row(shape, "unstructured", sparsity, dense)
        for pattern in PATTERNS:
            if pattern != "unstructured":
                _row(shape, pattern, 0.5 if pattern == "nm24" else UNEVEN, dense)


def _row(shape: tuple[int, int], pattern: str, sparsity: float, dense: Ran | None) -> Ran:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal(shape).astype(np.float32)
    if dense:
        weight = PATTERNS[pattern](weight, sparsity, rng)
    zeros = 1 - np.count_nonzero(weight) / weight.size
    ran = run_product(weight, TOKENS, CompileOptions(mesh=MESH, ignore_sparsity=dense is None))
    print(
        f"{shape[0]:>6}{shape[1]:>6}  {pattern:<13}{zeros:>7.1%}{ran.report.chunk:>7}{ran.cycles:>11,}"
        f"{ran.cycles / TOKENS:>11,.0f}{ran.of_ideal:>7.3f}{ran.report.prediction_error:>+11.1%}"
        f"{ran.link_wavelets / ran.cycles:>6.0%}",
        end="",
    )
    if dense:
        gained = dense.cycles / ran.cycles
        aim = LEAST[sparsity] - (0 if pattern == "unstructured" else LESS)
        print(f"{gained:>9.2f}x{gained * (1 - zeros):>7.3f}{aim:>6.2f}", end="")
    print(flush=True)
    return ran
