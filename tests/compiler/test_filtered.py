"""Behind a ReLU, at chunk 1, zeros stay with their sender: fewer AXPYs and cycles, the same values."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from small_models import gpt, mlp

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import Compiled, compile_graph
from tulle_compiler.plan.kernels import Kernels
from tulle_ir.graph import Graph
from tulle_ir.graph_build import GraphBuilder
from tulle_runtime.session import Session

WIDTHS = (24, 96, 64, 16)


def options(**given: object) -> CompileOptions:
    return replace(CompileOptions(target="generic", mesh=(40, 40), replicas=1, dtype="f16", chunk=1), **given)  # type: ignore[arg-type]


def filters(compiled: Compiled) -> list[tuple[int, int]]:
    """(no zeros come in, none go out) of each linear kernel."""
    kernels = [kernel for kernel in compiled.stages["plan"].kernels if kernel.kind == "linear"]
    return [(int(kernel.params["filtered"]), int(kernel.params["filters"])) for kernel in kernels]


def layers(density: float) -> list[np.ndarray]:
    """Small whole numbers, so that every sum is exact in f16, and the zeros are the same everywhere."""
    rng = np.random.default_rng(3)
    shapes = list(pairwise(WIDTHS))
    return [rng.choice([-1, 1], shape) * (rng.random(shape) < density) for shape in shapes]


@cache
def exact_mlp(density: float) -> Graph:
    b = GraphBuilder.features(WIDTHS[0])
    x = "in"
    for index, weight in enumerate(layers(density)):
        x = b.linear(x, weight.astype(np.float32), None)
        x = b.activation(x, "relu") if index < 2 else x
    return b.build(x)


def execute(compiled: Compiled, x: np.ndarray, engine: str = "fast") -> tuple[np.ndarray, Session]:
    session = Session(compiled.program, engine=engine)  # type: ignore[arg-type]
    (name,) = (stream.name for stream in compiled.program.streams if stream.is_input)
    return session.run(None, {name: x})[0], session


def unfiltered(graph: Graph, given: CompileOptions, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """The same compilation, to the same sizes, without filtering."""
    monkeypatch.setattr(Kernels, "filtered", frozenset())
    return compile_graph(graph, given)


@pytest.mark.parametrize("density", [0.3, 1.0])
def test_skipped_axpys_are_those_of_the_zeros_that_numpy_counts(density: float) -> None:
    compiled = compile_graph(exact_mlp(density), options())
    x = np.random.default_rng(0).integers(-2, 3, (9, WIDTHS[0])).astype(np.float32)
    got, session = execute(compiled, x)
    assert filters(compiled) == [(0, 1), (1, 1), (1, 0)]
    values, skipped, executed = x, 0, 0
    for index, weight in enumerate(layers(density)):
        of_column = np.count_nonzero(weight, axis=1)
        skipped += int(of_column @ (values == 0).sum(axis=0)) if index else 0
        executed += int(of_column @ ((values != 0) | (index == 0)).sum(axis=0))
        values = values @ weight if index == 2 else np.maximum(values @ weight, 0)
    assert np.array_equal(got.reshape(values.shape), values)
    assert session.report.axpy.skipped_zero_activations == skipped > 0
    if density < 1:  # the first matrix is dense otherwise, and has no AXPYs
        assert session.report.axpy.executed == executed


def test_cycles_fall_and_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = mlp((32, 256, 256, 32), "relu", 0.75)
    x = np.random.default_rng(1).standard_normal((12, 32)).astype(np.float32)
    given = options(target="wse2", mesh=(48, 48))
    got, session = execute(compile_graph(graph, given), x)
    without, before = execute(unfiltered(graph, given, monkeypatch), x)
    assert np.array_equal(got, without)
    assert session.report.cycles < 0.9 * before.report.cycles
    now, then = session.report.axpy, before.report.axpy
    assert now.executed + now.skipped_zero_activations == then.executed
    assert then.skipped_zero_activations == 0


@pytest.mark.parametrize("precision", [{}, {"accumulate": "f16"}, {"reduce": "f16"}])
def test_a_gpt_with_relu_gives_the_same_logits_filtered(
    precision: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = gpt(activation="relu", blocks=1)
    given = options(**precision)
    ids = np.random.default_rng(2).integers(0, graph.input.width, (2, 7))
    compiled = compile_graph(graph, given)
    got, session = execute(compiled, ids)
    without, before = execute(unfiltered(graph, given, monkeypatch), ids)
    assert sum(into for into, _ in filters(compiled)) == 1
    assert np.array_equal(got, without)
    assert session.report.axpy.skipped_zero_activations > 0
    assert session.report.cycles < before.report.cycles


def test_both_engines_agree_on_a_filtered_program_with_several_finishers() -> None:
    graph = mlp((12, 90, 20), "relu", 0.5)
    compiled = compile_graph(graph, options(mesh=(14, 14)))
    kernel = next(kernel for kernel in compiled.stages["plan"].kernels if kernel.params.get("filters"))
    assert int(kernel.params["finishers"]) > 1
    x = np.random.default_rng(4).standard_normal((3, 12)).astype(np.float32)
    fast, reference = execute(compiled, x), execute(compiled, x, "reference")
    assert np.array_equal(fast[0], reference[0])
    assert fast[1].report.cycles == reference[1].report.cycles
    assert fast[1].report.axpy == reference[1].report.axpy


@pytest.mark.parametrize(
    ("graph", "given"),
    [
        (mlp(WIDTHS, "gelu_tanh"), options()),
        (mlp(WIDTHS, "relu"), options(chunk=2)),
        (mlp(WIDTHS, "relu"), options(dtype="f32")),
        (mlp(WIDTHS, "relu"), options(ignore_sparsity=True)),
        (mlp((24, 40, 600), "relu", 0.99), options(target="wse2")),  # clearing the sums costs more than the zeros
    ],
)
def test_elsewhere_nothing_is_filtered(graph: Graph, given: CompileOptions) -> None:
    assert all(flags == (0, 0) for flags in filters(compile_graph(graph, replace(given, level="plan"))))
