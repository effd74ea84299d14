"""The placement of a linear by itself: its parts (scatter, tiles, gather) side by side, as plan/alone.py means them."""

from __future__ import annotations

from math import ceil

from tulle_compiler.place.wires import Place3
from tulle_ir.geometry import ORIENTATIONS, Orientation
from tulle_ir.plan import HOST, Kernel, Plan

BLOCK = ("scatter", "linear", "gather")


def side_by_side(plan: Plan) -> tuple[Place3, ...] | None:
    """The places of such parts if the plan consists of them and they fit.

    Upright, gathers stand along the edges with the host links, on its side the scatters do: the side with more to send
    goes there if it can.
    """
    blocks = len(plan.kernels) // len(BLOCK)
    if not blocks or [kernel.kind for kernel in plan.kernels] != [*BLOCK] * blocks:
        return None
    kinds = [kernel.kind for kernel in plan.kernels]
    into = sum(n.lanes * n.wavelets for n in plan.nets if n.source.kernel != HOST and kinds[n.sink.kernel] == "linear")
    out = sum(n.lanes * n.wavelets for n in plan.nets if n.sink.kernel != HOST and kinds[n.sink.kernel] == "gather")
    ways = (_side_by_side(plan, blocks, on_its_side) for on_its_side in (into > out, into <= out))
    return next((places for places in ways if places), None)


def _side_by_side(plan: Plan, blocks: int, on_its_side: bool) -> tuple[Place3, ...] | None:
    """All blocks, one way, in as few rows as they fit in; None if they do not fit."""
    width, height = plan.mesh[::-1] if on_its_side else plan.mesh
    linears = plan.kernels[1 :: len(BLOCK)]
    wide, tall = 1 + max(k.width for k in linears), 1 + max(k.height for k in linears)
    if wide > width or ceil(blocks / (width // wide)) * tall > height:
        return None
    down = ceil(blocks / (width // wide))
    across = ceil(blocks / down)
    places: list[Place3] = []
    for block, linear in enumerate(linears):
        row, column = divmod(block, across)
        to_the_west, upside_down = 2 * column < across and across > 1, 2 * row >= down and down > 1
        x = column * wide if to_the_west or across == 1 else width - (across - column) * wide
        y = height - (down - row) * tall if upside_down else row * tall
        places += _block((x, y), linear, to_the_west, upside_down, on_its_side)
    return tuple(places)


def _block(
    at: tuple[int, int], linear: Kernel, to_the_west: bool, upside_down: bool, on_its_side: bool
) -> list[Place3]:
    """Places of scatter, tiles and gather of a block whose corner is `at`; results leave to the west or to the east,
    inputs come from above or from below."""
    x, y = at
    start, gather = (x + 1, x) if to_the_west else (x, x + linear.width)
    tiles, scatter = (y, y + linear.height) if upside_down else (y + 1, y)
    here = Orientation(mirror_x=to_the_west, mirror_y=upside_down)
    turned = Orientation(transpose=True, mirror_x=to_the_west, mirror_y=upside_down)
    places = ((here, start, scatter), (here, start, tiles), (turned, gather, tiles))
    return [_place(*place, on_its_side) for place in places]


def _place(turn: Orientation, x: int, y: int, on_its_side: bool) -> Place3:
    if on_its_side:
        turn, x, y = Orientation(not turn.transpose, turn.mirror_y, turn.mirror_x), y, x
    return ORIENTATIONS.index(turn), x, y
