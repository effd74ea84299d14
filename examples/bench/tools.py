"""The tools: seconds to start, and compile and run of a MatMul over four sizes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from measured import tulle
from models import Pruning, write_matmul

SIZES = ((768, 768), (1536, 768), (3072, 768), (3072, 1536))
TOKENS = 64


def main() -> None:
    """Both tables, through the command."""
    with tempfile.TemporaryDirectory() as name:
        _starts(Path(name))
        _growth(Path(name))


def _starts(folder: Path) -> None:
    """The first run ever, with an empty cache of compiled code, and later ones."""
    artifact, inputs, _ = _compiled(folder, 32, 32, "8x8")
    print("start-up, CPU seconds")
    print(f"{'tulle --help':44}{tulle('--help').cpu:>8.2f}")
    for what in ("first run ever, the engine's compilation in it", "a later one"):
        cpu = tulle("run", artifact, "--inputs", inputs, NUMBA_CACHE_DIR=str(folder / "cache")).cpu
        print(f"{what:44}{cpu:>8.2f}", flush=True)


def _growth(folder: Path) -> None:
    print(f"\ny = x @ w, 75 % zeros, {TOKENS} tokens, 32 x 32 PEs: CPU seconds and peak memory")
    print(f"{'matrix':>12}{'non-zeros':>11}{'compile s':>11}{'run s':>7}{'GB':>6}{'crossings':>12}")
    for rows, columns in SIZES:
        artifact, inputs, compiling = _compiled(folder, rows, columns, "32x32")
        report = folder / "report.json"
        running = tulle("run", artifact, "--inputs", inputs, "--report", report)
        ran = json.loads(report.read_text())
        print(
            f"{f'{rows} x {columns}':>12}{rows * columns // 4:>11,}{compiling:>11.1f}"
            f"{running.cpu:>7.1f}{running.peak:>6.1f}{ran['wavelets']['crossings']:>12,}",
            flush=True,
        )


def _compiled(folder: Path, rows: int, columns: int, mesh: str) -> tuple[Path, Path, float]:
    """(artifact, feeds, CPU seconds of the compilation) of a MatMul."""
    model, artifact, inputs = folder / "model.onnx", folder / "model.tulle", folder / "in.npz"
    write_matmul(model, rows, columns, Pruning(0.75))
    compiling = tulle("compile", model, "-o", artifact, "--mesh", mesh)
    np.savez(inputs, x=np.random.default_rng(0).standard_normal((TOKENS, rows), np.float32))
    return artifact, inputs, compiling.cpu
