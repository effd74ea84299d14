"""Both partitions of a matrix at once: input and output lanes such that the heaviest tile is light."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_by_output, nonzeros_per_tile
from tulle_compiler.partition import Partition, balanced, contiguous, from_lists

ROUNDS = 3  # both sides in turn
SWAPS = 1000  # most tried per side and round
HEAVIEST, LIGHTEST = 12, 256  # features of a lane, and of all others, that are looked at for a swap
SQUARINGS = 4  # a lane is as bad as the sum of its tiles' loads to the power of 2^SQUARINGS


def deal(work: np.ndarray, parts: int) -> list[np.ndarray]:
    """Features dealt to parts, heaviest first and back and forth: equal counts (within one) and nearly equal work.

    work: [features]. Each part's features come in ascending order (i64).
    """
    order = np.lexsort((np.arange(len(work)), -work))
    place = np.arange(len(work)) % (2 * parts)
    part = np.minimum(place, 2 * parts - 1 - place)
    return [np.sort(order[part == p]) for p in range(parts)]


def balanced_tiles(weight: np.ndarray, inputs: int, outputs: int) -> tuple[Partition, Partition]:
    """Input and output lanes for a matrix [in, out]: each side is balanced over the tiles that the other one makes;
    then features are swapped between lanes, on both sides in turn, as long as the heaviest tile gets lighter."""
    features_in, features_out = weight.shape
    into = contiguous(features_in, inputs)
    out = balanced(nonzeros_by_input(weight, into).T, outputs, -(-features_out // outputs))
    into = balanced(nonzeros_by_output(weight, out), inputs, -(-features_in // inputs))
    best = _heaviest(weight, into, out), into, out
    for _ in range(ROUNDS):
        out = _swapped(nonzeros_by_input(weight, into).T, out, into.sizes)
        into = _swapped(nonzeros_by_output(weight, out), into, out.sizes)
        heaviest = _heaviest(weight, into, out)
        if heaviest >= best[0]:
            break
        best = heaviest, into, out
    return best[1:]


def _heaviest(weight: np.ndarray, into: Partition, out: Partition) -> int:
    return int((nonzeros_per_tile(weight, into, out) + into.sizes + out.sizes[:, None]).max())


def _swapped(work: np.ndarray, cut: Partition, others: np.ndarray) -> Partition:
    """Swap features between the worst lane and another one while both together get better; sizes stay.

    work: [features, tiles]; others: sizes [tiles] of the lanes that make the tiles. To receive or to add up a row costs
    about as much as a non-zero. A high power of the loads looks at the heaviest tiles, yet sees progress on all.
    """
    owner = cut.lane_of()
    load = np.stack([work[cut.features(lane)].sum(axis=0, dtype=np.float64) for lane in range(cut.lanes)])
    load += cut.sizes[:, None] + others
    work, load = work / load.mean(), load / load.mean()
    badness = _power(load).sum(axis=1)
    stuck = np.zeros(cut.lanes, bool)
    for _ in range(SWAPS):
        lane = int(np.where(stuck, -1, badness).argmax())
        if stuck[lane]:
            break
        pull = work @ (_power(load[lane]) / np.maximum(load[lane], 1e-9))
        mine, theirs = np.flatnonzero(owner == lane), np.flatnonzero(owner != lane)
        mine = mine[np.argsort(-pull[mine], kind="stable")[:HEAVIEST]]
        theirs = theirs[np.argsort(pull[theirs], kind="stable")[:LIGHTEST]]
        stuck[lane] = True
        if not len(mine) or not len(theirs):
            continue
        change, other = work[theirs] - work[mine][:, None, :], owner[theirs]
        after = _power(load[lane] + change).sum(axis=2) + _power(load[other] - change).sum(axis=2) - badness[other]
        a, b = np.unravel_index(after.argmin(), after.shape)
        if after[a, b] < 0.9999 * badness[lane]:
            pair = [lane, int(other[b])]
            load[pair] += change[a, b] * np.array([[1], [-1]])
            owner[mine[a]], owner[theirs[b]] = pair[1], lane
            badness[pair] = _power(load[pair]).sum(axis=1)
            stuck[pair] = False
    return from_lists([np.flatnonzero(owner == lane) for lane in range(cut.lanes)])


def _power(load: np.ndarray) -> np.ndarray:
    for _ in range(SQUARINGS):
        load = load * load
    return load
