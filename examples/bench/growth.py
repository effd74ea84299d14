"""Growth of the tools with the work: compile by non-zeros, run by crossings; medians of three runs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from measured import Measured, tulle
from tools import matmul_files

SIZES = ((2048, 2048, 16), (4096, 2048, 32), (4096, 4096, 64), (8192, 4096, 64), (8192, 8192, 64))  # and tokens
MESH = "64x64"


def main() -> None:
    """A row per size: 1 to 16 million non-zeros."""
    print(f"y = x @ w, 75 % zeros, {MESH} PEs of wse2: processor seconds, medians of three runs; peak memory of each")
    print(f"{'matrix':>13}{'tokens':>8}{'non-zeros':>12}{'compile s':>11}{'GB':>6}{'us/non-zero':>13}", end="")
    print(f"{'crossings':>14}{'run s':>8}{'GB':>6}{'ns/crossing':>13}")
    for rows, columns, tokens in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _row(Path(folder), rows, columns, tokens)


def _row(folder: Path, rows: int, columns: int, tokens: int) -> None:
    model, artifact, inputs = matmul_files(folder, rows, columns, tokens)
    report, nonzeros = folder / "report.json", rows * columns // 4
    context = ("--context", str(tokens))
    compiling = Measured.median(lambda: tulle("compile", model, "-o", artifact, "--mesh", MESH, *context))
    running = Measured.median(lambda: tulle("run", artifact, "--inputs", inputs, "--report", report))
    crossings = json.loads(report.read_text())["wavelets"]["crossings"]
    print(
        f"{f'{rows} x {columns}':>13}{tokens:>8}{nonzeros:>12,}{compiling.cpu:>11.1f}{compiling.peak:>6.2f}"
        f"{1e6 * compiling.cpu / nonzeros:>13.2f}{crossings:>14,}{running.cpu:>8.1f}{running.peak:>6.2f}"
        f"{1e9 * running.cpu / crossings:>13.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
