"""Small models: what they become, and that names and node order do not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import CONTEXT, HEADS, VOCABULARY, WIDTH, features_model, scrambled, tiny_gpt

from tulle_compiler.check import F32_TOLERANCE, compare, run_onnxruntime
from tulle_compiler.frontend import import_onnx
from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Activation, Attention, Embed, Graph, Linear
from tulle_ir.graph_run import run_graph


@pytest.fixture
def imported(tmp_path: Path):
    """Save a model, import it, and hold the oracle to onnxruntime on a feed."""

    def run(model: onnx.ModelProto, feed: np.ndarray) -> Graph:
        path = tmp_path / "m.onnx"
        onnx.save(model, path)
        graph = import_onnx(path)
        comparison = compare(run_graph(graph, feed), run_onnxruntime(path, feed))
        assert comparison.error <= F32_TOLERANCE
        return graph

    return run


def ids(batch: int, tokens: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, VOCABULARY, (batch, tokens))


@pytest.mark.parametrize("mask_op", ["where", "add"])
@pytest.mark.parametrize("qkv", ["fused", "separate", "interleaved"])
@pytest.mark.parametrize("last", [False, True])
def test_forms_of_attention(imported, mask_op: str, qkv: str, last: bool) -> None:
    graph = imported(tiny_gpt(mask_op=mask_op, qkv=qkv, last=last, nan_guard=last), ids(2, 7))
    assert graph.context == CONTEXT
    assert graph.output.rows == ("last" if last else "all")
    attention = next(op for op in graph.ops if isinstance(op, Attention))
    assert (attention.heads, attention.head_dim, attention.scale) == (HEADS, WIDTH // HEADS, 0.5)
    strides = {"fused": WIDTH // HEADS, "separate": WIDTH // HEADS, "interleaved": 3 * WIDTH // HEADS}
    assert {view.head_stride for view in (attention.q, attention.k, attention.v)} == {strides[qkv]}


@pytest.mark.parametrize(
    ("mask", "mask_op", "message"),
    [
        ("none", "where", "not causal: at length 3, position 0 sees position 1"),
        ("bidirectional", "where", "not causal: at length 3, position 0 sees position 1"),
        ("strict", "where", "not causal: at length 3, position 0 sees position 1"),
        ("window", "where", "hides earlier tokens"),  # equals plain causal at short lengths
        ("hole", "where", f"hides earlier tokens: at length {CONTEXT}, position {CONTEXT - 1} does not see 0"),
        ("causal", "add_small", "not causal"),
    ],
)
def test_other_masks_are_refused(imported, mask: str, mask_op: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        imported(tiny_gpt(mask, mask_op=mask_op), ids(1, 5))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("qkv", ["fused", "separate"])
def test_names_and_order_do_not_matter(imported, qkv: str, seed: int) -> None:
    model = tiny_gpt(qkv=qkv)
    assert imported(model, ids(1, 4)) == imported(scrambled(model, seed), ids(1, 4))


def test_weights_do_matter(imported) -> None:
    model = tiny_gpt()
    other = scrambled(model, 0)
    weight = next(t for t in other.graph.initializer if list(t.dims) == [VOCABULARY, WIDTH])
    weight.raw_data = bytes(len(weight.raw_data))
    assert imported(model, ids(1, 4)) != imported(other, ids(1, 4))


def test_features(imported) -> None:
    x = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    matmul = imported(features_model("matmul"), x)
    assert [type(op) for op in matmul.ops] == [Linear]
    assert matmul.context is None
    assert matmul.input.width == 6
    gemm = imported(features_model("gemm"), x).ops[0]
    assert isinstance(gemm, Linear)
    assert gemm.weight.shape == (6, 4)
    kinds = [op.kind for op in imported(features_model("mlp"), x).ops if isinstance(op, Activation)]
    assert kinds == ["relu", "gelu"]


def test_nan_weights_are_pruned_weights(imported, tmp_path: Path) -> None:
    model = features_model("matmul")
    values = np.frombuffer(model.graph.initializer[0].raw_data, np.float32).copy()
    values[:3] = np.nan
    model.graph.initializer[0].raw_data = values.tobytes()
    onnx.save(model, tmp_path / "m.onnx")
    graph = import_onnx(tmp_path / "m.onnx")
    linear = graph.ops[0]
    assert isinstance(linear, Linear)
    assert int((linear.weight == 0).sum()) == 3
    assert any("3 weights are NaN" in note for note in graph.notes)


def test_tokenizer_is_kept(imported) -> None:
    model = tiny_gpt()
    onnx.helper.set_model_props(model, {"tulle.tokenizer": "{}"})
    graph = imported(model, ids(1, 4))
    assert graph.metadata["tulle.tokenizer"] == "{}"
    assert graph == imported(tiny_gpt(), ids(1, 4))


def test_positions_cover_the_context(imported) -> None:
    embed = imported(tiny_gpt(), ids(1, CONTEXT)).ops[0]
    assert isinstance(embed, Embed)
    assert embed.positions is not None
    assert embed.positions.shape == (CONTEXT, WIDTH)
