"""What sparsity is worth: the demo's dense twin, pruned by magnitude at compile time."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from tulle_compiler.frontend import import_onnx
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import Compiled, compile_graph
from tulle_ir.graph import Graph
from tulle_ir.report import Report
from tulle_runtime.session import Session

DENSE = Path(__file__).parents[1] / "gpt2_topics" / "gpt2_topics_dense.onnx"
MESH, SEQUENCES, TOKENS = (64, 64), 4, 256
SPARSITIES = (0.0, 0.5, 0.75, 0.9)


def main() -> None:
    """A row per sparsity."""
    graph = import_onnx(DENSE)
    options = CompileOptions(mesh=MESH, replicas=1)
    print(f"the dense GPT-2 of gpt2_topics, pruned: {SEQUENCES} sequences of {TOKENS} tokens on", end=" ")
    print(f"{MESH[0]} x {MESH[1]} PEs of wse2")
    print(
        f"{'pruned':>8}{'chunk':>7}{'cycles':>10}{'a token':>9}{'predicted':>11}{'bound':>9}{'ideal':>9}{'AXPYs':>12}",
        end="",
    )
    print(f"{'compile s':>11}{'run s':>8}{'crossings/s':>13}")
    for sparsity in SPARSITIES:
        row(graph, replace(options, prune=f"magnitude:{sparsity}" if sparsity else None), sparsity)


def row(graph: Graph, options: CompileOptions, sparsity: float) -> None:
    """Compile, run, print one line."""
    start = time.perf_counter()
    compiled = compile_graph(graph, options)
    seconds = time.perf_counter() - start
    report = execute(compiled, graph)
    assert report.axpy is not None and report.wall is not None
    print(
        f"{sparsity:>8.0%}{report.chunk:>7}{report.cycles:>10}{report.cycles / report.tokens:>9.1f}"
        f"{report.predicted_cycles:>11}{report.bound_cycles:>9}{report.ideal_cycles:>9}{report.axpy.executed:>12}{seconds:>11.1f}{report.wall.seconds:>8.1f}"
        f"{report.wall.crossings_per_second:>13.3g}",
        flush=True,
    )


def execute(compiled: Compiled, graph: Graph) -> Report:
    """Run seeded ids on the fast engine."""
    session = Session(compiled.artifact)
    ids = np.random.default_rng(0).integers(0, graph.input.width, (SEQUENCES, TOKENS))
    session.run(None, {graph.input.name: ids})
    return session.report
