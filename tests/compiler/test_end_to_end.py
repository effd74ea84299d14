"""A Graph compiled and executed gives the Graph's own values, at any dimensions, on both engines."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from small_models import gpt, matmul, mlp

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph
from tulle_ir.program import Program
from tulle_ir.text import print_program
from tulle_runtime.session import Session

F32_TOLERANCE = 1e-4  # design section 10, relative to the largest value


def options(mesh: tuple[int, int] = (40, 40), **given: object) -> CompileOptions:
    return replace(CompileOptions(target="generic", mesh=mesh, replicas=1, dtype="f32"), **given)  # type: ignore[arg-type]


@cache
def program_of(graph: Graph, given: CompileOptions) -> Program:
    """Compiled once for all tests that run it."""
    return compile_graph(graph, given).program


def feed(graph: Graph, tokens: int, batch: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if graph.input.kind == "ids":
        return rng.integers(0, graph.input.width, (batch, tokens))
    return rng.standard_normal((tokens, graph.input.width)).astype(np.float32)


def execute(program: Program, graph: Graph, x: np.ndarray, engine: str = "fast") -> tuple[np.ndarray, Session]:
    session = Session(program, engine=engine)  # type: ignore[arg-type]
    return session.run(None, {graph.input.name: x})[0], session


def error(graph: Graph, x: np.ndarray, got: np.ndarray, dtype: str = "f32") -> float:
    """max |a - b| / max |b| against the Graph run in numpy."""
    wanted = run_graph(graph, x, dtype=dtype).reshape(got.shape)  # type: ignore[arg-type]
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (2, 3), (13, 17), (31, 7), (64, 5)])
@pytest.mark.parametrize("tokens", [1, 5])
def test_a_matmul_of_any_dimensions(inputs: int, outputs: int, tokens: int) -> None:
    graph = matmul(inputs, outputs, bias=True)
    x = feed(graph, tokens)
    got, _ = execute(program_of(graph, options(chunk=4)), graph, x)
    assert error(graph, x, got) <= F32_TOLERANCE


@pytest.mark.parametrize("kind", ["relu", "gelu", "gelu_tanh"])
def test_an_mlp_with_every_activation(kind: str) -> None:
    graph = mlp((11, 23, 5), kind)
    x = feed(graph, 7)
    got, _ = execute(program_of(graph, options(chunk=3)), graph, x)
    assert error(graph, x, got) <= F32_TOLERANCE


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("tokens", [1, 2, 8, 19])
def test_a_gpt_of_odd_dimensions(tokens: int, batch: int) -> None:
    graph = gpt(width=21, heads=3, hidden=47)
    x = feed(graph, tokens, batch)
    got, _ = execute(program_of(graph, options(chunk=4)), graph, x)
    assert error(graph, x, got) <= F32_TOLERANCE


def test_a_gpt_in_half_precision() -> None:
    graph = gpt()
    x = feed(graph, 19)
    got, _ = execute(program_of(graph, options(chunk=8, dtype="f16")), graph, x)
    wanted = run_graph(graph, x)
    expected = np.abs(run_graph(graph, x, dtype="f16") - wanted).max()
    assert np.abs(got.reshape(wanted.shape) - wanted).max() <= 2 * expected


def test_half_precision_sums() -> None:
    graph = matmul(29, 31)
    x = feed(graph, 6)
    given = options(chunk=4, dtype="f16", accumulate="f16", reduce="f16")
    got, _ = execute(program_of(graph, given), graph, x)
    assert error(graph, x, got) <= 2e-2


def test_zeros_stored_as_weights_give_the_same_values_and_more_work() -> None:
    graph = matmul(48, 48, sparsity=0.75)
    x = feed(graph, 16)
    sparse, fast = execute(program_of(graph, options(chunk=16)), graph, x)
    dense, slow = execute(program_of(graph, options(chunk=16, ignore_sparsity=True)), graph, x)
    assert np.abs(sparse - dense).max() <= 1e-5 * np.abs(dense).max()
    assert fast.report.cycles is not None and slow.report.cycles is not None


def test_only_the_last_logits() -> None:
    graph = gpt(blocks=1)
    x = feed(graph, 9, 2)
    got, _ = execute(program_of(graph, options(chunk=4, logits="last")), graph, x)
    wanted = run_graph(graph, x).reshape(2, 9, -1)[:, -1:]
    assert np.abs(got.reshape(wanted.shape) - wanted).max() <= F32_TOLERANCE * np.abs(wanted).max()


def test_both_engines_agree_on_a_gpt() -> None:
    graph = gpt(width=12, heads=2, blocks=1, vocabulary=11, context=7, hidden=13)
    program = program_of(graph, options((24, 24), chunk=3))
    x = feed(graph, 7, 2)
    fast, by_fast = execute(program, graph, x)
    reference, by_reference = execute(program, graph, x, "reference")
    assert np.array_equal(fast, reference)
    assert by_fast.report.cycles == by_reference.report.cycles


def test_names_and_origins_mean_nothing() -> None:
    graph = gpt(width=12, heads=2, blocks=1, vocabulary=11, context=7, hidden=13)
    program = program_of(graph, options((24, 24), chunk=3))
    x = feed(graph, 7)
    named, with_names = execute(program, graph, x)
    routes = tuple(replace(route, name=f"r{i}") for i, route in enumerate(program.routes))
    bare = replace(program, symbols=(), name="", routes=routes)
    unnamed, without = execute(bare, graph, x)
    assert np.array_equal(named, unnamed)
    assert with_names.report.cycles == without.report.cycles


def test_the_same_graph_and_seed_give_the_same_text() -> None:
    graph = gpt(blocks=1)
    first, second = (print_program(compile_graph(graph, options(chunk=4)).program) for _ in range(2))
    assert first == second


def test_no_run_is_below_its_bound() -> None:
    graph = gpt(blocks=1)
    x = feed(graph, 19)
    _, session = execute(program_of(graph, options(chunk=4)), graph, x)
    report = session.report
    assert report.cycles is not None and report.cycles >= report.bound_cycles >= report.ideal_cycles
