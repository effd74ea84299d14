"""One net: its bundles as text, and a map of the routers it passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from tulle_ir.diagnostics import UsageError
from tulle_ir.program import Affine, Bundle, Port, Program, Route
from tulle_ir.text.program_printer import print_program

STEPS = {Port.NORTH: (0, -1), Port.EAST: (1, 0), Port.SOUTH: (0, 1), Port.WEST: (-1, 0)}
PASSES, DELIVERS, SENDS, HOST = range(1, 5)
MARKS = np.array([".", "+", "o", "s", "h"])
LEGEND = "  s sends, o delivers to the PE, + passes on, h enters from or leaves to the host"


def find_net(program: Program, name: str) -> Route:
    """The route called `name`. Raises UsageError with the names that there are."""
    for route in program.routes:
        if route.name == name:
            return route
    names = sorted(route.name for route in program.routes)
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise UsageError(f"there is no net '{name}'", remedy=f"the nets are {shown or '(none)'}")


def net_parts(route: Route, program: Program) -> list[str]:
    """The net's text and its map, for the terminal."""
    width, height = program.mesh
    marks = _marks(route, width, height)
    colors = sorted({bundle.color for bundle in route.bundles})
    lanes = sum(bundle.lanes[0] * bundle.lanes[1] for bundle in route.bundles)
    head = f"net {route.name}: {lanes} path{'s' * (lanes != 1)} on color {', '.join(map(str, colors))}"
    return [f"{head} through {np.count_nonzero(marks)} routers", net_text(route, program), "\n".join(_map_lines(marks))]


def net_json(route: Route, program: Program) -> dict[str, Any]:
    """The same as JSON: the text, and [x, y, mark] of every router the net passes."""
    width, height = program.mesh
    marks = _marks(route, width, height)
    names = ("", "passes", "delivers", "sends", "host")
    routers = [[int(x), int(y), names[marks[y, x]]] for y, x in np.argwhere(marks)]
    colors = sorted({bundle.color for bundle in route.bundles})
    return {"net": route.name, "colors": colors, "text": net_text(route, program), "routers": routers}


def net_text(route: Route, program: Program) -> str:
    """The route as it stands in the program's text."""
    alone = replace(program, symbols=(), routes=(route,), classes=(), streams=(), protocol=None, tensors={})
    lines = print_program(alone).splitlines()[1:-1]
    return "\n".join(line.removeprefix("  ") for line in lines)


def _marks(route: Route, width: int, height: int) -> np.ndarray:
    """u8 [H, W]: what the net does at each router; the highest of several marks stands."""
    marks = np.zeros((height, width), np.uint8)
    for bundle in route.bundles:
        for i, j in product(range(bundle.lanes[0]), range(bundle.lanes[1])):
            for xs, ys, mark in _strokes(bundle, i, j):
                here = marks[ys, xs]
                marks[ys, xs] = np.maximum(here, mark)
    return marks


def _strokes(bundle: Bundle, i: int, j: int) -> Iterator[tuple[slice | int, slice | int, int]]:
    """The straight strokes of one lane's path: columns, rows, mark."""
    x, y = _at(bundle.x, i, j), _at(bundle.y, i, j)
    start = SENDS if bundle.source == Port.RAMP else DELIVERS if bundle.start_ramp else PASSES
    yield x, y, start
    for leg in bundle.legs:
        dx, dy = STEPS[leg.direction]
        to, mark = _at(leg.to, i, j), DELIVERS if leg.ramp else PASSES
        if dx:
            yield _after(x, to, dx), y, mark
            x = to
        else:
            yield x, _after(y, to, dy), mark
            y = to
    if bundle.end is not None:
        yield x, y, DELIVERS if bundle.end == Port.RAMP else HOST


def _at(affine: Affine, i: int, j: int) -> int:
    return affine.constant + i * affine.per_i + j * affine.per_j


def _after(start: int, to: int, step: int) -> slice:
    """The coordinates that a straight run from `start` to `to` arrives at."""
    return slice(start + 1, to + 1) if step > 0 else slice(to, start)


def _map_lines(marks: np.ndarray, columns: int = 78, rows: int = 40) -> Iterator[str]:
    """The map cut to the rectangle the net passes, scaled down to fit; each character is its highest mark."""
    ys, xs = np.nonzero(marks)
    if not len(ys):
        return
    y0, x0 = int(ys.min()), int(xs.min())
    cut = marks[y0 : ys.max() + 1, x0 : xs.max() + 1]
    step = max(1, -(-cut.shape[1] // columns), -(-cut.shape[0] // rows))
    scale = f", one character per {step} x {step} routers" if step > 1 else ""
    yield f"from router ({x0}, {y0}){scale}"
    padded = np.pad(cut, [(0, -cut.shape[0] % step), (0, -cut.shape[1] % step)])
    tiles = padded.reshape(padded.shape[0] // step, step, -1, step).max(axis=(1, 3))
    yield from ("  " + "".join(row) for row in MARKS[tiles])
    yield LEGEND
