"""Both partitions of a matrix at once: input and output lanes such that the heaviest tile is light."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_by_output, nonzeros_per_tile
from tulle_compiler.partition import Partition, balanced, contiguous
from tulle_compiler.partition_swaps import swapped

ROUNDS = 3  # both sides in turn
LOOK = 12, 256  # features of a lane, and of all others, that are looked at for a swap


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
        out = swapped(nonzeros_by_input(weight, into).T, out, LOOK, _rows(out, into))
        into = swapped(nonzeros_by_output(weight, out), into, LOOK, _rows(into, out))
        heaviest = _heaviest(weight, into, out)
        if heaviest >= best[0]:
            break
        best = heaviest, into, out
    return best[1:]


def _rows(mine: Partition, others: Partition) -> np.ndarray:
    """Features on both sides of a tile: to receive or to add up one costs about as much as a non-zero."""
    return mine.sizes[:, None] + others.sizes


def _heaviest(weight: np.ndarray, into: Partition, out: Partition) -> int:
    return int((nonzeros_per_tile(weight, into, out) + _rows(out, into)).max())
