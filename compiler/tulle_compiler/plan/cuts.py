"""The partition of every lane class: which lane carries which features.

Classes around an attention are cut by heads (heads.py). The others are balanced by the non-zeros that their features
bring to the tiles of the linears that make and read them, so that a pair (up, down) is balanced jointly and the
residual stream keeps one partition for all layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import numpy as np

from tulle_compiler.kernels.tiles import nonzeros_by_input, nonzeros_by_output
from tulle_compiler.partition import Partition, balanced, contiguous
from tulle_compiler.partition_swaps import swapped
from tulle_compiler.plan.heads import Heads, cut_heads
from tulle_compiler.plan.lanes import LaneClasses
from tulle_compiler.plan.lower import Stage
from tulle_compiler.plan.sizes import Sizes
from tulle_ir.graph import Linear
from tulle_ir.progress import steps

PAIR = 2  # linears on most classes; of more, as on the residual stream, no lane suits all without swaps
LOADS = 2**17  # of tiles that are looked at for a swap: what takes about a millisecond


def cut_classes(stages: list[Stage], classes: LaneClasses, sizes: Sizes, dense: Mapping[int, bool]) -> list[Partition]:
    """The partition of each class. dense: per linear stage, whether its zeros are stored like other weights."""
    cuts = _Cuts(stages, classes, dense)
    heads = {i: cut_heads(stages[i], columns) for i, (columns, _) in sizes.attention.items()}
    for i, each in heads.items():
        cuts.around(i, each)
    free = sorted((c for c in range(len(cuts.of)) if cuts.of[c] is None), key=lambda c: (-cuts.touching(c), c))
    for c in steps("balance", free, "partitions"):
        cuts.deal(c, sizes.lanes[c])
    for i, each in steps("balance", list(heads.items()), "attentions"):
        cuts.around(i, each.balanced(cuts.work(classes.source[i]), cuts.work(classes.output[i])))
    for c in filter(cuts.is_crowded, free):  # once more, as the heads are cut otherwise now
        cuts.swap(c, cuts.work(c))
    return [cut for cut in cuts.of if cut is not None]


class _Cuts:
    """The cuts so far: `of` each class."""

    def __init__(self, stages: list[Stage], classes: LaneClasses, dense: Mapping[int, bool]) -> None:
        self.stages, self.classes, self.dense = stages, classes, dense
        self.of: list[Partition | None] = [None] * len(classes.width)

    def around(self, i: int, heads: Heads) -> None:
        """The cuts on both sides of attention stage i."""
        self.of[self.classes.source[i]], self.of[self.classes.output[i]] = heads.entering, heads.leaving

    def touching(self, c: int) -> int:
        """Stages on a class; the residual stream is cut first."""
        return sum(c in pair for pair in zip(self.classes.output, self.classes.source, strict=True))

    def deal(self, c: int, lanes: int) -> None:
        """Deal the features of a class to lanes by their work."""
        width, work = self.classes.width[c], self.work(c)
        alike = lanes == 1 or np.all(work == work[:1])
        self.of[c] = contiguous(width, lanes) if alike else balanced(work, lanes, -(-width // lanes))
        if self.is_crowded(c):
            self.swap(c, work)

    def is_crowded(self, c: int) -> bool:
        """Whether a class has to suit so many linears that only swaps balance it."""
        return len(self._sides(c)) > PAIR

    def swap(self, c: int, work: np.ndarray) -> None:
        """Make the cut of a class better by swaps."""
        cut = self.of[c]
        assert cut is not None
        self.of[c] = swapped(work, cut, _look(work.shape[1]))

    def work(self, c: int) -> np.ndarray:
        """What each feature of a class adds to the tiles of the linears that make or read it, [features, tiles]; one
        whose other side has no cut yet counts as one tile."""
        work = [np.zeros((self.classes.width[c], 0), np.float32)]
        for weight, makes, beyond in self._sides(c):
            other = self.of[beyond] or contiguous(weight.shape[0 if makes else 1], 1)
            work.append(_scaled(nonzeros_by_input(weight, other).T if makes else nonzeros_by_output(weight, other)))
        return np.concatenate(work, axis=1)

    def _sides(self, c: int) -> list[tuple[np.ndarray, bool, int]]:
        """The linears on a class: weight, whether it makes the class, the class on its other side. One stored densely
        costs every feature the same and has no say."""
        found: list[tuple[np.ndarray, bool, int]] = []
        for i, stage in enumerate(self.stages):
            if isinstance(stage.op, Linear) and not self.dense[i]:
                out, source = self.classes.output[i], self.classes.source[i]
                found += [(stage.op.weight, True, source)] if out == c else []
                found += [(stage.op.weight, False, out)] if source == c else []
        return found


def _look(tiles: int) -> tuple[int, int]:
    """How many features of a lane, and of all others, a swap looks at."""
    heaviest = min(12, max(2, isqrt(LOADS // (16 * tiles))))
    return heaviest, max(16, min(256, LOADS // (heaviest * tiles)))


def _scaled(nonzeros: np.ndarray) -> np.ndarray:
    """The work of features [features, tiles] in f32, such that the mean of a tile is the same for all linears."""
    return nonzeros * np.float32(nonzeros.shape[1] / max(1, nonzeros.sum(dtype=np.int64)))
