"""From bundles of affine paths to route entries, one router at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from tulle_ir.program import Affine, Bundle, Port, Program

STEP = {Port.NORTH: (0, -1), Port.EAST: (1, 0), Port.SOUTH: (0, 1), Port.WEST: (-1, 0)}
OPPOSITE = {Port.NORTH: Port.SOUTH, Port.EAST: Port.WEST, Port.SOUTH: Port.NORTH, Port.WEST: Port.EAST}

Key = tuple[int, int, int]  # x, y, color


@dataclass(slots=True)
class RouteEntry:
    """What a router does with one color: where it comes from and where it goes."""

    source: Port
    sinks: set[Port] = field(default_factory=set)


def expand(program: Program) -> dict[Key, RouteEntry]:
    """All route entries of a program by (x, y, color). ValueError if two bundles disagree."""
    entries: dict[Key, RouteEntry] = {}
    for route in program.routes:
        for bundle in route.bundles:
            columns, rows = bundle.lanes
            for j in range(rows):
                for i in range(columns):
                    _walk(entries, bundle, i, j)
    for key, entry in entries.items():
        if not entry.sinks or entry.source in entry.sinks:
            raise ValueError(f"route entry {key}: from {entry.source} to {sorted(entry.sinks)}")
    return entries


def _walk(entries: dict[Key, RouteEntry], bundle: Bundle, i: int, j: int) -> None:
    """Follow lane (i, j) of a bundle router by router."""
    x, y = _at(bundle.x, i, j), _at(bundle.y, i, j)
    here = _enter(entries, (x, y, bundle.color), bundle.source)
    if bundle.start_ramp:
        here.sinks.add(Port.RAMP)
    for leg in bundle.legs:
        dx, dy = STEP[leg.direction]
        distance = (_at(leg.to, i, j) - (x if dx else y)) * (dx + dy)
        if distance < 0:
            raise ValueError(f"lane ({i}, {j}) of color {bundle.color}: leg {leg.direction} goes backwards")
        for _ in range(distance):
            here.sinks.add(leg.direction)
            x, y = x + dx, y + dy
            here = _enter(entries, (x, y, bundle.color), OPPOSITE[leg.direction])
            if leg.ramp:
                here.sinks.add(Port.RAMP)
    if bundle.end is not None:
        here.sinks.add(bundle.end)


def _enter(entries: dict[Key, RouteEntry], key: Key, source: Port) -> RouteEntry:
    """The entry at `key`, which must have this input port."""
    entry = entries.setdefault(key, RouteEntry(source))
    if entry.source != source:
        raise ValueError(f"route entry {key} has two inputs: {entry.source} and {source}")
    return entry


def _at(position: Affine, i: int, j: int) -> int:
    return position.constant + i * position.per_i + j * position.per_j
