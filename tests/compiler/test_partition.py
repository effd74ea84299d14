"""Partitions: every feature in exactly one lane, the heaviest tile light."""

from __future__ import annotations

import numpy as np
import pytest

from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_per_tile
from tulle_compiler.partition import balanced, contiguous


@pytest.mark.parametrize(("features", "lanes"), [(1, 1), (7, 3), (13, 13), (64, 5)])
def test_contiguous_lanes_cover_every_feature_once(features: int, lanes: int) -> None:
    cut = contiguous(features, lanes)
    assert sorted(cut.order.tolist()) == list(range(features))
    assert cut.sizes.max() - cut.sizes.min() <= 1


def test_balanced_lanes_cover_every_feature_once_within_capacity() -> None:
    work = np.random.default_rng(0).integers(0, 9, (53, 4)).astype(float)
    cut = balanced(work, 6, 9)
    assert sorted(cut.order.tolist()) == list(range(53))
    assert cut.sizes.max() <= 9


def test_a_random_matrix_is_balanced_within_a_few_percent() -> None:
    rng = np.random.default_rng(1)
    work = rng.binomial(64, 0.16, (512, 12)).astype(float)
    cut = balanced(work, 16, 32)
    loads = np.add.reduceat(work[cut.order], cut.start[:-1], axis=0)
    plain = np.add.reduceat(work, contiguous(512, 16).start[:-1], axis=0)
    assert loads.max() / loads.mean() < 1.08 < plain.max() / plain.mean()


def test_dense_rows_are_spread_over_the_lanes() -> None:
    work = np.ones((32, 2))
    work[:4] = 50
    cut = balanced(work, 4, 8)
    assert sorted(np.bincount(cut.lane_of()[:4], minlength=4).tolist()) == [1, 1, 1, 1]


def test_places_and_lanes_invert_the_order() -> None:
    cut = balanced(np.random.default_rng(2).random((11, 3)), 3, 4)
    lane, place = cut.lane_of(), cut.place_of()
    assert all(cut.features(lane[f])[place[f]] == f for f in range(11))


def test_many_tiles_are_balanced_as_well_as_few() -> None:
    """84 % random zeros, 8192 x 2048 over 48 x 96 PEs."""
    weight = (np.random.default_rng(3).random((8192, 2048)) >= 0.84).astype(np.float32)
    inputs = contiguous(8192, 48)
    cut = balanced(nonzeros_by_input(weight, inputs).T, 96, 22)
    tiles = nonzeros_per_tile(weight, inputs, cut)
    assert tiles.max() / tiles.mean() < 1.07
