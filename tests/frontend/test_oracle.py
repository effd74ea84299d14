"""The numpy oracle: functions, rounding points, feeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Graph
from tulle_ir.graph_build import GraphBuilder
from tulle_ir.graph_math import activate, causal_attention, erf
from tulle_ir.graph_run import fused_linears, run_graph


def model() -> Graph:
    rng = np.random.default_rng(0)

    def make(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    b = GraphBuilder.ids(vocabulary=13, context=8)
    x = b.embed(make(13, 6), make(8, 6))
    x = b.add(x, b.linear(b.attention_fused(b.linear(b.norm(x, make(6)), make(6, 18)), heads=2), make(6, 6)))
    up = b.linear(x, make(6, 9), make(9))
    return b.build(b.linear(b.activation(up, "gelu"), make(9, 13)))


def test_erf() -> None:
    x = np.linspace(-8, 8, 40001)
    assert np.max(np.abs(erf(x) - np.vectorize(math.erf)(x))) < 1e-11


def test_activations_at_known_points() -> None:
    x = np.array([0.0, 1.0, -1.0])
    assert np.allclose(activate("gelu", x), [0, 0.8413447, -0.1586553], atol=1e-6)
    assert np.allclose(activate("gelu_tanh", x), [0, 0.8411920, -0.1588080], atol=1e-6)
    assert np.allclose(activate("silu", x), [0, 0.7310586, -0.2689414], atol=1e-6)
    assert activate("relu", x).tolist() == [0, 1, 0]


def test_attention_looks_back_only() -> None:
    rng = np.random.default_rng(1)
    q, k, v = rng.standard_normal((3, 5, 4))
    whole = causal_attention(q, k, v, 0.5)
    assert np.allclose(whole[:3], causal_attention(q[:3], k[:3], v[:3], 0.5))
    assert np.allclose(whole[0], v[0])


def test_batches_are_independent() -> None:
    graph = model()
    ids = np.random.default_rng(2).integers(0, 13, (3, 5))
    whole = run_graph(graph, ids)
    assert whole.shape == (3, 5, 13)
    for row, sequence in enumerate(ids):
        assert np.array_equal(whole[row], run_graph(graph, sequence)[0])


def test_f16_rounds_what_leaves_a_kernel() -> None:
    graph = model()
    tensors: dict[str, list[np.ndarray]] = {}
    out = run_graph(graph, np.arange(6), "f16", tensors)
    inner = fused_linears(graph.ops)
    assert len(inner) == 1
    for name, (value,) in tensors.items():
        exact = np.array_equal(value, value.astype(np.float16).astype(np.float32))
        assert exact == (name not in inner), name
    exact = run_graph(graph, np.arange(6))
    assert 0 < np.max(np.abs(out - exact)) < 2e-2 * np.max(np.abs(exact))


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (np.array([0, 13]), "from 0 to 12"),
        (np.array([-1]), "from 0 to 12"),
        (np.array([0.5]), "integers"),
        (np.arange(9), "context of 8"),
        (np.zeros((1, 0), int), "shape"),
        (np.zeros((1, 1, 1), int), "shape"),
    ],
)
def test_bad_feeds(feed: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run_graph(model(), feed)
