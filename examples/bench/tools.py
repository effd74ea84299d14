"""The tools: seconds to start, and to compile and run one MatMul; medians of several runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from measured import Measured, tulle
from models import Pruning, write_matmul

RUNS = 5
SIZE, TOKENS, MESH = (3072, 768), 64, "32x32"


def main() -> None:
    """Both tables, through the command; processor seconds, wall seconds and peak memory."""
    with tempfile.TemporaryDirectory() as name:
        print(f"medians of {RUNS} runs{'':29}{'cpu s':>8}{'wall s':>8}{'GB':>6}")
        _starts(Path(name))
        _product(Path(name))


def _starts(folder: Path) -> None:
    """The first run ever, with an empty cache of compiled code, and later ones."""
    model, artifact, inputs = matmul_files(folder, 32, 32, 64)
    tulle("compile", model, "-o", artifact, "--mesh", "8x8")
    caches = (str(folder / f"cache{number}") for number in range(RUNS))

    def first() -> Measured:
        return tulle("run", artifact, "--inputs", inputs, NUMBA_CACHE_DIR=next(caches))

    def later() -> Measured:
        return tulle("run", artifact, "--inputs", inputs, NUMBA_CACHE_DIR=str(folder / "cache0"))

    _row("tulle --help", Measured.median(lambda: tulle("--help"), RUNS))
    _row("first run ever, the engine's compilation in it", Measured.median(first, RUNS))
    _row("a later one", Measured.median(later, RUNS))


def _product(folder: Path) -> None:
    model, artifact, inputs = matmul_files(folder, *SIZE, TOKENS)
    compiling = ("compile", model, "-o", artifact, "--mesh", MESH)
    _row(f"compile MatMul {SIZE[0]} x {SIZE[1]}, 75 % zeros", Measured.median(lambda: tulle(*compiling), RUNS))
    tulle("run", artifact, "--inputs", inputs)  # warm
    _row(f"run it, {TOKENS} tokens", Measured.median(lambda: tulle("run", artifact, "--inputs", inputs), RUNS))


def matmul_files(folder: Path, rows: int, columns: int, tokens: int) -> tuple[Path, Path, Path]:
    """Model (written), artifact (to be), feeds (written) of a MatMul with 75 % zeros."""
    model, artifact, inputs = folder / "model.onnx", folder / "model.tulle", folder / "in.npz"
    write_matmul(model, rows, columns, Pruning(0.75))
    np.savez(inputs, x=np.random.default_rng(0).standard_normal((tokens, rows), np.float32))
    return model, artifact, inputs


def _row(what: str, measured: Measured) -> None:
    print(f"{what:46}{measured.cpu:>8.2f}{measured.wall:>8.2f}{measured.peak:>6.2f}", flush=True)


if __name__ == "__main__":
    main()
