"""Copies of the demo model on one mesh: tokens per second as predicted for a long batch, and as simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tulle_compiler.frontend import import_onnx
from tulle_compiler.pipeline import CompileOptions, compile_graph
from tulle_ir.graph import Graph
from tulle_runtime.session import Session

MODEL = Path(__file__).parents[1] / "gpt2_topics" / "gpt2_topics_sparse.onnx"
MESH = (120, 120)
COPIES = (1, 2, 4, None)  # None: the plan's choice
SEQUENCES, TOKENS = 2, 256  # for each copy


def main() -> None:
    """A row per number of copies."""
    graph = import_onnx(MODEL)
    print(
        f"copies of the demo model on {MESH[0]} x {MESH[1]} PEs, {SEQUENCES} sequences of {TOKENS} tokens for each copy"
    )
    print("(tokens per second: of the whole run; steady: between the ends of two sequences; and as predicted for that)")
    print(f"{'logits':>8}{'copies':>9}{'chunk':>7}{'PEs':>8}{'cycles':>10}{'predicted':>11}", end="")
    print(f"{'tokens/s':>12}{'steady':>12}{'predicted':>12}")
    for logits in ("all", "last"):
        for copies in COPIES:
            _row(graph, CompileOptions(mesh=MESH, replicas=copies, logits=logits))


def _row(graph: Graph, options: CompileOptions) -> None:
    compiled = compile_graph(graph, options)
    session, copies = Session(compiled.artifact), compiled.report.replicas
    ids = np.random.default_rng(0).integers(0, graph.input.width, (SEQUENCES * copies, TOKENS))
    session.run(None, {session.inputs[0].name: ids})
    report, told = session.report, "" if options.replicas else " (plan)"
    steady = copies * TOKENS / _apart(session) * session.target.gigahertz * 1e9
    print(
        f"{options.logits:>8}{f'{copies}{told}':>9}{report.chunk:>7}{report.utilization.pes_used:>8,}{report.cycles:>10,}"
        f"{report.prediction_error:>+11.1%}{report.tokens_per_second:>12,}{steady:>12,.0f}"
        f"{compiled.report.tokens_per_second:>12,}",
        flush=True,
    )


def _apart(session: Session) -> int:
    """Cycles between the last results of the first copy's last two sequences."""
    arrived = [port.cycles for port in session.result.outputs[0]]
    return max(int(cycles[-1] - cycles[len(cycles) // SEQUENCES * (SEQUENCES - 1) - 1]) for cycles in arrived)


if __name__ == "__main__":
    main()
