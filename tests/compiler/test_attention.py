"""Attention on blocks of any shape: columns that slice a head's features, rows that share its positions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from small_models import gpt

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_compiler.plan.smallest import Smallest
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph
from tulle_ir.program import Program
from tulle_runtime.session import Session

F32_TOLERANCE = 1e-4  # relative to the largest value
OPTIONS = CompileOptions(target="generic", mesh=(60, 60), replicas=1, dtype="f32")
CONTEXT = 19
GRAPH = gpt(width=14, heads=2, blocks=1, vocabulary=11, context=CONTEXT, hidden=13)  # 7 features a head


@cache
def program_of(graph: Graph, columns: int, rows: int, options: CompileOptions) -> Program:
    """Compiled with blocks of that shape, whatever the search would choose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Smallest, "_block", lambda *_: (columns, rows))
        program = compile_graph(graph, options).program
    (attention,) = (symbol for symbol in program.symbols if symbol.name.startswith("attention"))
    assert sorted(attention.region[2:]) == sorted((2 * columns, rows + 1))
    return program


def error(program: Program, graph: Graph, x: np.ndarray, engine: str = "fast") -> float:
    """max |a - b| / max |b| against the Graph run in numpy with f32."""
    session = Session(program, engine=engine)  # type: ignore[arg-type]
    got = session.run(None, {graph.input.name: x})[0]
    wanted = run_graph(graph, x).reshape(got.shape)
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def ids(batch: int, tokens: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 11, (batch, tokens))


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize(("rows", "chunk"), [(1, 4), (2, 19), (5, 1), (5, 4), (19, 4)])
def test_every_shape_of_block_gives_the_values(columns: int, rows: int, chunk: int) -> None:
    program = program_of(GRAPH, columns, rows, replace(OPTIONS, chunk=chunk))
    for batch, tokens in ((1, 1), (3, 7), (1, CONTEXT)):
        assert error(program, GRAPH, ids(batch, tokens)) <= F32_TOLERANCE


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_half_precision_is_as_near_as_numpy_s(columns: int) -> None:
    program = program_of(GRAPH, columns, 3, replace(OPTIONS, chunk=5, dtype="f16"))
    x = ids(2, 17)
    wanted = run_graph(GRAPH, x)
    expected = np.abs(run_graph(GRAPH, x, dtype="f16") - wanted).max() / np.abs(wanted).max()
    assert error(program, GRAPH, x) <= 2 * expected


def test_half_precision_sums() -> None:
    given = replace(OPTIONS, chunk=5, dtype="f16", accumulate="f16", reduce="f16")
    assert error(program_of(GRAPH, 2, 3, given), GRAPH, ids(2, 17)) <= 2e-2


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (2, 3), (4, 2)])
def test_both_engines_agree(columns: int, rows: int) -> None:
    program, x = program_of(GRAPH, columns, rows, replace(OPTIONS, chunk=3)), ids(2, 7)
    outputs, cycles = [], []
    for engine in ("fast", "reference"):
        session = Session(program, engine=engine)  # type: ignore[arg-type]
        outputs.append(session.run(None, {GRAPH.input.name: x})[0])
        cycles.append(session.report.cycles)
    assert np.array_equal(*outputs)
    assert cycles[0] == cycles[1]
