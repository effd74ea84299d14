"""The partition of every lane class: which lane carries which features.

Classes around an attention are cut by heads. The others are balanced by the non-zeros that their features bring to the
tiles of the linears that make and read them, so that a pair (up, down) is balanced jointly and the residual stream
keeps one partition for all layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import isqrt

import numpy as np

from tulle_compiler.kernels.attention_tile import slice_bounds
from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_by_output
from tulle_compiler.partition import Partition, balanced, contiguous, from_lists
from tulle_compiler.partition_swaps import swapped
from tulle_compiler.plan.lanes import LaneClasses
from tulle_compiler.plan.lower import Stage
from tulle_compiler.plan.sizes import Sizes
from tulle_ir.graph import Attention, Linear
from tulle_ir.progress import steps

PAIR = 2  # linears on most classes; of more, as on the residual stream, no lane suits all without swaps
LOADS = 2**17  # of tiles that are looked at for a swap: what takes about a millisecond


def cut_classes(stages: list[Stage], classes: LaneClasses, sizes: Sizes, dense: Mapping[int, bool]) -> list[Partition]:
    """The partition of each class. dense: per linear stage, whether its zeros are stored like other weights."""
    cuts: list[Partition | None] = [None] * len(classes.width)
    for c, reader in enumerate(classes.reads):
        if reader >= 0:
            cuts[c] = _qkv(stages[reader], sizes.attention[reader][0])
    for c, maker in enumerate(classes.makes):
        if maker >= 0:
            cuts[c] = _heads(stages[maker], sizes.attention[maker][0])
    order = sorted((c for c in range(len(cuts)) if cuts[c] is None), key=lambda c: (-_touches(stages, classes, c), c))
    for c in steps("balance", order, "partitions"):
        cuts[c] = _balanced(stages, classes, sizes, cuts, dense, c)
    return [cut for cut in cuts if cut is not None]


def _qkv(stage: Stage, columns: int) -> Partition:
    """Lane h*C + c: the c-th slice of head h's k, then of its v, then of its q."""
    parts = [stage.columns[name] for name in ("k", "v", "q")]
    heads, dim = parts[0].shape
    bounds = slice_bounds(dim, columns)
    return from_lists(
        [
            np.concatenate([part[h, bounds[c] : bounds[c + 1]] for part in parts])
            for h in range(heads)
            for c in range(columns)
        ]
    )


def _heads(stage: Stage, columns: int) -> Partition:
    """Lane h*C + c: the c-th slice of head h's result."""
    assert isinstance(stage.op, Attention)
    dim = stage.op.head_dim
    return from_lists(
        [h * dim + np.arange(a, b) for h in range(stage.op.heads) for a, b in pairwise(slice_bounds(dim, columns))]
    )


def _touches(stages: list[Stage], classes: LaneClasses, c: int) -> int:
    """Stages on a class; the residual stream is cut first."""
    return sum(c in (classes.output[i], classes.source[i]) for i in range(len(stages)))


def _balanced(
    stages: list[Stage],
    classes: LaneClasses,
    sizes: Sizes,
    cuts: list[Partition | None],
    dense: Mapping[int, bool],
    c: int,
) -> Partition:
    """Balance a class over the tiles of its linears; a linear whose other side has no cut yet counts as one tile. One
    stored densely costs every feature the same and has no say."""
    width, lanes = classes.width[c], sizes.lanes[c]
    work: list[np.ndarray] = []
    for i, stage in enumerate(stages):
        if not isinstance(stage.op, Linear) or dense[i]:
            continue
        if classes.output[i] == c:
            inputs = cuts[classes.source[i]] or contiguous(stage.op.weight.shape[0], 1)
            work.append(_scaled(nonzeros_by_input(stage.op.weight, inputs).T))
        if classes.source[i] == c:
            outputs = cuts[classes.output[i]] or contiguous(stage.op.weight.shape[1], 1)
            work.append(_scaled(nonzeros_by_output(stage.op.weight, outputs)))
    if lanes == 1 or not work or all(np.all(w == w[0]) for w in work):
        return contiguous(width, lanes)
    together = np.concatenate(work, axis=1)
    cut = balanced(together, lanes, -(-width // lanes))
    return swapped(together, cut, _look(together.shape[1])) if len(work) > PAIR else cut


def _look(tiles: int) -> tuple[int, int]:
    """How many features of a lane, and of all others, a swap looks at."""
    heaviest = min(12, max(2, isqrt(LOADS // (16 * tiles))))
    return heaviest, max(16, min(256, LOADS // (heaviest * tiles)))


def _scaled(nonzeros: np.ndarray) -> np.ndarray:
    """The work of features [features, tiles] in f32, such that the mean of a tile is the same for all linears."""
    return nonzeros * np.float32(nonzeros.shape[1] / max(1, nonzeros.sum(dtype=np.int64)))
