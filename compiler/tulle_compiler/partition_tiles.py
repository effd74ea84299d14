"""Both partitions of a matrix at once: input and output lanes such that the heaviest tile is light."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_by_output, nonzeros_per_tile
from tulle_compiler.partition import Partition, balanced, contiguous

ROUNDS = 3


def deal(work: np.ndarray, parts: int) -> list[np.ndarray]:
    """Features dealt to parts, heaviest first and back and forth: equal counts (within one) and nearly equal work.

    work: [features]. Each part's features come in ascending order (i64).
    """
    order = np.lexsort((np.arange(len(work)), -work))
    place = np.arange(len(work)) % (2 * parts)
    part = np.minimum(place, 2 * parts - 1 - place)
    return [np.sort(order[part == p]) for p in range(parts)]


def balanced_tiles(weight: np.ndarray, inputs: int, outputs: int) -> tuple[Partition, Partition]:
    """Input and output lanes for a matrix [in, out]: each side is balanced over the tiles that the other one makes,
    in turn, as long as the heaviest tile gets lighter."""
    features_in, features_out = weight.shape
    into = contiguous(features_in, inputs)
    best: tuple[int, Partition, Partition] | None = None
    for _ in range(ROUNDS):
        out = balanced(nonzeros_by_input(weight, into).T, outputs, -(-features_out // outputs))
        into = balanced(nonzeros_by_output(weight, out), inputs, -(-features_in // inputs))
        heaviest = int(nonzeros_per_tile(weight, into, out).max())
        if best is not None and heaviest >= best[0]:
            break
        best = heaviest, into, out
    assert best is not None
    return best[1:]
