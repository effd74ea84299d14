"""Tiles: every non-zero once, in its place; classes: few and regular."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.chains import runs
from tulle_compiler.kernels.tiles import SET, compressed, nonzeros_per_tile
from tulle_compiler.partition import Partition, from_lists
from tulle_ir.code import DType


def _cut(rng: np.random.Generator, features: int, lanes: int) -> Partition:
    bounds = np.sort(rng.choice(np.arange(1, features), lanes - 1, replace=False))
    return from_lists(np.split(rng.permutation(features), bounds))


def _sample() -> tuple[np.ndarray, Partition, Partition]:
    rng = np.random.default_rng(0)
    weight = (rng.standard_normal((23, 31)) * (rng.random((23, 31)) < 0.3)).astype(np.float32)
    weight[:, 4] = 0
    weight[7] = 0
    return weight, _cut(rng, 23, 4), _cut(rng, 31, 5)


def test_compressed_tiles_hold_the_matrix() -> None:
    weight, inputs, outputs = _sample()
    table = compressed(weight, inputs, outputs, DType.F32).packed()
    again = np.zeros_like(weight)
    for pe, ptr in enumerate(table["ptr"].astype(int)):
        j, i = divmod(pe, inputs.lanes)
        for place, feature in enumerate(inputs.features(i)):
            entries = slice(table["start"][pe] + ptr[place], table["start"][pe] + ptr[place + 1])
            again[feature, outputs.features(j)[table["row"][entries] & (SET - 1)]] = table["value"][entries]
    assert np.array_equal(again, weight)


def test_the_first_entry_of_each_row_of_a_tile_sets_it() -> None:
    weight, inputs, outputs = _sample()
    table = compressed(weight, inputs, outputs, DType.F32).packed()
    for begin, end in zip(table["start"][:-1], table["start"][1:], strict=True):
        row = table["row"][begin:end]
        seen = [int(r) & ~SET for r in row]
        assert [bool(r & SET) for r in row] == [r not in seen[:e] for e, r in enumerate(seen)]


def test_the_tiles_of_a_class_come_in_the_order_asked_for() -> None:
    weight, inputs, outputs = _sample()
    whole = compressed(weight, inputs, outputs, DType.F32)
    order = np.array([7, 2, 19])
    some = whole.arranged(order).packed()
    counts = nonzeros_per_tile(weight, inputs, outputs).reshape(-1)
    assert np.diff(some["start"]).tolist() == counts[order].tolist()
    assert some["value"].tolist() == [
        v for pe in order for v in whole.value[whole.start[pe] : whole.start[pe + 1]].tolist()
    ]


def test_runs_cover_every_position_once_with_one_label() -> None:
    labels = "abababab|cabababab|cabababab|".replace("|", "z")
    covered = [
        (p, labels[first]) for first, count, step in runs(labels) for p in range(first, first + step * count, step)
    ]
    assert sorted(covered) == list(enumerate(labels))


def test_equal_segments_share_their_runs() -> None:
    """30 segments of 6: a run for each place in the segment or better, not one for each segment."""
    assert len(runs("fababl" * 30)) <= 6


def test_one_position_is_one_run() -> None:
    assert runs("x") == [(0, 1, 1)]
