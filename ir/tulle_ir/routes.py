"""All route entries of a program as flat arrays: the union of its bundles, with what is wrong about them.

Everything is vectorised over lanes and routers; the only Python loop is over bundles and their legs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tulle_ir.program import Affine, Bundle, Port, Program, Route

PORTS = (Port.NORTH, Port.EAST, Port.SOUTH, Port.WEST, Port.RAMP)
NORTH, EAST, SOUTH, WEST, RAMP = range(5)
INDEX = {port: index for index, port in enumerate(PORTS)}
STEP_X = (0, 1, 0, -1)
STEP_Y = (-1, 0, 1, 0)
EDGE, MISSING = -1, -2

_COLORS = 256  # keys are router * _COLORS + color


def opposite(side: int) -> int:
    """The side by which a wavelet enters that left its last router by `side`."""
    return (side + 2) % 4


class RouteProblem(StrEnum):
    """What can be wrong about routes."""

    OFF_MESH = "the path leaves the mesh"
    BACKWARD = "a leg ends behind its start"
    BAD_COLOR = "the color is out of range"
    NOT_EDGE = "the path ends towards a side that is not an edge of the mesh"
    INPUTS = "two inputs for one color at a router"
    LOOPS = "the input port is among the outputs"
    EMPTY = "the entry has no outputs"
    DANGLING = "an output leads to a router that does not take the color from there"
    UNFED = "the input side is a neighbour that does not send the color there"


@dataclass(frozen=True, slots=True)
class RouteFinding:
    """One problem at one router (x, y; of many the first), with the nets that have a part in it."""

    problem: RouteProblem
    x: int
    y: int
    color: int
    nets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteEntries:
    """Entries sorted by (router, color): `port` 0..4 is the input (N, E, S, W, RAMP), bit p of `mask` is output p."""

    router: np.ndarray  # i32[n], y * W + x
    color: np.ndarray  # u8[n]
    port: np.ndarray  # u8[n]
    mask: np.ndarray  # u8[n]
    mesh: tuple[int, int]
    key: np.ndarray  # i64[n], router * _COLORS + color

    def find(self, router: np.ndarray, color: np.ndarray) -> np.ndarray:
        """Index of the entry (router, color) for arrays of both, MISSING where there is none."""
        key = self.key
        wanted = router.astype(np.int64) * _COLORS + color
        if not len(key):
            return np.full(len(wanted), MISSING, np.int64)
        at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where(key[at] == wanted, at, MISSING)

    def target(self, side: int) -> np.ndarray:
        """i64[n]: the entry that output `side` leads to; EDGE over the edge, MISSING without taker or output."""
        width, height = self.mesh
        result = np.full(len(self.router), MISSING, np.int64)
        has = np.flatnonzero(self.mask >> side & 1)
        x, y = self.router[has] % width + STEP_X[side], self.router[has] // width + STEP_Y[side]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        found = self.find(np.where(inside, y * width + x, 0), self.color[has])
        takes = (found >= 0) & (self.port[np.maximum(found, 0)] == opposite(side))
        result[has] = np.where(inside, np.where(takes, found, MISSING), EDGE)
        return result


def expand_routes(program: Program) -> tuple[RouteEntries, list[RouteFinding]]:
    """The entries of all bundles, merged, and the findings about single paths and about inputs that disagree.

    Parts of a path outside the mesh are dropped; of inputs that disagree the lowest port stays.
    """
    findings: list[RouteFinding] = []
    parts: list[np.ndarray] = []
    for route in program.routes:
        for bundle in route.bundles:
            parts.extend(_Walk(program.mesh, route, bundle, findings).entries())
    packed = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    packed.sort()
    key = packed >> 16
    first = np.flatnonzero(np.diff(key, prepend=-1))
    port = ((packed >> 8) & 0xFF).astype(np.uint8)
    masks = (packed & 0xFF).astype(np.uint8)
    mask = np.bitwise_or.reduceat(masks, first) if len(first) else masks
    entries = RouteEntries(
        router=(key[first] // _COLORS).astype(np.int32),
        color=(key[first] % _COLORS).astype(np.uint8),
        port=port[first],
        mask=mask,
        mesh=program.mesh,
        key=key[first],
    )
    last = np.append(first[1:], len(key)) - 1
    findings += _at(program, entries, RouteProblem.INPUTS, port[last[: len(first)]] != port[first])
    findings += _at(program, entries, RouteProblem.LOOPS, entries.mask >> entries.port & 1 != 0)
    findings += _at(program, entries, RouteProblem.EMPTY, entries.mask == 0)
    return entries, findings


def check_links(program: Program, entries: RouteEntries) -> list[RouteFinding]:
    """Outputs that no entry takes, and inputs from a neighbour that does not send there."""
    dangling = np.zeros(len(entries.router), bool)
    fed = (entries.port == RAMP) | _on_edge(entries)
    for side in range(4):
        target = entries.target(side)
        dangling |= (target == MISSING) & (entries.mask >> side & 1 != 0)
        fed[target[target >= 0]] = True
    return _at(program, entries, RouteProblem.DANGLING, dangling) + _at(program, entries, RouteProblem.UNFED, ~fed)


def _on_edge(entries: RouteEntries) -> np.ndarray:
    """Whether the input side of each entry is the edge of the mesh."""
    width, height = entries.mesh
    x, y = entries.router % width, entries.router // width
    edges = (y == 0, x == width - 1, y == height - 1, x == 0)
    return np.logical_or.reduce([edge & (entries.port == side) for side, edge in enumerate(edges)])


_MOST = 20  # findings of one kind at routers


def _at(program: Program, entries: RouteEntries, problem: RouteProblem, where: np.ndarray) -> list[RouteFinding]:
    """Findings at the entries selected by `where` (at most _MOST), each with the nets that touch the entry."""
    found = np.flatnonzero(where)[:_MOST]
    keys = entries.router[found].astype(np.int64) * _COLORS + entries.color[found]
    nets: list[list[str]] = [[] for _ in found]
    if len(found):
        for route in program.routes:
            walks = (_Walk(program.mesh, route, bundle, []) for bundle in route.bundles)
            touched = np.unique(np.concatenate([part >> 16 for walk in walks for part in walk.entries()] or [keys[:0]]))
            for net, hit in zip(nets, np.isin(keys, touched), strict=True):
                if hit:
                    net.append(route.name)
    width = program.mesh[0]
    return [
        RouteFinding(problem, int(key // _COLORS % width), int(key // _COLORS // width), int(key % _COLORS), tuple(net))
        for key, net in zip(keys, nets, strict=True)
    ]


class _Walk:
    """Follows all lanes of one bundle at once."""

    def __init__(self, mesh: tuple[int, int], route: Route, bundle: Bundle, findings: list[RouteFinding]) -> None:
        self.mesh, self.route, self.bundle, self.findings = mesh, route, bundle, findings
        ni, nj = bundle.lanes
        self.i = np.tile(np.arange(ni, dtype=np.int64), nj)
        self.j = np.repeat(np.arange(nj, dtype=np.int64), ni)

    def entries(self) -> Iterator[np.ndarray]:
        """Packed entries: (router * _COLORS + color) << 16 | input port << 8 | output mask; duplicates possible."""
        bundle = self.bundle
        if not 0 <= bundle.color < _COLORS:
            self._find(RouteProblem.BAD_COLOR, np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1, bool))
            return
        x, y = self._lane(bundle.x), self._lane(bundle.y)
        port = np.full(len(x), INDEX[bundle.source], np.int64)
        yield self._pack(x, y, port, (1 << RAMP) if bundle.start_ramp else 0)
        for leg in bundle.legs:
            side = INDEX[leg.direction]
            at = x if STEP_X[side] else y
            length = (self._lane(leg.to) - at) * (STEP_X[side] + STEP_Y[side])
            self._find(RouteProblem.BACKWARD, x, y, length < 0)
            length = np.clip(length, 0, max(self.mesh) + 1)
            goes = length > 0
            yield self._pack(x[goes], y[goes], port[goes], 1 << side)
            lane = np.repeat(np.arange(len(x)), length)
            step = np.arange(len(lane)) - np.repeat(np.cumsum(length) - length, length) + 1
            on = np.where(step < length[lane], 1 << side, 0) | ((1 << RAMP) if leg.ramp else 0)
            arrived = np.full(len(lane), opposite(side), np.int64)
            yield self._pack(x[lane] + STEP_X[side] * step, y[lane] + STEP_Y[side] * step, arrived, on)
            x, y = x + STEP_X[side] * length, y + STEP_Y[side] * length
            port = np.where(goes, opposite(side), port)
        if bundle.end is not None:
            side = INDEX[bundle.end]
            if side != RAMP:
                width, height = self.mesh
                edge = (y == 0, x == width - 1, y == height - 1, x == 0)[side]
                self._find(RouteProblem.NOT_EDGE, x, y, ~edge)
            yield self._pack(x, y, port, 1 << side)

    def _lane(self, value: Affine) -> np.ndarray:
        return value.constant + self.i * value.per_i + self.j * value.per_j

    def _pack(self, x: np.ndarray, y: np.ndarray, port: np.ndarray, mask: np.ndarray | int) -> np.ndarray:
        width, height = self.mesh
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        packed = (((y * width + x) * _COLORS + self.bundle.color) << 16) | (port << 8) | mask
        if inside.all():
            return packed
        self._find(RouteProblem.OFF_MESH, x, y, ~inside)
        return packed[inside]

    def _find(self, problem: RouteProblem, x: np.ndarray, y: np.ndarray, where: np.ndarray) -> None:
        """Notes a problem once per bundle."""
        if not where.any():
            return
        lane = int(np.argmax(where))
        finding = RouteFinding(problem, int(x[lane]), int(y[lane]), self.bundle.color, (self.route.name,))
        same = [
            f for f in self.findings if f.problem == problem and f.color == finding.color and f.nets == finding.nets
        ]
        if not same:
            self.findings.append(finding)
