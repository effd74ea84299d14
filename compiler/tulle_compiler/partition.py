"""Partitions of features over lanes: which lane carries which features, in which order.

Balancing counts non-zeros, not rows: dense rows, blocks, N:M and outlier columns must not leave PEs idle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CANDIDATES = 96  # lanes looked at for each feature


@dataclass(frozen=True, eq=False)
class Partition:
    """`order[start[i]:start[i+1]]` are the features of lane i in stream order (i32; a permutation of range(n))."""

    order: np.ndarray
    start: np.ndarray

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return len(self.start) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Features per lane."""
        return np.diff(self.start)

    @property
    def largest(self) -> int:
        """Features of the largest lane."""
        return int(self.sizes.max())

    def lane_of(self) -> np.ndarray:
        """Per feature, its lane (i64[n])."""
        lane = np.empty(len(self.order), np.int64)
        lane[self.order] = np.repeat(np.arange(self.lanes), self.sizes)
        return lane

    def place_of(self) -> np.ndarray:
        """Per feature, its place within its lane (i64[n])."""
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.arange(len(self.order)) - np.repeat(self.start[:-1], self.sizes)
        return place

    def grouped(self, weights: tuple[int, ...]) -> tuple[Partition, ...]:
        """Every lane cut into groups that are to each other as `weights`; each is a partition of its own features
        only."""
        share = np.concatenate([[0], np.cumsum(weights)])
        bounds = self.start[:-1, None] + -(-share * self.sizes[:, None].astype(np.int64) // share[-1])
        pieces = [zip(bounds[:, g], bounds[:, g + 1], strict=True) for g in range(len(weights))]
        return tuple(from_lists([self.order[a:b] for a, b in lanes]) for lanes in pieces)

    def features(self, lane: int) -> np.ndarray:
        """The features of one lane in stream order."""
        return self.order[self.start[lane] : self.start[lane + 1]]


def from_lists(parts: list[np.ndarray]) -> Partition:
    """A partition from the features of each lane."""
    order = np.concatenate(parts) if parts else np.empty(0)
    return Partition(order.astype(np.int32), np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int32))


def contiguous(features: int, lanes: int) -> Partition:
    """Lane i takes the i-th of `lanes` nearly equal runs of features."""
    bounds = np.arange(lanes + 1) * features // lanes
    return Partition(np.arange(features, dtype=np.int32), bounds.astype(np.int32))


def balanced(work: np.ndarray, lanes: int, capacity: int) -> Partition:
    """Assign features to lanes so that the heaviest tile is light.

    work: [features, tiles], what a feature adds to each tile of whichever lane takes it. Features go heaviest first
    to the lane whose heaviest tile stays lightest (ties: fewest features, then lowest lane); a lane takes at most
    `capacity` features. Only the CANDIDATES lanes with least work in all are looked at. Followed by swaps between the
    heaviest lane and the others while they help.
    """
    features, tiles = work.shape
    work = np.ascontiguousarray(work, np.float32)
    load = np.zeros((lanes, tiles), np.float32)
    held = np.zeros(lanes)
    count = np.zeros(lanes, np.int64)
    owner = np.empty(features, np.int64)
    total = work.sum(axis=1, dtype=np.float64)
    for feature in np.lexsort((np.arange(features), -total)):
        near = np.lexsort((count, np.where(count < capacity, held, np.inf)))[:CANDIDATES]
        near = near[count[near] < capacity]
        peak = (load[near] + work[feature]).max(axis=1) + 1e-3 * held[near] / tiles
        lane = near[np.lexsort((near, count[near], peak))[0]]
        owner[feature] = lane
        load[lane] += work[feature]
        held[lane] += total[feature]
        count[lane] += 1
    _improve(work, owner, load, total.sum() / max(1, tiles * lanes))
    return from_lists([np.flatnonzero(owner == lane) for lane in range(lanes)])


def _improve(work: np.ndarray, owner: np.ndarray, load: np.ndarray, mean: float, rounds: int = 200) -> None:
    """Swap a feature of the lane with the heaviest tile against one of another lane while the maximum falls."""
    peaks = load.max(axis=1)
    for _ in range(rounds):
        heavy = int(peaks.argmax())
        tile = int(load[heavy].argmax())
        if peaks[heavy] <= 1.01 * mean:
            return
        light = int(load[:, tile].argmin())
        mine, theirs = np.flatnonzero(owner == heavy), np.flatnonzero(owner == light)
        if light == heavy or len(mine) == 0 or len(theirs) == 0:
            return
        mine = mine[np.argsort(-work[mine, tile], kind="stable")[:16]]
        theirs = theirs[np.argsort(work[theirs, tile], kind="stable")[:16]]
        move = work[theirs][None, :, :] - work[mine][:, None, :]
        peak = np.maximum((load[heavy] + move).max(axis=2), (load[light] - move).max(axis=2))
        best = int(peak.argmin())
        if peak.flat[best] >= load[heavy, tile]:
            return
        a, b = mine[best // len(theirs)], theirs[best % len(theirs)]
        change = work[b] - work[a]
        load[heavy] += change
        load[light] -= change
        peaks[[heavy, light]] = load[heavy].max(), load[light].max()
        owner[a], owner[b] = light, heavy
