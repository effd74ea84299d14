"""Small ONNX models made by hand for tests, and a scrambler that changes names and node order only."""

from __future__ import annotations

import random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, CONTEXT, WIDTH, HEADS = 11, 12, 8, 2


class Maker:
    """Collects nodes and initializers."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def const(self, array: object, dtype: type = np.float32) -> str:
        """A new initializer."""
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        """A list of int64."""
        return self.const(values, np.int64)

    def weight(self, *shape: int) -> str:
        """Random numbers."""
        return self.const(self.rng.standard_normal(shape) * 0.5)

    def __call__(self, op: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        """A node; the name of its (first) output."""
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"n{len(self.nodes)}", **attributes))
        return names[0]

    def model(self, inputs: list, output: str, shape: list, opset: int = 17) -> onnx.ModelProto:
        """The model with one float output."""
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def mask_of(form: str, tokens: int = CONTEXT) -> np.ndarray:
    """Which pairs (query, key) are allowed."""
    allowed = np.tri(tokens, dtype=bool)
    if form == "window":
        allowed &= ~np.tri(tokens, k=-(tokens - 4), dtype=bool)
    if form == "bidirectional":
        allowed[:] = True
    if form == "hole":
        allowed[tokens - 1, 0] = False
    if form == "strict":
        allowed = np.tri(tokens, k=1, dtype=bool)
    return allowed


def tiny_gpt(
    mask: str = "causal", *, mask_op: str = "where", qkv: str = "fused", last: bool = False, nan_guard: bool = False
) -> onnx.ModelProto:
    """One GPT block: embeddings, norm, attention, join, MLP, join, head. ids `[B, T]`, logits `[B, T, V]`."""
    m = Maker()
    x = m("Add", m("Gather", m.weight(VOCABULARY, WIDTH), "ids"), _positions(m))
    normed = m("LayerNormalization", x, m.weight(WIDTH), m.weight(WIDTH), epsilon=1e-5)
    q, k, v = _qkv(m, normed, qkv)
    scores = _masked(m, m("Mul", m("MatMul", q, k), m.const(0.5)), mask, mask_op)
    weights = m("Softmax", scores, axis=-1)
    if nan_guard:
        weights = m("Where", m("IsNaN", weights), m.const(0), weights)
    heads = m("Transpose", m("MatMul", weights, v), perm=[0, 2, 1, 3])
    joined = m("Reshape", heads, m.ints(0, 0, WIDTH))
    x = m("Add", x, _dense(m, joined, WIDTH, WIDTH))
    hidden = m("Relu", _dense(m, x, WIDTH, 3 * WIDTH))
    x = m("Add", _dense(m, hidden, 3 * WIDTH, WIDTH), x)
    if last:
        x = m("Slice", x, m.ints(-1), m.ints(np.iinfo(np.int64).max), m.ints(1))
    logits = m("MatMul", x, m.weight(WIDTH, VOCABULARY))
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", "T"])
    return m.model([ids], logits, ["B", 1 if last else "T", VOCABULARY])


def _length(m: Maker) -> str:
    return m("Gather", m("Shape", "ids"), m.ints(1))


def _positions(m: Maker) -> str:
    steps = m("Range", m.const(0, np.int64), m("Squeeze", _length(m)), m.const(1, np.int64))
    return m("Gather", m.weight(CONTEXT, WIDTH), steps)


def _dense(m: Maker, x: str, width: int, out: int) -> str:
    return m("Add", m.weight(out), m("MatMul", x, m.weight(width, out)))


def _qkv(m: Maker, x: str, form: str) -> list[str]:
    size = WIDTH // HEADS
    if form == "separate":
        parts = [m("Reshape", _dense(m, x, WIDTH, WIDTH), m.ints(0, 0, HEADS, size)) for _ in range(3)]
    elif form == "interleaved":  # [heads, 3, size] as GPT-NeoX has it
        five = m("Reshape", _dense(m, x, WIDTH, 3 * WIDTH), m.ints(0, 0, HEADS, 3, size))
        parts = [m("Gather", five, m.const(i, np.int64), axis=3) for i in range(3)]
    else:
        m("Split", _dense(m, x, WIDTH, 3 * WIDTH), outputs=3, axis=2)
        parts = [m("Reshape", name, m.ints(0, 0, HEADS, size)) for name in list(m.nodes[-1].output)]
    perms = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    return [m("Transpose", part, perm=perm) for part, perm in zip(parts, perms, strict=True)]


def _masked(m: Maker, scores: str, form: str, op: str) -> str:
    if form == "none":
        return scores
    length = _length(m)
    allowed = m.const(mask_of(form), bool)
    cut = m("Slice", allowed, m.ints(0, 0), m("Concat", length, length, axis=0), m.ints(0, 1))
    if op == "where":
        return m("Where", cut, scores, m.const(-np.inf))
    penalty = {"add": -1e9, "add_small": -3.0}[op]
    return m("Add", scores, m("Where", cut, m.const(0), m.const(penalty)))


def features_model(nodes: str, width: int = 6, out: int = 4) -> onnx.ModelProto:
    """`x [N, width]` through "matmul", "gemm" (transB, alpha) or "mlp" (gemm, relu, matmul, gelu written out, add)."""
    m = Maker()
    y = "x"
    if nodes == "matmul":
        y = m("MatMul", y, m.weight(width, out))
    elif nodes == "gemm":
        y = m("Gemm", y, m.weight(out, width), m.weight(out), transB=1, alpha=0.5, beta=2.0)
    else:
        y = m("Relu", m("Gemm", y, m.weight(width, 9), m.weight(9)))
        y = _dense(m, y, 9, 7)
        erf = m("Erf", m("Div", y, m.const(np.sqrt(2))))
        y = m("Mul", m("Mul", y, m("Add", erf, m.const(1))), m.const(0.5))
        y = m("MatMul", y, m.weight(7, out))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])
    return m.model([x], y, ["N", out])


def scrambled(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """The same model with all nodes and inner tensors renamed and the nodes shuffled."""
    rng = random.Random(seed)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    fixed = {value.name for value in (*graph.input, *graph.output)} | {""}
    made = [name for node in graph.node for name in node.output] + [t.name for t in graph.initializer]
    fresh = [f"z{i}" for i in range(len(made))]
    rng.shuffle(fresh)
    names = {old: new for old, new in zip(made, fresh, strict=True) if old not in fixed}
    for index, node in enumerate(graph.node):
        node.name = f"{rng.randrange(10**9)}_{index}"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    del graph.value_info[:]
    nodes, tensors = list(graph.node), list(graph.initializer)
    rng.shuffle(nodes)
    rng.shuffle(tensors)
    for field, shuffled in ((graph.node, nodes), (graph.initializer, tensors)):
        kept = [type(item).FromString(item.SerializeToString()) for item in shuffled]
        del field[:]
        field.extend(kept)
    return copy
