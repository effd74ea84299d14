"""The same file, options and seed give the same artifact, byte for byte, whatever the hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

DEMO = Path(__file__).parents[2] / "examples" / "gpt2_topics" / "gpt2_topics_sparse.onnx"


def matmul_file(path: Path) -> Path:
    """y = x @ w with half of w zero."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((19, 23)).astype(np.float32) * (rng.random((19, 23)) < 0.5)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "matmul",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["tokens", 19])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["tokens", 23])],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def artifact(model: Path, out: Path, hash_seed: str, *flags: str) -> bytes:
    """The bytes of the compiled file."""
    command = [sys.executable, "-m", "tulle", "compile", str(model), "-o", str(out), *flags]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    return out.read_bytes()


def test_a_matmul_compiles_to_the_same_bytes_under_two_hash_seeds(tmp_path: Path) -> None:
    model = matmul_file(tmp_path / "matmul.onnx")
    flags = ("--mesh", "20x20", "--prune", "random:0.3", "--seed", "7")
    first, second = (artifact(model, tmp_path / f"{seed}.tulle", seed, *flags) for seed in ("1", "2"))
    assert first == second


@pytest.mark.slow
def test_a_gpt_compiles_to_the_same_bytes_under_two_hash_seeds(tmp_path: Path) -> None:
    flags = ("--mesh", "64x64", "--prune", "magnitude:0.9")
    first, second = (artifact(DEMO, tmp_path / f"{seed}.tulle", seed, *flags) for seed in ("3", "4"))
    assert first == second
