"""Large GPTs, compiled and run through the command, every wavelet simulated: seconds and memory."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from measured import tulle
from models import GPTS, Pruning, write_gpt

ROWS = (("gpt2", 0.75, 64), ("gpt3-xl", 0.84, 16))


def main() -> None:
    """A row per model: generate, compile for the whole wafer, run verified."""
    print("large GPTs on the whole mesh of wse2, every wavelet simulated, values verified against onnxruntime")
    print(f"{'model':>8}{'zeros':>7}{'tokens':>8}{'compile s':>11}{'GB':>6}{'run s':>8}{'GB':>6}", end="")
    print(f"{'cycles':>11}{'crossings':>12}{'per second':>12}")
    for name, sparsity, tokens in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            _row(Path(folder), name, sparsity, tokens)


def _row(folder: Path, name: str, sparsity: float, tokens: int) -> None:
    model, artifact, report = folder / "model.onnx", folder / "model.tulle", folder / "report.json"
    write_gpt(model, GPTS[name], Pruning(sparsity))
    compiling = tulle("compile", model, "-o", artifact)
    ids = ",".join(str(31 * k % 50257) for k in range(tokens))
    running = tulle("run", artifact, "--tokens", ids, "--verify", model, "--report", report)
    ran: dict[str, Any] = json.loads(report.read_text())
    print(
        f"{name:>8}{sparsity:>7.0%}{tokens:>8}{compiling.wall:>11.1f}{compiling.peak:>6.1f}{running.wall:>8.1f}"
        f"{running.peak:>6.1f}{ran['cycles']:>11,}{ran['wavelets']['crossings']:>12.3g}"
        f"{ran['wall']['crossings_per_second']:>12.3g}",
        flush=True,
    )
