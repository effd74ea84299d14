"""A better partition by swaps of features between lanes."""

from __future__ import annotations

import numpy as np

from tulle_compiler.partition import Partition, from_lists

SWAPS = 1000  # most tried
SQUARINGS = 4  # a lane is as bad as the sum of its tiles' loads to the power of 2^SQUARINGS


def swapped(
    work: np.ndarray,
    cut: Partition,
    look: tuple[int, int],
    beside: np.ndarray | float = 0.0,
    groups: np.ndarray | None = None,
) -> Partition:
    """Swap features between the worst lane and another one while both together get better; sizes stay.

    work: [features, tiles], what a feature adds to each tile of its lane; beside: what tiles cost beside it, [lanes,
    tiles] or less; look: how many features of the worst lane, and of all others, are looked at for a swap; groups: the
    group of each lane, if features stay within groups of lanes. A lane is as bad as the sum of a high power of its
    tiles' loads: that is about the heaviest tiles, yet sees progress on all.
    """
    owner, home = cut.lane_of(), np.zeros(cut.lanes) if groups is None else groups
    load = loads(work, cut) + beside
    if not load.any():
        return cut
    work, load = (work / load.mean()).astype(np.float32), (load / load.mean()).astype(np.float32)
    badness = _power(load).sum(axis=1)
    stuck = np.zeros(cut.lanes, bool)
    for _ in range(SWAPS):
        lane = int(np.where(stuck, -1, badness).argmax())
        if stuck[lane]:
            break
        pull = work @ (_power(load[lane]) / np.maximum(load[lane], 1e-9))
        mine, theirs = np.flatnonzero(owner == lane), np.flatnonzero((owner != lane) & (home[owner] == home[lane]))
        mine = mine[np.argsort(-pull[mine], kind="stable")[: look[0]]]
        theirs = theirs[np.argsort(pull[theirs], kind="stable")[: look[1]]]
        stuck[lane] = True
        if not len(mine) or not len(theirs):
            continue
        change, other = work[theirs] - work[mine][:, None, :], owner[theirs]
        after = _power(load[lane] + change).sum(axis=2) + _power(load[other] - change).sum(axis=2) - badness[other]
        a, b = np.unravel_index(after.argmin(), after.shape)
        if after[a, b] < 0.9999 * badness[lane]:
            pair = [lane, int(other[b])]
            load[pair] += change[a, b] * np.array([[1], [-1]], np.float32)
            owner[mine[a]], owner[theirs[b]] = pair[1], lane
            badness[pair] = _power(load[pair]).sum(axis=1)
            stuck[pair] = False
    return from_lists([np.flatnonzero(owner == lane) for lane in range(cut.lanes)])


def loads(work: np.ndarray, cut: Partition) -> np.ndarray:
    """What the features of each lane add to each of its tiles: f64[lanes, tiles]. work: as in `swapped`."""
    return np.stack([work[cut.features(lane)].sum(axis=0, dtype=np.float64) for lane in range(cut.lanes)])


def _power(load: np.ndarray) -> np.ndarray:
    for _ in range(SQUARINGS):
        load = load * load
    return load
