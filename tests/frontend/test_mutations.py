"""Broken models: each mutation is either refused with BadInput, or imported and computed as onnxruntime does."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import features_model, tiny_gpt

from tulle_compiler.check import F32_TOLERANCE, compare, run_onnxruntime
from tulle_compiler.frontend import import_onnx
from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph

MODELS = (tiny_gpt(), tiny_gpt(qkv="interleaved", mask_op="add", nan_guard=True), features_model("mlp"))
OPERATORS = (
    "If",
    "Einsum",
    "Where",
    "Max",
    "Concat",
    "Softmax",
    "Split",
    "Add",
    "MatMul",
    "Transpose",
    "Shape",
    "Gelu",
)
NUMBERS = (-5, -1, 0, 1, 2, 8, 99, 2**40)


def mutated(model: onnx.ModelProto, rng: random.Random) -> onnx.ModelProto:
    """One or two changes to operators, edges, attributes or integer constants."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice((_rewire, _retype, _drop_input, _change_attribute, _change_dims))(copy.graph, rng)
    return copy


def _rewire(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice([node for node in graph.node if node.input])
    names = [name for other in graph.node for name in other.output] + [t.name for t in graph.initializer]
    node.input[rng.randrange(len(node.input))] = rng.choice([*names, ""])


def _retype(graph: onnx.GraphProto, rng: random.Random) -> None:
    rng.choice(graph.node).op_type = rng.choice(OPERATORS)


def _drop_input(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice([node for node in graph.node if node.input])
    del node.input[-1]


def _change_attribute(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    for attribute in node.attribute:
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
        else:
            attribute.i = rng.choice(NUMBERS)


def _change_dims(graph: onnx.GraphProto, rng: random.Random) -> None:
    tensor = rng.choice([tensor for tensor in graph.initializer if tensor.dims])
    if tensor.data_type == onnx.TensorProto.INT64:
        count = len(tensor.raw_data) // 8
        tensor.raw_data = np.array([rng.choice(NUMBERS) for _ in range(count)], np.int64).tobytes()
    else:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)


def feed_for(graph: Graph) -> np.ndarray:
    rng = np.random.default_rng(0)
    if graph.input.kind == "features":
        return rng.standard_normal((5, graph.input.width)).astype(np.float32)
    return rng.integers(0, graph.input.width, (graph.input.batch or 2, min(7, graph.context or 7)))


@pytest.mark.parametrize("seed", range(8))
def test_refused_or_right(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path = tmp_path / "m.onnx"
    for _ in range(30):
        path.write_bytes(mutated(rng.choice(MODELS), rng).SerializeToString())
        try:
            graph = import_onnx(path)
            reference = run_onnxruntime(path, feed_for(graph))
        except BadInput:
            continue
        if np.isfinite(reference).all():
            assert compare(run_graph(graph, feed_for(graph)), reference).error <= F32_TOLERANCE


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    path = tmp_path / "m.onnx"
    for _ in range(25):
        data = bytearray(rng.choice(MODELS).SerializeToString())
        data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(bytes(data[: rng.choice((len(data), rng.randrange(len(data))))]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                import_onnx(path)
            except BadInput as error:
                assert error.what
