"""Several copies of a pipeline on one mesh: the values of one, the cycles of one, the tokens of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from small_models import gpt, matmul, mlp

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import Compiled, compile_graph
from tulle_compiler.plan.replicas import copies_of
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph
from tulle_ir.program import Program, Replicas
from tulle_ir.target import load_target
from tulle_ir.text import parse_stage, print_program, print_stage_with_tensors
from tulle_ir.verify_plan import verify_stage
from tulle_runtime.session import Session

GPT = gpt(width=12, heads=2, blocks=1, vocabulary=11, context=7, hidden=13)


def options(copies: int | None, mesh: tuple[int, int] = (40, 40), **given: object) -> CompileOptions:
    common = CompileOptions(target="generic", mesh=mesh, dtype="f32", replicas=copies)
    return replace(common, **given)  # type: ignore[arg-type]


@cache
def compiled(graph: Graph, given: CompileOptions) -> Compiled:
    """Compiled once for all tests that run it."""
    return compile_graph(graph, given)


def alone(program: Program) -> Program:
    """The first copy by itself, on the same mesh."""
    return replace(program, replicas=Replicas())


def execute(program: Program, x: np.ndarray, engine: str = "fast") -> tuple[np.ndarray, Session]:
    session = Session(program, engine)
    return session.run(None, {session.inputs[0].name: x})[0], session


def sequences(batch: int, tokens: int) -> np.ndarray:
    return np.random.default_rng(batch).integers(0, 11, (batch, tokens))


@pytest.mark.parametrize("logits", ["all", "last"])
@pytest.mark.parametrize("tokens", [1, 3, 7])
@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7])
def test_a_batch_has_the_values_of_one_pipeline(batch: int, tokens: int, logits: str) -> None:
    program = compiled(GPT, options(3, (30, 72), chunk=3, logits=logits)).program
    x = sequences(batch, tokens)
    got, _ = execute(program, x)
    one, _ = execute(alone(program), x)
    assert np.array_equal(got, one)
    wanted = run_graph(GPT, x).reshape(batch, tokens, -1)[:, -got.shape[1] :]
    assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("batch", [1, 3])
def test_both_engines_agree(batch: int) -> None:
    program = compiled(GPT, options(2, (30, 48), chunk=3)).program
    (fast, by_fast), (slow, by_slow) = (execute(program, sequences(batch, 4), e) for e in ("fast", "reference"))
    assert np.array_equal(fast, slow)
    assert by_fast.report.cycles == by_slow.report.cycles
    assert by_fast.report.kernels == by_slow.report.kernels


def test_as_many_sequences_as_copies_take_the_cycles_of_one() -> None:
    program = compiled(GPT, options(3, (30, 72), chunk=3)).program
    cycles = {batch: execute(program, sequences(batch, 7))[1].report.cycles for batch in (1, 3, 4, 6)}
    assert cycles[3] == cycles[1]
    assert cycles[4] == cycles[6] == execute(alone(program), sequences(2, 7))[1].report.cycles


@pytest.mark.parametrize("shape", [(1, 10), (5, 10), (13, 10), (2, 6, 10)])
def test_independent_rows_are_dealt_in_chunks(shape: tuple[int, ...]) -> None:
    program = compiled(mlp((10, 18, 6)), options(3, chunk=2)).program
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    got, session = execute(program, x)
    one, single = execute(alone(program), x)
    assert np.array_equal(got, one)
    assert session.report.tokens == single.report.tokens
    if np.prod(shape[:-1]) > 6:
        assert session.report.cycles < single.report.cycles


def test_the_report_tells_of_all_copies() -> None:
    program = compiled(GPT, options(3, (30, 72), chunk=3)).program
    _, session = execute(program, sequences(6, 7))
    _, single = execute(alone(program), sequences(2, 7))
    report, one = session.report, single.report
    assert (report.replicas, report.tokens, one.tokens) == (3, 42, 14)
    assert report.tokens_per_second == pytest.approx(3 * one.tokens_per_second, rel=1e-4)
    assert report.utilization.pes_used == 3 * one.utilization.pes_used
    assert report.memory.total_bytes == 3 * one.memory.total_bytes
    assert report.axpy.executed == 3 * one.axpy.executed
    assert [kernel.name for kernel in report.kernels] == [kernel.name for kernel in one.kernels]
    assert [kernel.own_cycles for kernel in report.kernels] == [kernel.own_cycles for kernel in one.kernels]
    assert {kernel.replica for kernel in report.kernels} == {0}
    assert report.limit == one.limit
    assert report.bound_cycles == one.bound_cycles


def test_weights_and_text_are_there_once() -> None:
    one, three = (compiled(GPT, options(n, (30, 24 * n), chunk=3)).program for n in (1, 3))
    assert sum(t.nbytes for t in three.tensors.values()) <= 1.1 * sum(t.nbytes for t in one.tensors.values())
    assert len(print_program(three).splitlines()) <= 1.1 * len(print_program(one).splitlines())
    assert three.mesh == (30, 72)


def test_equal_compilations_are_equal() -> None:
    first, second = (compile_graph(GPT, options(None, chunk=3)) for _ in range(2))
    assert first.artifact.stages == second.artifact.stages
    assert first.program == second.program


@pytest.mark.parametrize("level", ["plan", "placed", "routed"])
def test_earlier_stages_are_those_of_one_copy_and_can_be_read_back(level: str) -> None:
    stage = compiled(GPT, options(3, (30, 72), chunk=3)).stages[level]
    text, tensors = print_stage_with_tensors(stage)
    again = parse_stage(text, tensors)
    assert again == stage
    assert not verify_stage(again)  # type: ignore[arg-type]
    assert "mesh 30x24" in text


def test_a_large_mesh_is_filled_where_that_pays() -> None:
    small, large = (compile_graph(GPT, options(None, mesh, level="plan")).report for mesh in ((24, 24), (48, 96)))
    assert large.replicas > small.replicas
    assert large.tokens_per_second > 1.5 * small.tokens_per_second


@pytest.mark.parametrize(
    ("graph", "given"),
    [
        (GPT, options(None, None)),  # no mesh is to be filled
        (GPT, options(None, objective="latency")),
        (matmul(16, 16), options(None)),  # a linear by itself has the whole mesh
        (replace(GPT, input=replace(GPT.input, batch=1)), options(None)),
    ],
)
def test_elsewhere_there_is_one(graph: Graph, given: CompileOptions) -> None:
    assert compile_graph(graph, replace(given, level="plan")).report.replicas == 1


def test_where_the_links_are_the_limit_there_is_one() -> None:
    many = gpt(width=8, heads=1, blocks=1, vocabulary=20000, context=8, hidden=8)
    given = options(None, (200, 200), target="wse2")
    assert compile_graph(many, replace(given, level="plan")).report.replicas == 1
    assert compile_graph(many, replace(given, level="plan", logits="last")).report.replicas > 1


def test_copies_can_be_asked_for_without_a_mesh_and_for_latency() -> None:
    program = compiled(GPT, options(2, None, objective="latency")).program
    got, _ = execute(program, sequences(3, 5))
    assert program.replicas.count == 2
    assert np.array_equal(got, execute(alone(program), sequences(3, 5))[0])


def test_a_linear_by_itself_can_be_copied_too() -> None:
    program = compiled(matmul(16, 16), options(2)).program
    x = np.random.default_rng(0).standard_normal((9, 16)).astype(np.float32)
    assert program.replicas.count == 2
    assert np.array_equal(execute(program, x)[0], execute(alone(program), x)[0])


def test_too_many_copies_do_not_fit() -> None:
    with pytest.raises(DoesNotFit, match=r"each of 20 replicas has 40 x 2 of the 40 x 40 PEs") as caught:
        compile_graph(GPT, options(20))
    assert "fewer --replicas" in caught.value.remedy
    with pytest.raises(DoesNotFit, match=r"41 replicas were asked for: .* has 40 rows"):
        compile_graph(GPT, options(41))


@pytest.mark.parametrize(
    ("tokens_per_second", "limit", "best", "plans"),
    [
        (lambda copies: copies, np.inf, 44, 2),  # room for all
        (lambda copies: copies**0.5 * (copies <= 8), np.inf, 8, 8),  # larger numbers do not fit
        (lambda copies: copies**0.3 - 0.002 * copies**2, np.inf, 11, 8),
        (lambda _: 1.0, 1.02, 1, 1),  # the links carry no more
        (lambda _: 0.0, np.inf, 1, 1),  # not even one fits
    ],
)
def test_few_plans_find_a_number_of_copies_that_is_nearly_the_best(
    tokens_per_second: Callable[[int], float], limit: float, best: int, plans: int
) -> None:
    asked: list[int] = []

    def rate(copy: CompileOptions) -> tuple[float, float]:
        assert copy.replicas is not None
        asked.append(copy.replicas)
        return float(tokens_per_second(copy.replicas)), limit

    target = load_target("wse2")
    ranked = copies_of(GPT, CompileOptions(mesh=(750, 994)), target, rate)
    assert ranked[0].replicas == best
    assert ranked[0].mesh == (750, 994 // best)
    assert len(asked) <= plans
