"""Predicted against simulated cycles per full chunk, kernel by kernel, for the demo model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tulle_compiler.pipeline import CompileOptions, compile_model
from tulle_ir.report import Kernel, Report
from tulle_runtime.session import Session

MODEL = Path(__file__).parents[1] / "gpt2_topics" / "gpt2_topics_sparse.onnx"
MESH, CHUNK, TOKENS = (64, 64), 4, 256
TERMS = ("skew", "vectors", "receiving", "reducing", "distance", "link_contention", "remainder")


def main() -> None:
    """A row per kernel, in the order of the model, then the whole run."""
    report = _run()
    print(
        f"predicted against simulated cycles per chunk of {CHUNK} tokens; {TOKENS} tokens on {MESH[0]} x {MESH[1]} PEs"
    )
    print("(ideal + the terms, per chunk, = what the kernel needs by itself; docs/report.md)")
    print(f"{'kernel':28}{'predicted':>10}{'simulated':>10}{'error':>8}{'ideal':>7}", end="")
    print("".join(f"{term.split('_')[-1][:10]:>11}" for term in TERMS))
    for kernel in report.kernels:
        _print(kernel, TOKENS // CHUNK)
    errors = [abs(kernel.per_chunk.error) for kernel in report.kernels if kernel.per_chunk and kernel.per_chunk.error]
    print(f"mean error of a kernel {np.mean(errors):.1%}, largest {max(errors):.1%}")
    print(
        f"whole run: predicted {report.predicted_cycles:,}, simulated {report.cycles:,}, {report.prediction_error:+.1%}"
    )
    if report.limit is not None:
        print(f"limited by {report.limit.kind} {report.limit.name}: {report.limit.cycles:,} cycles by itself")


def _run() -> Report:
    session = Session(compile_model(MODEL, CompileOptions(mesh=MESH, chunk=CHUNK, replicas=1)).artifact)
    ids = np.random.default_rng(0).integers(0, session.program.protocol.vocab, (1, TOKENS))
    session.run(None, {session.inputs[0].name: ids})
    return session.report


def _print(kernel: Kernel, chunks: int) -> None:
    per, went = kernel.per_chunk, kernel.attribution
    print(f"{kernel.name:28}{per.predicted:>10.0f}{per.simulated:>10.0f}{per.error:>+8.1%}{per.ideal:>7.0f}", end="")
    print("".join(f"{getattr(went, term) / chunks:>11.0f}" for term in TERMS))


if __name__ == "__main__":
    main()
