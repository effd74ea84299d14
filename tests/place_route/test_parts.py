"""The parts of place and route alone: orientations, shapes, orders, colors, free room, host links."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from plans import linear
from walking import check_routed

from tulle_compiler.place.space import Space
from tulle_compiler.route import Route
from tulle_compiler.route.bundles import path_bundle
from tulle_compiler.route.colors import saturation_coloring
from tulle_compiler.route.footprint import Footprint, meetings
from tulle_compiler.route.orders import Orders
from tulle_compiler.route.shapes import Approach, Bounds, simple_paths, sources, winding_paths
from tulle_compiler.route.trace import fault, trace
from tulle_ir.code import DType
from tulle_ir.geometry import ORIENTATIONS, Frame
from tulle_ir.host_links import host_links
from tulle_ir.placed import Placed
from tulle_ir.plan import End, Net, Plan
from tulle_ir.program import Affine, Bundle, Leg, Port
from tulle_ir.routed import Routed
from tulle_ir.target import load_target


def two_linears(a: int, b: int, at: tuple[int, int], mesh: tuple[int, int] = (40, 40)) -> Routed:
    """Two linear kernels, the first in the middle, the second at `at`, in given orientations; routed."""
    kernels = (linear("a", 3, 4, 1), linear("b", 4, 2, 1))
    nets = (Net("a to b", End(0, 1), End(1, 0), 4, DType.F16, 17),)
    plan = Plan("two", mesh, "wse2", kernels, nets, ())
    frames = tuple(
        Frame(*origin, k.width, k.height, ORIENTATIONS[o])
        for k, o, origin in zip(kernels, (a, b), ((18, 18), at), strict=True)
    )
    return Route()(Placed(plan, frames, (None,), 0.0, 0.0))


@pytest.mark.parametrize("at", [(4, 4), (18, 4), (30, 16), (20, 30), (5, 21)])
def test_all_orientations(at):
    for a, b in product(range(8), range(8)):
        check_routed(two_linears(a, b, at))


def test_every_simple_path_is_valid():
    bounds = Bounds((0, 59), (0, 59))
    rng = np.random.default_rng(5)
    seen = set()
    for _ in range(300):
        lanes = int(rng.integers(1, 7))
        ends = []
        for _end in range(2):
            x, y, pitch = int(rng.integers(12, 45)), int(rng.integers(12, 45)), int(rng.integers(1, 3))
            run = pitch * (lanes - 1) * int(rng.choice([-1, 1]))
            ends.append(((x, x + run), (y, y)) if rng.random() < 0.5 else ((x, x), (y, y + run)))
        source = sources(ends[0], lanes)
        vertical = ends[1][0][0] != ends[1][0][1]
        for heading in (0, 2) if vertical or lanes == 1 else (1, 3):
            for path in simple_paths(source, Approach(ends[1], heading), lanes, bounds, choices=4):
                seen.add(len(path.dirs))
                bundle = bundle_of(path, lanes)
                t = trace(bundle)
                hops = len(t.x) - lanes
                assert 2 * hops == lanes * path.length
                clean = not blocked(source, ends[1], path)
                assert not clean or fault((bundle,), (60, 60)) == "", (path, ends)
    assert {2, 3} <= seen


def blocked(source, sink, path) -> bool:
    """Whether the two lines themselves are in each other's way (kernels never overlap, so this does not occur)."""
    return _touch(source.at, sink)


def _touch(a, b) -> bool:
    return not (max(a[0]) < min(b[0]) or max(b[0]) < min(a[0]) or max(a[1]) < min(b[1]) or max(b[1]) < min(a[1]))


def bundle_of(path, lanes: int) -> Bundle:
    """A path alone as a bundle."""
    return path_bundle(path, lanes, 1, 0, Port.RAMP, None, None)


def test_winding_paths_get_everywhere():
    bounds = Bounds((0, 29), (0, 29))
    source = sources(((10, 13), (10, 10)), 4)
    approach = Approach(((12, 12), (9, 12)), 1)  # straddles the source line: no L, no simple way
    assert not list(simple_paths(source, approach, 4, bounds))
    assert list(winding_paths(source, approach, 4, bounds))


