"""A last linear with many outputs stands in parts, each with its own gather."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from small_models import gpt, mlp

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import Compiled, compile_graph
from tulle_compiler.plan import planner
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph
from tulle_ir.plan import Plan
from tulle_runtime.session import Session

VOCABULARY = 2001
OPTIONS = CompileOptions(mesh=(80, 80), replicas=1, dtype="f32")


@cache
def model() -> Graph:
    return gpt(width=48, heads=4, blocks=1, vocabulary=VOCABULARY, context=64, hidden=96)


def compiled_in(parts: int, monkeypatch: pytest.MonkeyPatch, graph: Graph, options: CompileOptions) -> Compiled:
    monkeypatch.setattr(planner, "parts_worth_trying", lambda problem: [parts])
    return compile_graph(graph, options)


def kernels_of(plan: Plan, kind: str) -> int:
    return sum(kernel.kind == kind for kernel in plan.kernels)


def cycles_per_token(plan: Plan) -> float:
    """In steady state."""
    return max(kernel.cost.predicted for kernel in plan.kernels) / int(plan.options["chunk"])


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("logits", ["all", "last"])
def test_any_number_of_parts_gives_the_same_logits(parts: int, logits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(OPTIONS, logits=logits)  # type: ignore[arg-type]
    compiled = compiled_in(parts, monkeypatch, model(), options)
    assert kernels_of(compiled.stages["plan"], "gather") == parts
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (2, 9))
    session = Session(compiled.artifact)
    (got,) = session.run(None, {session.inputs[0].name: ids})
    wanted = run_graph(model(), ids, dtype="f32").reshape(2, 9, VOCABULARY)[:, -got.shape[1] :]
    assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("parts", [2, 3])
def test_a_linear_with_bias_and_activation_may_be_in_parts(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = mlp((16, 24, 301), "relu", 0.5)
    x = np.random.default_rng(1).standard_normal((7, 16)).astype(np.float32)
    session = Session(compiled_in(parts, monkeypatch, graph, OPTIONS).artifact)
    (got,) = session.run(None, {session.inputs[0].name: x})
    wanted = run_graph(graph, x, dtype="f32").reshape(got.shape)
    assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_many_outputs_are_dealt_to_parts_and_tokens_follow_each_other_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = gpt(width=64, heads=4, blocks=1, vocabulary=8000, hidden=128)
    options = CompileOptions(mesh=(100, 100), replicas=1, level="plan")
    chosen = compile_graph(graph, options).stages["plan"]
    whole = compiled_in(1, monkeypatch, graph, options).stages["plan"]
    assert kernels_of(chosen, "gather") > 1
    assert cycles_per_token(chosen) < 0.9 * cycles_per_token(whole)


def test_few_outputs_are_not() -> None:
    plan = compile_graph(model(), CompileOptions(level="plan")).stages["plan"]
    assert kernels_of(plan, "gather") == 1
