"""How compiling grows with the model, and what the pattern of its zeros does: processor seconds and memory.

A GPT of the width of GPT-2 small, for the whole mesh of wse2. Non-zeros are those of its linear layers.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from measured import Measured, tulle
from models import GPTS, Gpt, Pruning, write_gpt

LAYERS = (3, 6, 12, 24)
PRUNINGS = tuple(Pruning(s, pattern) for s in (0.75, 0.84) for pattern in ("unstructured", "block16", "threshold"))
FLAGS = (("--ignore-sparsity",), ("--chunk", "4"), ("--logits", "last"), ("--context", "256"))


def main() -> None:
    """Growth over layers, then patterns of zeros and options for 12 layers."""
    print("compiling GPTs as wide as GPT-2 small for the whole mesh of wse2")
    print(f"{'layers':>8}{'zeros':>7}  {'pattern':16}{'options':18}", end="")
    print(f"{'non-zeros':>12}{'cpu s':>8}{'wall s':>8}{'GB':>6}{'us/non-zero':>13}")
    for layers in LAYERS:
        _row(layers, Pruning())
    for pruning in (*PRUNINGS[1:], Pruning(0.5, "nm24")):
        _row(12, pruning)
    for flags in FLAGS:
        _row(12, Pruning(), *flags)


def _row(layers: int, pruning: Pruning, *flags: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        measured, nonzeros = _compile(Path(folder), replace(GPTS["gpt2"], layers=layers), pruning, flags)
    print(
        f"{layers:>8}{pruning.sparsity:>7.0%}  {pruning.pattern:16}{' '.join(flags):18}{nonzeros:>12,}"
        f"{measured.cpu:>8.1f}{measured.wall:>8.1f}{measured.peak:>6.2f}{1e6 * measured.cpu / nonzeros:>13.2f}",
        flush=True,
    )


def _compile(folder: Path, sizes: Gpt, pruning: Pruning, flags: tuple[str, ...]) -> tuple[Measured, int]:
    """One compilation, and the non-zeros of its kernels."""
    model, report = folder / "model.onnx", folder / "report.json"
    write_gpt(model, sizes, pruning)
    measured = tulle("compile", model, "-o", folder / "model.tulle", "--report", report, *flags)
    compiled: dict[str, Any] = json.loads(report.read_text())
    return measured, sum(kernel["nonzeros"] for kernel in compiled["kernels"])
