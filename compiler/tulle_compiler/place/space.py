"""Free room on the mesh as maximal empty rectangles, immutable so that many searches can share it."""

from __future__ import annotations

import numpy as np

Rectangle = tuple[int, int, int, int]  # x, y, width, height


class Space:
    """All maximal empty rectangles: int array [M, 4] of x0, y0, x1, y1 (half-open)."""

    def __init__(self, free: np.ndarray) -> None:
        self.free = free

    @classmethod
    def empty(cls, mesh: tuple[int, int]) -> Space:
        """A mesh without kernels."""
        return cls(np.array([[0, 0, *mesh]], dtype=np.int64))

    def without(self, rectangle: Rectangle) -> Space:
        """The room left when a kernel takes a rectangle."""
        x, y, w, h = rectangle
        free = self.free
        hit = (free[:, 0] < x + w) & (free[:, 2] > x) & (free[:, 1] < y + h) & (free[:, 3] > y)
        if not hit.any():
            return self
        kept, cut = free[~hit], free[hit]
        pieces = []
        for column, value in ((2, x), (0, x + w), (3, y), (1, y + h)):
            piece = cut.copy()
            piece[:, column] = value
            pieces.append(piece)
        new = np.concatenate(pieces)
        new = new[(new[:, 0] < new[:, 2]) & (new[:, 1] < new[:, 3])]
        return Space(np.concatenate([kept, _maximal(new, kept)]))


def _maximal(new: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Those of `new` that lie in no other rectangle (of equal ones, the first stays)."""
    if not len(new):
        return new
    _, first = np.unique(new, axis=0, return_index=True)
    new = new[np.sort(first)]
    alone = np.ones(len(new), bool)
    for others, same in ((kept, False), (new, True)):
        if len(others):
            within = (
                (new[:, None, 0] >= others[None, :, 0])
                & (new[:, None, 1] >= others[None, :, 1])
                & (new[:, None, 2] <= others[None, :, 2])
                & (new[:, None, 3] <= others[None, :, 3])
            )
            if same:
                np.fill_diagonal(within, False)
            alone &= ~within.any(axis=1)
    return new[alone]
