"""The search for the first kernel that differs."""

from __future__ import annotations

import numpy as np
import pytest

from tulle.cli.blame import beginning, first_differing
from tulle_ir.graph import Graph
from tulle_ir.graph_build import GraphBuilder
from tulle_ir.graph_run import run_graph

FEED = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def graph() -> Graph:
    """Two linears with an activation between them, and a sum with what went around."""
    rng = np.random.default_rng(0)
    b = GraphBuilder.features(3)
    hidden = b.activation(b.linear("in", rng.standard_normal((3, 5)).astype(np.float32), None), "relu")
    return b.build(b.add("in", b.linear(hidden, rng.standard_normal((5, 3)).astype(np.float32), None)))


@pytest.mark.parametrize("broken", range(4))
def test_the_first_broken_operator_is_found(graph: Graph, broken: int) -> None:
    wrong = {op.output for op in graph.ops[broken:]}

    def outputs_of(part: Graph) -> np.ndarray:
        return run_graph(part, FEED) + (1.0 if part.output.tensor in wrong else 0.0)

    assert first_differing(graph, FEED, outputs_of, half=False) is graph.ops[broken]


def test_nothing_is_found_where_nothing_differs(graph: Graph) -> None:
    assert first_differing(graph, FEED, lambda part: run_graph(part, FEED), half=True) is None


def test_a_beginning_holds_only_what_its_end_needs(graph: Graph) -> None:
    part = beginning(graph, 1)
    assert len(part.ops) == 2
    assert part.output.tensor == graph.ops[1].output
