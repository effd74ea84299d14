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
    inside_new = _within(new, new)
    inside_new &= ~(inside_new.T & np.triu(np.ones_like(inside_new)))  # equal: only the later one lies in the earlier
    return new[~(inside_new.any(axis=1) | _within(new, kept).any(axis=1))]


def _within(inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """[I, O] whether each inner rectangle lies in each outer one."""
    a, b = inner[:, None, :], outer[None, :, :]
    return np.all((a[..., :2] >= b[..., :2]) & (a[..., 2:] <= b[..., 2:]), axis=2)
