"""Which routers an item with one color takes, as a bitmap over its bounding box, and which items meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulle_compiler.route.trace import Trace


@dataclass(frozen=True, slots=True)
class Footprint:
    """Routers (x + i, y + j) for which taken[j, i]; `full` if all are."""

    x: int
    y: int
    taken: np.ndarray
    full: bool = False

    @classmethod
    def rectangle(cls, region: tuple[int, int, int, int]) -> Footprint:
        """All routers of a region."""
        x, y, w, h = region
        return cls(x, y, np.ones((h, w), bool), True)

    @classmethod
    def of(cls, traces: Sequence[Trace]) -> Footprint:
        """All routers on some paths."""
        xs, ys = np.concatenate([t.x for t in traces]), np.concatenate([t.y for t in traces])
        x, y = int(xs.min()), int(ys.min())
        taken = np.zeros((int(ys.max()) - y + 1, int(xs.max()) - x + 1), bool)
        taken[ys - y, xs - x] = True
        return cls(x, y, taken, bool(taken.all()))

    def window(self, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """The part of the bitmap in a rectangle of the mesh inside the bounding box."""
        return self.taken[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]

    def meets(self, other: Footprint) -> bool:
        """Whether two footprints share a router."""
        x0, y0 = max(self.x, other.x), max(self.y, other.y)
        x1 = min(self.x + self.taken.shape[1], other.x + other.taken.shape[1])
        y1 = min(self.y + self.taken.shape[0], other.y + other.taken.shape[0])
        if x0 >= x1 or y0 >= y1:
            return False
        if self.full and other.full:
            return True
        return bool((self.window(x0, y0, x1, y1) & other.window(x0, y0, x1, y1)).any())


def meetings(footprints: Sequence[Footprint]) -> list[tuple[int, int]]:
    """All pairs (a, b), a < b, of footprints that share a router."""
    if not footprints:
        return []
    boxes = np.array([(f.x, f.y, f.x + f.taken.shape[1], f.y + f.taken.shape[0]) for f in footprints])
    x0, y0, x1, y1 = boxes.T
    near = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    pairs = np.argwhere(np.triu(near, 1)).tolist()
    return [(a, b) for a, b in pairs if footprints[a].meets(footprints[b])]
