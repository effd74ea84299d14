"""Turning a layout as a whole: orientations composed."""

from __future__ import annotations

from tulle_compiler.place.wires import Place3
from tulle_ir.geometry import ORIENTATIONS

Matrix = tuple[int, int, int, int]  # a row (xx, xy), then a row (yx, yy)


def matrix(turn: int) -> Matrix:
    """What an orientation does to directions."""
    o = ORIENTATIONS[turn]
    sx, sy = -1 if o.mirror_x else 1, -1 if o.mirror_y else 1
    return (0, sx, sy, 0) if o.transpose else (sx, 0, 0, sy)


TURN_OF = {matrix(turn): turn for turn in range(8)}


def after(outer: int, inner: int) -> int:
    """The orientation that turns by `inner` first, then by `outer`."""
    a, b, c, d = matrix(outer)
    e, f, g, h = matrix(inner)
    return TURN_OF[a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h]


def turned(place: Place3, region: tuple[int, int, int, int], size: tuple[int, int], turn: int) -> Place3:
    """The place of a kernel (with its region) when the slot of `size` around it is turned."""
    o = ORIENTATIONS[turn]
    x, y, w, h = region
    width, height = size
    if o.transpose:
        x, y, w, h, width, height = y, x, h, w, height, width
    if o.mirror_x:
        x = width - x - w
    if o.mirror_y:
        y = height - y - h
    return (after(turn, place[0]), x, y)
