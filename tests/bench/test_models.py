"""The models that the benchmarks generate: their zeros are as announced, and the importer takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import GPTS, Pruning, write_gpt, write_matmul
from patterns import PATTERNS

from tulle_compiler.check import compare, run_onnxruntime
from tulle_compiler.frontend import import_onnx
from tulle_ir.graph import Linear
from tulle_ir.graph_run import run_graph


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((256, 384), np.float32)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_a_pattern_keeps_its_share_of_the_weights(pattern: str, weights: np.ndarray) -> None:
    sparsity = 0.5 if pattern == "nm24" else 0.75
    pruned = PATTERNS[pattern](weights, sparsity, np.random.default_rng(1))
    assert pruned.dtype == np.float32
    assert (pruned == 0).mean() == pytest.approx(sparsity, abs=0.03)


def test_patterns_look_as_they_are_called(weights: np.ndarray) -> None:
    kept = {name: f(weights, 0.75, np.random.default_rng(1)) != 0 for name, f in PATTERNS.items()}
    assert (kept["nm24"].reshape(64, 4, 384).sum(axis=1) == 2).all()
    blocks = kept["block16"].reshape(16, 16, 24, 16).sum(axis=(1, 3))
    assert set(np.unique(blocks)) == {0, 256}
    assert (kept["dense_rows"].mean(axis=0) == 1).sum() == 6
    assert kept["power_law"].mean(axis=0).max() > 3 * kept["unstructured"].mean(axis=0).mean()
    assert kept["threshold"].mean(axis=1).std() > 3 * kept["unstructured"].mean(axis=1).std()


def test_a_matmul_is_imported_with_its_zeros(tmp_path: Path) -> None:
    write_matmul(tmp_path / "m.onnx", 96, 64, Pruning(0.75))
    graph = import_onnx(tmp_path / "m.onnx")
    (linear,) = graph.ops
    assert isinstance(linear, Linear)
    assert (linear.weight == 0).sum() == 96 * 64 * 3 // 4


def test_a_gpt_computes_what_onnxruntime_computes(tmp_path: Path) -> None:
    path = tmp_path / "gpt.onnx"
    write_gpt(path, GPTS["tiny"], Pruning(0.75))
    ids = np.arange(20)[None]
    assert compare(run_graph(import_onnx(path), ids), run_onnxruntime(path, ids)).ok


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_matmul(tmp_path / name / "m.onnx", 32, 32, Pruning(0.5, "threshold", seed=3))
    for file in ("m.onnx", "m.onnx.data"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
