"""Pruning: exact counts, untouched parts, seeds, masks, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tulle_compiler.prune import Magnitude, MaskFile, Random, parse_prune, prune
from tulle_ir.diagnostics import BadInput, UsageError
from tulle_ir.graph import Graph, Linear
from tulle_ir.graph_build import GraphBuilder


def gpt(seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)

    def make(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    b = GraphBuilder.ids(vocabulary=13, context=8)
    table = make(13, 6)
    x = b.embed(table, make(8, 6))
    qkv = b.linear(b.norm(x, make(6), make(6)), make(6, 18), make(18), name="qkv")
    x = b.add(x, b.linear(b.attention_fused(qkv, heads=2), make(6, 6), name="proj"))
    return b.build(b.linear(x, table.T, tied=True, name="head"))


def mlp() -> Graph:
    b = GraphBuilder.features(5)
    return b.build(b.linear("in", np.arange(1, 16, dtype=np.float32).reshape(5, 3), name="w"))


def weight(graph: Graph, name: str) -> np.ndarray:
    return next(op.weight for op in graph.ops if isinstance(op, Linear) and op.name == name)


@pytest.mark.parametrize("spec", [Magnitude(0.75), Random(0.75), Magnitude(0.3), Random(0.0)])
def test_counts_are_exact(spec: Magnitude | Random) -> None:
    before = gpt()
    graph, report = prune(before, spec, seed=4)
    assert [m.name for m in report.matrices] == ["qkv", "proj"]
    for matrix in report.matrices:
        size = matrix.shape[0] * matrix.shape[1]
        assert size - matrix.nonzeros_after == int(size * spec.sparsity + 0.5)
        assert np.count_nonzero(weight(graph, matrix.name)) == matrix.nonzeros_after
        kept = weight(graph, matrix.name) != 0
        assert np.array_equal(weight(graph, matrix.name)[kept], weight(before, matrix.name)[kept])
    assert graph.ops[0] == before.ops[0]
    assert graph.ops[-1] == before.ops[-1]


def test_magnitude_keeps_the_largest() -> None:
    graph, _ = prune(mlp(), Magnitude(0.6))
    assert np.array_equal(np.flatnonzero(weight(graph, "w")), np.arange(9, 15))


def test_ties_go_by_position() -> None:
    b = GraphBuilder.features(2)
    graph = b.build(b.linear("in", np.ones((2, 4), np.float32), name="w"))
    assert np.array_equal(np.flatnonzero(weight(prune(graph, Magnitude(0.5))[0], "w")), [4, 5, 6, 7])


def test_random_masks_depend_on_seed_and_matrix_not_on_names() -> None:
    masks = [weight(prune(gpt(), Random(0.5), seed)[0], "qkv") != 0 for seed in (1, 1, 2)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_zeros_count_towards_the_target() -> None:
    once, _ = prune(gpt(), Magnitude(0.8))
    again, report = prune(once, Random(0.5))
    assert again == once
    assert all(m.nonzeros_before == m.nonzeros_after for m in report.matrices)


@pytest.mark.parametrize("name", ["proj", "transformer.h.0.proj.weight"])
def test_masks(tmp_path: Path, name: str) -> None:
    keep = np.eye(6, dtype=bool)
    np.savez(tmp_path / "m.npz", allow_pickle=False, **{name: keep})
    graph, report = prune(gpt(), MaskFile(tmp_path / "m.npz"))
    assert np.array_equal(weight(graph, "proj") != 0, keep)
    assert [m.nonzeros_after for m in report.matrices] == [108, 6]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"head": np.ones((6, 13))}, "belongs to no matrix"),
        ({"proj": np.ones((6, 7))}, "its matrix"),
        ({"proj": np.full((6, 6), 0.5)}, "other than 0 and 1"),
    ],
)
def test_bad_masks(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "m.npz", allow_pickle=False, **arrays)
    with pytest.raises(BadInput, match=message):
        prune(gpt(), MaskFile(tmp_path / "m.npz"))


def test_mask_file_missing_or_broken(tmp_path: Path) -> None:
    (tmp_path / "m.npz").write_bytes(b"not a zip")
    for path in (tmp_path / "m.npz", tmp_path / "absent.npz", tmp_path / "absent.safetensors"):
        with pytest.raises(BadInput, match="cannot read masks"):
            prune(gpt(), MaskFile(path))


def test_parse() -> None:
    assert parse_prune("magnitude:0.75") == Magnitude(0.75)
    assert parse_prune("random:0.5") == Random(0.5)
    assert parse_prune("mask:a:b.npz") == MaskFile(Path("a:b.npz"))
    for text in ("", "magnitude", "magnitude:1", "magnitude:-1", "random:x", "mask:", "best:0.5", "random:nan"):
        with pytest.raises(UsageError):
            parse_prune(text)
