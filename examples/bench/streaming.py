"""Weight streaming of a layer of 12,288 x 12,288 weights over the whole wafer: the table of docs/streaming.md."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "validation"))  # scripts, not a package
layers: Any
stream: Any
layers, stream = import_module("stream_layer"), import_module("stream")

SIZE = 12288
SPARSITIES = (0, 0.5, 0.75, 0.9, 0.95)
# columns of a group, its features' tokens per PE, groups of outputs in the shorter and the longer prefix
LAYOUTS = ((750, 128, 8, 24), (375, 64, 4, 12), (187, 32, 2, 8), (93, 16, 2, 8), (46, 8, 2, 6))


def main() -> None:
    """Cycles per output in steady state, one row of PEs executed; in brackets the speed-up over no zeros."""
    print("12,288 x 12,288 weights streamed through wse2: cycles per output (speed-up), weights in per cycle")
    print(f"{'columns':>8}{'tokens':>7}" + "".join(f"{sparsity:>16.0%}" for sparsity in SPARSITIES) + f"{'in':>14}")
    for columns, tokens, *prefixes in LAYOUTS:
        steady = [_steady(columns, tokens, prefixes, sparsity) for sparsity in SPARSITIES]
        cells = [f"{cycles:.1f} ({steady[0][0] / cycles:.2f})" for cycles, _ in steady]
        rates = [rate for _, rate in steady]
        print(f"{columns:>8}{tokens:>7}" + "".join(f"{cell:>16}" for cell in cells), end="")
        print(f"{min(rates):>6.1f} to {max(rates):.1f}", flush=True)


def _steady(columns: int, tokens: int, prefixes: list[int], sparsity: float) -> tuple[float, float]:
    """(cycles per output, weight wavelets per cycle) between two prefixes of the layer."""
    group = -(-SIZE // columns)
    outputs = [group * groups for groups in prefixes]
    runs = [stream.simulate(layers.Layer(SIZE, n, tokens, columns, 1, group), sparsity, "fast") for n in outputs]
    (short, few), (long, many) = runs
    cycles = long.cycles - short.cycles
    return cycles / (outputs[1] - outputs[0]), (many - few) / cycles
