"""Ours against theirs: the products of published hand-written SpMM kernels, compiled by Tulle.

Theirs is the compute loop alone, on operands that are in place; ours is end to end, from the host links through
broadcast and sums back to them. Their sparse factor A [N, K] is the weight, transposed: y = x @ w with w [K, N].
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from products import Ran, run_product

from tulle_compiler.options import CompileOptions
from tulle_ir.target import load_target

PUBLISHED = Path(__file__).parents[1] / "validation" / "published.toml"
OVERHEADS = (1, 48)  # axpy_overhead: as assumed, and what the published kernels pay per non-zero in software
AIM, AXPY_AIM = 0.9, 0.4  # of the published cycles of the busiest PE

Product = tuple[int, int, int, int, int, int]  # width, height, N, K, M, density in percent


def main() -> None:
    """A row per published measurement and overhead."""
    print(
        "published SpMM kernels (compute loop alone) and the same products by Tulle (end to end); fp32, wse2, verified"
    )
    print(
        "shares are of the published cycles of the busiest PE; AXPYs: slots of our busiest PE, and what they would be"
    )
    print("spread evenly over all PEs (even); bound: busiest PE; link: cycles that the busiest host link needs")
    print(
        f"{'theirs':>7}{'mesh':>8}{'N':>6}{'K':>5}{'M':>5}{'zeros':>7}{'cycles':>8}{'overhead':>10}{'chunk':>7}", end=""
    )
    print(f"{'ours':>8}{'share':>7}  {'':<6}{'AXPYs':>7}{'even':>7}  {'':<6}{'bound':>7}{'link':>7}")
    for row in tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["spmm"]["rows"]:
        for overhead in OVERHEADS:
            _row(row, overhead)


def _row(row: dict[str, Any], overhead: int) -> None:
    product: Product = (*(row[key] for key in ("width", "height", "n", "k", "m")), row["density"])
    width, height, n, k, m, density = product
    ran, theirs = _ran(product, overhead), row["cycles_max"]
    even = n * k * density / 100 * (m + overhead) / (width * height)
    share, axpys = ran.cycles / theirs, ran.axpy_slots / theirs
    print(
        f"{row['format']:>7}{f'{width}x{height}':>8}{n:>6}{k:>5}{m:>5}{1 - density / 100:>7.0%}{theirs:>8,}"
        f"{overhead:>10}{ran.report.chunk:>7}{ran.cycles:>8,}{share:>7.2f}  {_word(share, AIM):<6}"
        f"{axpys:>7.2f}{even / theirs:>7.2f}  {_word(axpys, AXPY_AIM):<6}"
        f"{ran.report.bound_cycles / theirs:>7.2f}{ran.link_wavelets / theirs:>7.2f}",
        flush=True,
    )


def _word(share: float, aim: float) -> str:
    return "" if share <= aim else "missed"


@cache
def _ran(product: Product, overhead: int) -> Ran:
    """A product once, for the kernels of every format that were measured on it."""
    width, height, n, k, m, density = product
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((k, n)).astype(np.float32)
    weight[rng.random((k, n)) >= density / 100] = 0
    target = replace(load_target("wse2"), axpy_overhead=overhead)
    return run_product(weight, m, CompileOptions(mesh=(width, height), dtype="f32"), target)


if __name__ == "__main__":
    main()
