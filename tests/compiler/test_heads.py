"""Which features of a head go to which of its columns."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import gpt

from tulle_compiler.partition import Partition
from tulle_compiler.plan.heads import Heads, cut_heads
from tulle_compiler.plan.lower import lower

HEADS, DIM, COLUMNS, TILES = 4, 16, 3, 10


@pytest.fixture
def runs() -> Heads:
    """Of an attention in three columns per head, as first cut."""
    graph = gpt(width=HEADS * DIM, heads=HEADS, blocks=1, vocabulary=50, context=32, hidden=128, sparsity=0.0)
    (stage,) = (stage for stage in lower(graph) if stage.kind == "attention")
    return cut_heads(stage, COLUMNS)


def work(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """By tile, of the features of k, v and q, and of the results: such that tiles weigh the same on the mean."""
    rng = np.random.default_rng(seed)
    made, read = (rng.binomial(8, 0.3, (n * HEADS * DIM, TILES)) for n in (3, 1))
    return made / made.mean() / 3, read / read.mean()


def heaviest(cut: Partition, loads: np.ndarray) -> float:
    return float(np.stack([loads[cut.features(lane)].sum(axis=0) for lane in range(cut.lanes)]).max())


@pytest.mark.parametrize("seed", range(3))
def test_dealing_makes_the_heaviest_tile_lighter_and_keeps_the_sizes_of_lanes(runs: Heads, seed: int) -> None:
    made, read = work(seed)
    dealt = runs.balanced(made, read)
    assert heaviest(dealt.entering, made) < heaviest(runs.entering, made)
    assert heaviest(dealt.leaving, read) <= heaviest(runs.leaving, read)
    assert dealt.entering.sizes.tolist() == runs.entering.sizes.tolist()
    assert sorted(dealt.entering.order.tolist()) == list(range(3 * HEADS * DIM))
    assert sorted(dealt.leaving.order.tolist()) == list(range(HEADS * DIM))


def test_a_key_keeps_to_its_query_a_value_to_its_result_and_all_to_their_head(runs: Heads) -> None:
    dealt = runs.balanced(*work(0))
    place = {name: runs.stage.columns[name].reshape(-1) for name in ("k", "v", "q")}
    for lane in range(HEADS * COLUMNS):
        k, v, q = np.split(dealt.entering.features(lane), 3)
        features = [np.flatnonzero(np.isin(place[name], part)) for name, part in (("k", k), ("v", v), ("q", q))]
        assert np.array_equal(place["k"][features[0]], k) and np.array_equal(place["q"][features[0]], q)
        assert np.array_equal(place["v"][dealt.leaving.features(lane)], v)
        assert {int(f) // DIM for part in features for f in part} == {lane // COLUMNS}


def test_where_nothing_is_sparse_each_column_keeps_its_run(runs: Heads) -> None:
    nothing = runs.balanced(np.zeros((3 * HEADS * DIM, 0)), np.zeros((HEADS * DIM, 0)))
    assert np.array_equal(nothing.entering.order, runs.entering.order)
    assert np.array_equal(nothing.leaving.order, runs.leaving.order)
