"""An independent reading of Routed: every route as entries of routers, and what a wavelet from one PE reaches."""

from __future__ import annotations

from itertools import product

import numpy as np

from tulle_ir.plan import Entry, Net, Terminal
from tulle_ir.program import Affine, Bundle, Port, Program, Route
from tulle_ir.routed import Routed
from tulle_ir.routes import PORTS, RAMP, STEP_X, STEP_Y, RouteEntries, check_links, expand_routes, opposite

Cell = tuple[int, int]
Wire = tuple[int, int, Port]  # a link: the router it leaves, and the side


def program_of(routed: Routed) -> Program:
    """A program that has only the routes: the nets' and the kernels' internal ones."""
    placed = routed.placed
    routes = [Route(net.name, route.bundles) for net, route in zip(placed.plan.nets, routed.nets, strict=True)]
    for kernel, frame, colors in zip(placed.plan.kernels, placed.frames, routed.internal, strict=True):
        bundles = tuple(frame.bundle(b, colors[r.local_color]) for r in kernel.internal for b in r.bundles)
        routes.append(Route(kernel.name, bundles))
    return Program(placed.plan.target, placed.plan.mesh, routes=tuple(routes))


def walked(routed: Routed) -> RouteEntries:
    """All route entries; fails if any of them disagree or lead nowhere."""
    program = program_of(routed)
    entries, findings = expand_routes(program)
    assert findings + check_links(program, entries) == []
    return entries


class Walker:
    """Follows wavelets through route entries."""

    def __init__(self, entries: RouteEntries) -> None:
        self.width = entries.mesh[0]
        self.height = entries.mesh[1]
        keys = zip(entries.router.tolist(), entries.color.tolist(), strict=True)
        self.table = dict(zip(keys, zip(entries.port.tolist(), entries.mask.tolist(), strict=True), strict=True))

    def reached(self, cell: Cell, color: int, port: int) -> tuple[set[Cell], set[Wire]]:
        """The PEs that hear a wavelet that enters `cell` by `port`, and the edge links it leaves by."""
        heard, crossed = self.walk(cell, color, port)
        return heard, {wire for wire in crossed if self._beyond(wire) is None}

    def walk(self, cell: Cell, color: int, port: int) -> tuple[set[Cell], set[Wire]]:
        """The PEs that hear a wavelet that enters `cell` by `port`, and the links it crosses."""
        heard: set[Cell] = set()
        crossed: set[Wire] = set()
        todo = [(cell, port)]
        while todo:
            (x, y), entered = todo.pop()
            expected, mask = self.table[y * self.width + x, color]
            assert expected == entered
            if mask >> RAMP & 1:
                heard.add((x, y))
            for side in range(4):
                if mask >> side & 1:
                    wire = x, y, PORTS[side]
                    crossed.add(wire)
                    if (beyond := self._beyond(wire)) is not None:
                        todo.append((beyond, opposite(side)))
        return heard, crossed

    def _beyond(self, wire: Wire) -> Cell | None:
        """The cell that a link leads to, if it is on the mesh."""
        x, y, side = wire
        u, v = x + STEP_X[PORTS.index(side)], y + STEP_Y[PORTS.index(side)]
        return (u, v) if 0 <= u < self.width and 0 <= v < self.height else None


def wires(routed: Routed, walker: Walker, index: int) -> set[Wire]:
    """The links that a net crosses."""
    net = routed.placed.plan.nets[index]
    crossed: set[Wire] = set()
    for position in range(net.lanes):
        crossed |= walker.walk(*start_of(routed, index, position))[1]
    return crossed


def start_of(routed: Routed, index: int, position: int) -> tuple[Cell, int, int]:
    """Where a source position of a net begins: cell, color and port."""
    placed, route = routed.placed, routed.nets[index]
    net, link = placed.plan.nets[index], placed.links[index]
    color = route.colors[position % len(route.colors)]
    if net.source.kernel < 0:
        assert link is not None
        return (link.x, link.y), color, PORTS.index(link.side)
    origin = net.lanes - 1 - position if route.flipped else position
    terminal = placed.plan.kernels[net.source.kernel].terminals[net.source.terminal]
    return point(placed.frames[net.source.kernel], terminal.x, terminal.y, origin), color, RAMP


