"""A linear by itself takes the whole mesh: its parts, their values, and how near they come to their bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_models import matmul

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import Compiled, compile_graph
from tulle_compiler.plan import layouts
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph
from tulle_ir.memory import pes_used
from tulle_runtime.session import Session

OPTIONS = CompileOptions(target="wse2", dtype="f32")


def execute(compiled: Compiled, graph: Graph, tokens: int) -> tuple[float, Session]:
    """Largest error relative to the largest value, and the session that ran."""
    x = np.random.default_rng(0).standard_normal((tokens, graph.input.width)).astype(np.float32)
    session = Session(compiled.artifact)
    (y,) = session.run(None, {graph.input.name: x})
    wanted = run_graph(graph, x, dtype="f32").reshape(y.shape)
    return float(np.abs(y - wanted).max() / np.abs(wanted).max()), session


@pytest.mark.parametrize(
    ("mesh", "inputs", "outputs"),
    [((24, 24), 192, 192), ((16, 24), 96, 288), ((24, 16), 96, 288), ((32, 6), 96, 96), ((24, 24), 288, 96)],
)
def test_nearly_every_pe_of_a_mesh_of_any_shape_takes_part(mesh: tuple[int, int], inputs: int, outputs: int) -> None:
    graph = matmul(inputs, outputs, 0.75)
    compiled = compile_graph(graph, replace(OPTIONS, mesh=mesh, context=64))
    assert pes_used(compiled.program).sum() >= 0.97 * mesh[0] * mesh[1]
    error, session = execute(compiled, graph, 64)
    assert error <= 1e-4
    assert session.report is not None
    assert session.report.cycles <= 1.5 * session.report.bound_cycles


def test_a_long_mesh_is_shared_by_parts_whose_outputs_come_together_again() -> None:
    graph = matmul(192, 200, 0.75)
    compiled = compile_graph(graph, replace(OPTIONS, mesh=(48, 8), context=64, chunk=64))
    plan = compiled.stages["plan"]
    assert sum(kernel.kind == "linear" for kernel in plan.kernels) > 1
    features = [np.asarray(k.tensors["features"]) for k in plan.kernels if k.kind == "gather"]
    assert sorted(np.concatenate(features).tolist()) == list(range(200))
    assert execute(compiled, graph, 32)[0] <= 1e-4


def test_copies_of_the_matrix_take_chunks_in_turn() -> None:
    """Each copy brings all outputs, for its share of the chunks; any number of sequences and tokens may come."""
    graph = matmul(192, 192, 0.75)
    compiled = compile_graph(graph, replace(OPTIONS, mesh=(48, 24), context=64))
    gathers = [k for k in compiled.stages["plan"].kernels if k.kind == "gather"]
    (turns,) = {k.params["turns"] for k in gathers}
    assert turns > 1
    for turn in range(int(turns)):
        features = [np.asarray(k.tensors["features"]) for k in gathers if k.params["turn"] == turn]
        assert sorted(np.concatenate(features).tolist()) == list(range(192))
    for tokens in (1, 64, 77):
        error, session = execute(compiled, graph, tokens)
        assert error <= 1e-4
    (y,) = session.run(None, {graph.input.name: np.ones((3, 29, 192), np.float32)})
    assert np.all(y == y[0])


def test_a_shared_matrix_takes_less_time_than_one_copy_of_it_would() -> None:
    graph = matmul(192, 192, 0.9)
    cycles = {}
    for context in (8, 64):  # planned for one chunk of 8, or for eight of them
        compiled = compile_graph(graph, replace(OPTIONS, mesh=(48, 24), context=context, chunk=8))
        report = execute(compiled, graph, 64)[1].report
        assert report is not None
        cycles[context] = report.cycles
    assert cycles[64] < 0.9 * cycles[8]


def test_results_leave_while_the_rest_of_their_chunk_is_worked_on() -> None:
    """One chunk: the first results are out long before the last AXPY."""
    graph = matmul(96, 96, 0.5)
    compiled = compile_graph(graph, replace(OPTIONS, mesh=(12, 12), context=64, chunk=64))
    (linear,) = [k for k in compiled.stages["plan"].kernels if k.kind == "linear"]
    assert len(str(linear.params["groups"]).split()) > 1
    error, session = execute(compiled, graph, 64)
    assert error <= 1e-4
    assert session.result is not None
    rows = [arrivals.cycles for arrivals in session.result.outputs[0]]
    assert min(cycles[1] for cycles in rows) < 0.7 * session.result.cycles


@pytest.mark.parametrize("groups", [(1,), (1, 1), (4, 2, 1, 1)])
def test_rows_that_come_in_groups_are_rounded_where_they_are_gathered(
    groups: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """f32 sums, f16 results: also in groups, also of lanes of unequal size."""
    monkeypatch.setattr(layouts, "GROUPS", (groups,))
    graph = matmul(60, 101, 0.75)
    compiled = compile_graph(graph, replace(OPTIONS, dtype="f16", accumulate="f32", reduce="f32", mesh=(10, 10)))
    x = np.random.default_rng(0).standard_normal((40, 60)).astype(np.float32)
    session = Session(compiled.artifact)
    (y,) = session.run(None, {graph.input.name: x})
    wanted = run_graph(graph, x, dtype="f16").reshape(y.shape)
    assert np.abs(y - wanted).max() <= 2e-3 * np.abs(wanted).max()


def test_without_bias_and_activation_no_pe_only_passes_sums_on() -> None:
    options = replace(OPTIONS, mesh=(16, 16))
    plain, biased = (
        [k for k in compile_graph(matmul(64, 64, 0.5, bias=bias), options).stages["plan"].kernels if k.kind == "linear"]
        for bias in (False, True)
    )
    assert all(k.params["finishers"] == 0 for k in plain)
    assert all(k.params["finishers"] > 0 for k in biased)


def test_the_context_asked_for_is_the_length_that_the_chunk_suits() -> None:
    graph = matmul(64, 64, 0.5)
    short, long = (
        compile_graph(graph, replace(OPTIONS, mesh=(16, 16), context=tokens)).stages["plan"].options["chunk"]
        for tokens in (4, 255)
    )
    assert short <= 4 < long


@pytest.mark.parametrize("tokens", [1, 3, 32, 33, 70])
def test_any_number_of_tokens_runs(tokens: int) -> None:
    graph = matmul(40, 72, 0.75)
    compiled = compile_graph(graph, replace(OPTIONS, mesh=(12, 20), chunk=16))
    assert execute(compiled, graph, tokens)[0] <= 1e-4
