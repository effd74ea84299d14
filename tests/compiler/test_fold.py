"""Norms give gamma and beta to the linears that read them; the function stays the same."""

from __future__ import annotations

import numpy as np
from small_models import gpt

from tulle_compiler.fold import fold_norms
from tulle_ir.graph import Graph, Linear, Norm
from tulle_ir.graph_build import GraphBuilder
from tulle_ir.graph_run import run_graph


def norms(graph: Graph) -> list[Norm]:
    return [op for op in graph.ops if isinstance(op, Norm)]


def test_a_folded_gpt_computes_the_same() -> None:
    graph, ids = gpt(), np.arange(12)
    folded = fold_norms(graph)
    assert all(np.all(norm.gamma == 1) and norm.beta is None for norm in norms(folded))
    wanted = run_graph(graph, ids)
    assert np.abs(run_graph(folded, ids) - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_weights_are_neither_copied_nor_changed() -> None:
    graph = gpt()
    pairs = zip(graph.ops, fold_norms(graph).ops, strict=True)
    assert all(after.weight is before.weight for before, after in pairs if isinstance(before, Linear))


def test_a_norm_that_an_add_reads_keeps_its_parameters() -> None:
    b = GraphBuilder.features(5)
    gamma = np.arange(1, 6, dtype=np.float32)
    normed = b.norm("in", gamma, None, kind="rms")
    graph = b.build(b.add(normed, b.linear(normed, np.eye(5, dtype=np.float32))))
    assert fold_norms(graph) == graph
