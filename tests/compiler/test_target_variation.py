"""A Graph may be compiled for, and run on, a variation of a target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_models import matmul

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.graph_run import run_graph
from tulle_ir.target import load_target
from tulle_runtime.session import Session

GENERIC = load_target("generic")
SLOW_AXPY = replace(GENERIC, axpy_overhead=48)
TWO_COLORS = replace(GENERIC, colors=2, host_colors=0)


def test_planning_and_running_see_the_variation() -> None:
    graph, options = matmul(31, 17), CompileOptions(target="generic", mesh=(40, 40), dtype="f32", chunk=4)
    x = np.random.default_rng(0).standard_normal((5, 31)).astype(np.float32)
    cycles, predicted = [], []
    for target in (GENERIC, SLOW_AXPY):
        compiled = compile_graph(graph, options, target=target)
        session = Session(compiled.artifact, target=target)
        (y,) = session.run(None, {graph.input.name: x})
        assert np.allclose(y, run_graph(graph, x, dtype="f32"), atol=1e-4)
        assert session.report is not None
        cycles.append(session.report.cycles)
        predicted.append(compiled.report.predicted_cycles)
    assert cycles[1] > cycles[0]
    assert predicted[1] > predicted[0]


def test_routing_sees_the_variation() -> None:
    with pytest.raises(DoesNotFit, match="color"):
        compile_graph(
            matmul(31, 17), CompileOptions(target="generic", mesh=(40, 40), level="routed"), target=TWO_COLORS
        )
