"""The placement of a linear by itself: its parts (scatter, tiles, gather) side by side, as plan/alone.py means them."""

from __future__ import annotations

from tulle_compiler.place.wires import Place3
from tulle_compiler.route.ends import HOST
from tulle_ir.geometry import ORIENTATIONS, Orientation
from tulle_ir.plan import Plan

PART = ("scatter", "linear", "gather")


def side_by_side(plan: Plan) -> tuple[Place3, ...] | None:
    """The places of such parts if the plan consists of them and they fit.

    Upright, gathers stand along the edges with the host links, on its side the scatters do: the side with more to send
    goes there if it can.
    """
    parts = len(plan.kernels) // len(PART)
    if not parts or [kernel.kind for kernel in plan.kernels] != [*PART] * parts:
        return None
    kinds = [kernel.kind for kernel in plan.kernels]
    into = sum(n.lanes * n.wavelets for n in plan.nets if n.source.kernel != HOST and kinds[n.sink.kernel] == "linear")
    out = sum(n.lanes * n.wavelets for n in plan.nets if n.sink.kernel != HOST and kinds[n.sink.kernel] == "gather")
    ways = (_side_by_side(plan, parts, on_its_side) for on_its_side in (into > out, into <= out))
    return next((places for places in ways if places), None)


def _side_by_side(plan: Plan, parts: int, on_its_side: bool) -> tuple[Place3, ...] | None:
    """All parts, one way; None if they do not fit."""
    width, height = plan.mesh[::-1] if on_its_side else plan.mesh
    places: list[Place3] = []
    x, tallest = 0, 0
    for part in range(parts):
        linear = plan.kernels[len(PART) * part + 1]
        places += _part(x, linear.width, 2 * part < parts and parts > 1, on_its_side)
        x, tallest = x + linear.width + 1, max(tallest, 1 + linear.height)
    return tuple(places) if x <= width and tallest <= height else None


def _part(x: int, width: int, to_the_west: bool, on_its_side: bool) -> list[Place3]:
    """Places of scatter, tiles and gather from column x on; results leave to the west or to the east."""
    start = x + 1 if to_the_west else x
    gather = x if to_the_west else x + width
    here = Orientation(mirror_x=to_the_west)
    turned = Orientation(transpose=True, mirror_x=to_the_west)
    places = ((here, start, 0), (here, start, 1), (turned, gather, 1))
    return [_place(*place, on_its_side) for place in places]


def _place(turn: Orientation, x: int, y: int, on_its_side: bool) -> Place3:
    if on_its_side:
        turn, x, y = Orientation(not turn.transpose, turn.mirror_y, turn.mirror_x), y, x
    return ORIENTATIONS.index(turn), x, y
