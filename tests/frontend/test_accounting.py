"""Accounting: the published figures, and real graphs against the formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tulle_compiler.accounting import GPT3_125M, GPT3_XL, GptShape, account, account_gpt, training_flops
from tulle_compiler.prune import Random, prune
from tulle_ir.graph import Graph
from tulle_ir.graph_build import GraphBuilder
from tulle_ir.graph_check import op_arrays


@pytest.mark.parametrize(
    ("shape", "sparsity", "flops", "parameters"),
    [(GPT3_XL, 0.75, 2.49, None), (GPT3_XL, 0.84, 3.04, 4.38), (GPT3_125M, 0.75, 1.65, None)],
)
def test_published_figures(shape: GptShape, sparsity: float, flops: float, parameters: float | None) -> None:
    """2.5x FLOPs at 75 %; 3x inference FLOPs and 4.3x fewer parameters at 84 %; 1.65x for the small one."""
    found = account_gpt(shape, sparsity)
    assert round(found.flops_ratio, 2) == flops
    assert parameters is None or round(found.parameters_ratio, 2) == parameters


def test_gpt3_xl_by_hand() -> None:
    found = account_gpt(GPT3_XL, 0.0)
    assert found.flops_per_token_dense == 24 * (24 * 2048**2 + 4 * 2048 * 2048) + 2 * 50257 * 2048
    assert found.parameters_dense == 24 * 12 * 2048**2 + (50257 + 2048) * 2048
    assert training_flops(found, 10) == (30 * found.flops_per_token_dense, 30 * found.flops_per_token)


def gpt(layers: int, d: int, vocabulary: int, context: int) -> Graph:
    rng = np.random.default_rng(0)

    def make(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    b = GraphBuilder.ids(vocabulary, context)
    table = make(vocabulary, d)
    x = b.embed(table, make(context, d))
    for _ in range(layers):
        qkv = b.linear(b.norm(x, make(d), make(d)), make(d, 3 * d), make(3 * d))
        x = b.add(x, b.linear(b.attention_fused(qkv, heads=2), make(d, d), make(d)))
        up = b.activation(b.linear(b.norm(x, make(d), make(d)), make(d, 4 * d), make(4 * d)), "gelu")
        x = b.add(x, b.linear(up, make(4 * d, d), make(d)))
    return b.build(b.linear(b.norm(x, make(d), make(d)), table.T, tied=True))


def test_graph_agrees_with_the_formula() -> None:
    shape = GptShape(layers=3, width=8, vocabulary=20, context=16)
    graph, _ = prune(gpt(3, 8, 20, 16), Random(0.75), seed=1)
    counted, formula = account(graph), account_gpt(shape, 0.75)
    assert (counted.flops_per_token, counted.flops_per_token_dense) == (
        formula.flops_per_token,
        formula.flops_per_token_dense,
    )
    vectors = sum(a.size for op in graph.ops for a in op_arrays(op).values() if a.ndim == 1)
    assert counted.parameters_dense == formula.parameters_dense + vectors
    assert counted.parameters_stored == formula.parameters_stored + vectors


def test_options() -> None:
    graph, _ = prune(gpt(1, 8, 20, 16), Random(0.5))
    dense = account(graph, ignore_sparsity=True)
    assert dense.parameters_stored == dense.parameters_dense
    assert dense.flops_per_token == dense.flops_per_token_dense
    shorter = account(graph, context=4)
    assert account(graph).flops_per_token - shorter.flops_per_token == 4 * 12 * 8


def test_an_untied_head_counts() -> None:
    tied = gpt(1, 8, 20, 16)
    untied = replace(tied, ops=(*tied.ops[:-1], replace(tied.ops[-1], tied=False)))
    assert account(untied).parameters_dense - account(tied).parameters_dense == 20 * 8
