"""Large seeded ONNX models with pruned weights: `python examples/bench/models.py gpt2|gpt3-xl|KxN OUT.onnx`.

Weights go to a data file beside the model, a matrix at a time, so memory stays at a few matrices. The graph is written
as a person would: LayerNormalization, fused qkv, a causal mask by Where, GELU, a head tied to the embedding.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from patterns import PATTERNS


@dataclass(frozen=True)
class Gpt:
    """Sizes of a GPT."""

    width: int
    heads: int
    layers: int
    vocabulary: int
    context: int


GPTS = {
    "tiny": Gpt(64, 4, 3, 128, 32),
    "gpt2": Gpt(768, 12, 12, 50257, 1024),
    "gpt3-xl": Gpt(2048, 16, 24, 50257, 2048),
}


@dataclass(frozen=True)
class Pruning:
    """Share of zeros, their pattern (patterns.py), and the seed of weights and zeros."""

    sparsity: float = 0.75
    pattern: str = "unstructured"
    seed: int = 0


def write_matmul(path: Path, inputs: int, outputs: int, pruning: Pruning) -> None:
    """y = x @ w with x [tokens, inputs] and w [inputs, outputs]."""
    with path.with_name(path.name + ".data").open("wb") as data:
        model = _Writer(data, pruning)
        y = model("MatMul", "x", model.matrix("w", inputs, outputs))
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["tokens", inputs])
    model.save(path, value, y, ["tokens", outputs])


def write_gpt(path: Path, sizes: Gpt, pruning: Pruning) -> None:
    """A GPT-2 of these sizes: ids [batch, tokens] to logits [batch, tokens, vocabulary]. Embeddings are dense."""
    with path.with_name(path.name + ".data").open("wb") as data:
        model = _Writer(data, pruning)
        table = model.normal("wte", (sizes.vocabulary, sizes.width), 0.02)
        steps = model("Range", model.ints(0), model("Gather", model("Shape", "ids"), model.ints(1)), model.ints(1))
        positions = model("Gather", model.normal("wpe", (sizes.context, sizes.width), 0.01), steps)
        rows = model("Unsqueeze", steps, model.ints([1]))
        causal = model("LessOrEqual", steps, rows)
        x = model("Add", model("Gather", table, "ids"), positions)
        for layer in range(sizes.layers):
            x = _block(model, f"h.{layer}", x, causal, sizes)
        x = _norm(model, "ln_f", x, sizes.width)
        logits = model("MatMul", x, model("Transpose", table, perm=[1, 0]))
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])
    model.save(path, ids, logits, ["batch", "tokens", sizes.vocabulary])


def _block(model: _Writer, name: str, x: str, causal: str, sizes: Gpt) -> str:
    """Attention and MLP, each behind a norm and added to the residual stream."""
    width, dim = sizes.width, sizes.width // sizes.heads
    qkv = _linear(model, f"{name}.attn.c_attn", _norm(model, f"{name}.ln_1", x, width), width, 3 * width)
    heads = [
        model("Transpose", model("Reshape", part, model.ints([0, 0, sizes.heads, dim])), perm=perm)
        for part, perm in zip(
            model.several("Split", qkv, axis=2, num_outputs=3), ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True
        )
    ]
    scores = model("Mul", model("MatMul", heads[0], heads[1]), model.floats(dim**-0.5))
    shares = model("Softmax", model("Where", causal, scores, model.floats(-np.inf)), axis=-1)
    mixed = model("Transpose", model("MatMul", shares, heads[2]), perm=[0, 2, 1, 3])
    joined = model("Reshape", mixed, model.ints([0, 0, width]))
    x = model("Add", x, _linear(model, f"{name}.attn.c_proj", joined, width, width))
    h = _linear(model, f"{name}.mlp.c_fc", _norm(model, f"{name}.ln_2", x, width), width, 4 * width)
    h = model("Gelu", h, approximate="tanh")
    return model("Add", x, _linear(model, f"{name}.mlp.c_proj", h, 4 * width, width))


def _norm(model: _Writer, name: str, x: str, width: int) -> str:
    scale = model.normal(f"{name}.weight", (width,), 0.1, mean=1.0)
    return model("LayerNormalization", x, scale, model.normal(f"{name}.bias", (width,), 0.02), epsilon=1e-5)


def _linear(model: _Writer, name: str, x: str, inputs: int, outputs: int) -> str:
    product = model("MatMul", x, model.matrix(f"{name}.weight", inputs, outputs))
    return model("Add", product, model.normal(f"{name}.bias", (outputs,), 0.02))


class _Writer:
    """Collects nodes; initializers go to the data file at once."""

    def __init__(self, data: BinaryIO, pruning: Pruning) -> None:
        self.data, self.pruning = data, pruning
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: str, **attributes: object) -> str:
        """A node; the name of its output."""
        return self._node(op, inputs, 1, attributes)[0]

    def several(self, op: str, x: str, *, num_outputs: int, **attributes: object) -> list[str]:
        """A node of several outputs."""
        return self._node(op, (x,), num_outputs, {"num_outputs": num_outputs, **attributes})

    def _node(self, op: str, inputs: tuple[str, ...], outputs: int, attributes: dict[str, object]) -> list[str]:
        index = len(self.nodes)
        names = [f"{op}_{index}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{index}", **attributes))
        return names

    def ints(self, value: int | list[int]) -> str:
        """An int64 constant."""
        return self._small(np.array(value, np.int64))

    def floats(self, value: float) -> str:
        """A float constant."""
        return self._small(np.array(value, np.float32))

    def _small(self, array: np.ndarray) -> str:
        self.tensors.append(numpy_helper.from_array(array, f"constant_{len(self.tensors)}"))
        return self.tensors[-1].name

    def normal(self, name: str, shape: tuple[int, ...], deviation: float, mean: float = 0.0) -> str:
        """Normal numbers, none of them pruned."""
        draw = self._generator().standard_normal(shape, np.float32)
        return self._large(name, np.float32(mean) + np.float32(deviation) * draw)

    def matrix(self, name: str, inputs: int, outputs: int) -> str:
        """Pruned weights [inputs, outputs] that keep the scale of what they multiply."""
        rng = self._generator()
        w = rng.standard_normal((inputs, outputs), np.float32)
        w = PATTERNS[self.pruning.pattern](w, self.pruning.sparsity, rng)
        scale = (inputs * max(float(np.square(w).mean()), 1e-9)) ** -0.5
        return self._large(name, w * np.float32(scale))

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng([self.pruning.seed, len(self.tensors)])

    def _large(self, name: str, array: np.ndarray) -> str:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": Path(self.data.name).name, "offset": self.data.tell(), "length": array.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self.data.write(array.data)
        self.tensors.append(tensor)
        return name

    def save(self, path: Path, value: onnx.ValueInfoProto, output: str, shape: list[int | str]) -> None:
        """The model file."""
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "model", [value], [result], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        path.write_bytes(model.SerializeToString())


def main() -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", help=f"{', '.join(GPTS)}, or KxN for one MatMul")
    parser.add_argument("path", type=Path)
    parser.add_argument("--sparsity", type=float, default=0.75)
    parser.add_argument("--pattern", choices=PATTERNS, default="unstructured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, help="fewer blocks than the model has")
    arguments = parser.parse_args()
    pruning = Pruning(arguments.sparsity, arguments.pattern, arguments.seed)
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    if arguments.shape in GPTS:
        sizes = GPTS[arguments.shape]
        write_gpt(arguments.path, replace(sizes, layers=arguments.layers or sizes.layers), pruning)
    else:
        inputs, outputs = (int(side) for side in arguments.shape.split("x"))
        write_matmul(arguments.path, inputs, outputs, pruning)


if __name__ == "__main__":
    main()