def test_fault_finds_crossing_lanes():
    crossing = Bundle(
        0, (2, 1), Affine(0, 1), Affine(0), Port.RAMP, (Leg(Port.SOUTH, Affine(2)), Leg(Port.EAST, Affine(5)))
    )
    assert fault((crossing,), (10, 10)) == "enters router (1, 2) twice"
    off = Bundle(0, (1, 1), Affine(0), Affine(0), Port.RAMP, (Leg(Port.EAST, Affine(10)),))
    assert fault((off,), (10, 10)) == "leaves the mesh at (10, 0)"
    main = Bundle(0, (1, 1), Affine(0), Affine(0), Port.RAMP, (Leg(Port.EAST, Affine(3)),))
    stray = Bundle(0, (1, 1), Affine(2), Affine(0), Port.NORTH, (Leg(Port.SOUTH, Affine(3)),))
    assert fault((main, stray), (10, 10)) == "a branch starts where its path does not pass"


def test_orders():
    orders = Orders()
    a, b, c = (0, 0), (1, 0), (2, 0)
    orders.relate((a, b), True)
    orders.relate((b, c), True)
    assert orders.allows((a, c), False) and not orders.allows((a, c), True)
    assert orders.reversed_of([a, b, c]) == {b}


def test_coloring_of_an_odd_cycle():
    ring = [{(i - 1) % 7, (i + 1) % 7} for i in range(7)]
    color = saturation_coloring(ring)
    assert max(color) == 2 and all(color[i] != color[j] for i in range(7) for j in ring[i])


def test_footprints_meet_exactly():
    leg = Bundle(
        0, (3, 1), Affine(0, 1), Affine(0), Port.RAMP, (Leg(Port.SOUTH, Affine(3, -1)), Leg(Port.EAST, Affine(6)))
    )
    corner = Footprint.of([trace(leg)])
    inside = Footprint.rectangle((3, 0, 2, 1))  # in the bounding box, in no path
    crossed = Footprint.rectangle((4, 0, 2, 2))
    assert meetings([corner, inside, crossed]) == [(0, 2), (1, 2)]


def test_free_room_is_maximal():
    rng = np.random.default_rng(1)
    space, taken = Space.empty((12, 10)), np.zeros((10, 12), bool)
    for _ in range(8):
        x, y, w, h = int(rng.integers(0, 10)), int(rng.integers(0, 8)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        w, h = min(w, 12 - x), min(h, 10 - y)
        space = space.without((x, y, w, h))
        taken[y : y + h, x : x + w] = True
    assert {tuple(r) for r in space.free.tolist()} == maximal_rectangles(taken)
    assert len(space.free) == len({tuple(r) for r in space.free.tolist()})


def maximal_rectangles(taken) -> set[tuple[int, int, int, int]]:
    """By trying all of them."""
    height, width = taken.shape
    empty = [
        (x0, y0, x1, y1)
        for x0, y0 in product(range(width), range(height))
        for x1, y1 in product(range(x0 + 1, width + 1), range(y0 + 1, height + 1))
        if not taken[y0:y1, x0:x1].any()
    ]
    known = set(empty)
    grown = lambda r: [(r[0] - 1, *r[1:]), (r[0], r[1] - 1, *r[2:]), (*r[:2], r[2] + 1, r[3]), (*r[:3], r[3] + 1)]  # noqa: E731
    return {r for r in empty if not any(g in known for g in grown(r))}


@pytest.mark.parametrize(("mesh", "count"), [((750, 994), 44), ((64, 64), 44), ((48, 6), 12), ((300, 1), 2)])
def test_host_links(mesh, count):
    links = host_links(load_target("wse2"), mesh)
    assert len(links) == len(set(links)) == count
    for index, link in enumerate(links):
        assert (link.x, link.side) == ((0, Port.WEST), (mesh[0] - 1, Port.EAST))[index % 2]
        assert 0 <= link.y < mesh[1]
    rows = [link.y for link in links if link.side is Port.WEST]
    assert rows == sorted(rows) and len(set(rows)) == len(rows)