def check_net(routed: Routed, walker: Walker, index: int) -> None:
    """Every source position reaches exactly the PEs of its sink position."""
    net, link = routed.placed.plan.nets[index], routed.placed.links[index]
    for position in range(net.lanes):
        heard, left = walker.reached(*start_of(routed, index, position))
        if net.sink.kernel < 0:
            assert link is not None
            assert (heard, left) == (set(), {(link.x, link.y, link.side)})
        else:
            assert left == set()
            assert heard in wanted(routed, net, position), net.name


def wanted(routed: Routed, net: Net, position: int) -> list[set[Cell]]:
    """By entry, the PEs that a sink position delivers to."""
    plan = routed.placed.plan
    terminal = plan.kernels[net.sink.kernel].terminals[net.sink.terminal]
    frame = routed.placed.frames[net.sink.kernel]

    def on_mesh(cells: set[Cell]) -> set[Cell]:
        return {point(frame, Affine(x), Affine(y), 0) for x, y in cells}

    return [on_mesh(canonical(e, position, terminal)) for e in terminal.entries]


def canonical(entry: Entry, i: int, terminal: Terminal) -> set[Cell]:
    """The PEs, in canonical coordinates, that hear lane i. A terminal of one lane may fan out by any number."""
    x, y = value(entry.x, i, 0), value(entry.y, i, 0)
    cells = along(x, y, entry.leg.direction, value(entry.leg.to, i, 0))
    for group, bundle in entry.branches:
        if group == i % terminal.colors:
            lanes = range(bundle.lanes[0]) if terminal.lanes == 1 else [i // terminal.colors]
            for n, j in product(lanes, range(bundle.lanes[1])):
                cells |= branch(bundle, n, j)
    return cells


def branch(bundle: Bundle, i: int, j: int) -> set[Cell]:
    """The PEs beyond its start that a branch reaches."""
    x, y = value(bundle.x, i, j), value(bundle.y, i, j)
    cells: set[Cell] = set()
    for leg in bundle.legs:
        assert leg.ramp
        cells |= along(x, y, leg.direction, value(leg.to, i, j)) - {(x, y)}
    return cells


def along(x: int, y: int, direction: Port, to: int) -> set[Cell]:
    """The cells of a straight leg, both ends included."""
    if direction in (Port.EAST, Port.WEST):
        return {(u, y) for u in range(min(x, to), max(x, to) + 1)}
    return {(x, v) for v in range(min(y, to), max(y, to) + 1)}


def value(a: Affine, i: int, j: int) -> int:
    """An affine coordinate of a lane."""
    return a.constant + i * a.per_i + j * a.per_j


def point(frame, x: Affine, y: Affine, i: int) -> Cell:
    """The mesh cell of a canonical affine point."""
    u, v = frame.point(x, y)
    return value(u, i, 0), value(v, i, 0)


def check_routed(routed: Routed) -> None:
    """Everything a Routed promises about paths, orders and colors."""
    walker = Walker(walked(routed))
    plan = routed.placed.plan
    for index, net in enumerate(plan.nets):
        check_net(routed, walker, index)
        if net.source.kernel >= 0 and net.sink.kernel >= 0 and net.lanes > 1:
            source = plan.kernels[net.source.kernel].terminals[net.source.terminal].order_group
            sink = plan.kernels[net.sink.kernel].terminals[net.sink.terminal].order_group
            ends = (
                source in routed.reversed_groups[net.source.kernel],
                sink in routed.reversed_groups[net.sink.kernel],
            )
            assert (ends[0] != ends[1]) == routed.nets[index].flipped, net.name
    for kernel, frame, colors in zip(plan.kernels, routed.placed.frames, routed.internal, strict=True):
        assert len(set(colors)) == len(colors) == kernel.internal_colors
        x, y, w, h = frame.region
        assert x >= 0 and y >= 0 and x + w <= plan.mesh[0] and y + h <= plan.mesh[1]


def no_overlap(frames, mesh: tuple[int, int]) -> bool:
    """Whether regions are on the mesh and apart."""
    taken = np.zeros((mesh[1], mesh[0]), int)
    for frame in frames:
        x, y, w, h = frame.region
        assert taken[y : y + h, x : x + w].shape == (h, w)
        taken[y : y + h, x : x + w] += 1
    return taken.max() == 1
