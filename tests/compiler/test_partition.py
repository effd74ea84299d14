"""Partitions: every feature in exactly one lane, the heaviest tile light."""

from __future__ import annotations

import numpy as np
import pytest

from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_per_tile
from tulle_compiler.partition import balanced, contiguous
from tulle_compiler.partition_swaps import swapped
from tulle_compiler.partition_tiles import balanced_tiles, deal


def test_groups_of_lanes_hold_every_feature_once_in_order_by_their_weights() -> None:
    cut = contiguous(50, 3)
    groups = cut.grouped((4, 2, 1, 1))
    for lane, sizes in enumerate(([8, 4, 2, 2], [9, 4, 2, 2], [9, 4, 2, 2])):
        features = [group.features(lane) for group in groups]
        assert [len(part) for part in features] == sizes
        assert np.concatenate(features).tolist() == cut.features(lane).tolist()


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


def test_both_sides_of_a_random_matrix_are_balanced_within_two_percent() -> None:
    weight = np.random.default_rng(3).random((512, 768)) < 0.1
    tiles = nonzeros_per_tile(weight, *balanced_tiles(weight, 8, 12))
    assert tiles.max() / tiles.mean() < 1.02


@pytest.mark.parametrize("axis", [0, 1])
def test_dense_rows_and_columns_leave_no_tile_heavier_than_the_others(axis: int) -> None:
    rng = np.random.default_rng(4)
    weight = rng.random((384, 384)) < 0.1
    (weight if axis == 0 else weight.T)[rng.permutation(384)[:12]] = True
    tiles = nonzeros_per_tile(weight, *balanced_tiles(weight, 6, 6))
    assert tiles.max() / tiles.mean() < 1.03


def test_lanes_of_tiles_hold_every_feature_once_and_are_equally_long() -> None:
    weight = np.random.default_rng(5).random((50, 71)) < 0.3
    into, out = balanced_tiles(weight, 6, 8)
    for cut, features in ((into, 50), (out, 71)):
        assert sorted(cut.order.tolist()) == list(range(features))
        assert cut.largest == -(-features // cut.lanes)


def test_an_empty_matrix_and_single_lanes_have_partitions() -> None:
    assert [cut.lanes for cut in balanced_tiles(np.zeros((5, 3)), 2, 3)] == [2, 3]
    assert [cut.lanes for cut in balanced_tiles(np.ones((5, 3)), 1, 1)] == [1, 1]


def test_outputs_are_dealt_to_parts_of_equal_counts_and_work() -> None:
    work = np.random.default_rng(6).integers(0, 100, 97)
    parts = deal(work, 4)
    assert sorted(np.concatenate(parts).tolist()) == list(range(97))
    assert {len(part) for part in parts} == {24, 25}
    assert np.ptp([work[part].sum() for part in parts]) <= work.max()


def test_swaps_even_out_tiles_that_dealing_cannot() -> None:
    """Features of 40 matrices at once, as on a residual stream: lanes stay as large, the heaviest tile gets lighter."""
    work = np.random.default_rng(4).binomial(64, 0.25, (256, 40)).astype(np.float32)
    dealt = balanced(work, 16, 16)
    cut = swapped(work, dealt, (4, 64))
    assert sorted(cut.order.tolist()) == list(range(256))
    assert cut.sizes.tolist() == dealt.sizes.tolist()
    before, after = (np.add.reduceat(work[c.order], c.start[:-1], axis=0).max() for c in (dealt, cut))
    assert after < before


@pytest.mark.parametrize("seed", range(3))
def test_swaps_never_make_the_worst_lane_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    work, cut = rng.random((30, 3)) ** 4, contiguous(30, 4)
    better = swapped(work, cut, (3, 16), beside=rng.random((4, 3)) * 0)
    loads = [np.add.reduceat(work[c.order], c.start[:-1], axis=0) ** 16 for c in (cut, better)]
    assert loads[1].sum(axis=1).max() <= loads[0].sum(axis=1).max() * (1 + 1e-4)
