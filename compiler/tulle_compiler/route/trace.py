"""Bundles expanded to routers: which router is entered through which port, lane by lane, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.route.shapes import DIRECTION
from tulle_ir.program import Affine, Bundle, Port

RAMP = 4
CODE = {**DIRECTION, Port.RAMP: RAMP}
STEP_X = (0, 1, 0, -1)
STEP_Y = (-1, 0, 1, 0)


@dataclass(frozen=True, slots=True)
class Trace:
    """Routers that a bundle visits, in flat arrays of equal length: x, y, the input port (0 to 3 the sides north, east,
    south, west, 4 the ramp), the flat lane i * J + j, and whether it is the path's start."""

    x: np.ndarray
    y: np.ndarray
    port: np.ndarray
    lane: np.ndarray
    start: np.ndarray


def lane_values(value: Affine, lanes: tuple[int, int]) -> np.ndarray:
    """[I * J] values of an affine coordinate."""
    i, j = np.arange(lanes[0], dtype=np.int32)[:, None], np.arange(lanes[1], dtype=np.int32)[None, :]
    return (value.constant + i * value.per_i + j * value.per_j).ravel()


def trace(bundle: Bundle) -> Trace:
    """All routers on the paths of a bundle."""
    lanes = bundle.lanes
    x, y = lane_values(bundle.x, lanes), lane_values(bundle.y, lanes)
    n = len(x)
    index = np.arange(n, dtype=np.int32)
    parts = [Trace(x, y, np.full(n, CODE[bundle.source], np.int8), index, np.ones(n, bool))]
    for leg in bundle.legs:
        d = DIRECTION[leg.direction]
        to = lane_values(leg.to, lanes)
        steps = (to - (x if STEP_X[d] else y)) * (STEP_X[d] + STEP_Y[d])
        if (steps < 0).any():
            raise ValueError(f"a leg {leg} runs backwards")
        total = int(steps.sum())
        lane = np.repeat(index, steps)
        within = np.arange(1, total + 1, dtype=np.int32) - np.repeat(np.cumsum(steps, dtype=np.int32) - steps, steps)
        parts.append(
            Trace(
                x[lane] + STEP_X[d] * within,
                y[lane] + STEP_Y[d] * within,
                np.full(total, (d + 2) % 4, np.int8),
                lane,
                np.zeros(total, bool),
            )
        )
        x, y = (to, y) if STEP_X[d] else (x, to)
    return concatenate(parts)


def concatenate(parts: list[Trace]) -> Trace:
    """Several traces as one."""
    return Trace(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("x", "y", "port", "lane", "start")))


def fault(bundles: tuple[Bundle, ...], mesh: tuple[int, int]) -> str:
    """Why the bundles of *one color* of one net do not go together, or an empty string.

    The first bundle is the path; the others join it. Each router has one input; lanes never meet; everything is on
    the mesh; branches start where the path passes, through the same port.
    """
    width, height = mesh
    try:
        traces = [trace(b) for b in bundles]
    except ValueError as error:
        return str(error)
    for t in traces:
        off = (t.x < 0) | (t.y < 0) | (t.x >= width) | (t.y >= height)
        if off.any():
            return f"leaves the mesh at ({t.x[off][0]}, {t.y[off][0]})"
    x0, y0 = min(int(t.x.min()) for t in traces), min(int(t.y.min()) for t in traces)
    w = max(int(t.x.max()) for t in traces) - x0 + 1
    h = max(int(t.y.max()) for t in traces) - y0 + 1
    cells = [(t.y - y0) * w + (t.x - x0) for t in traces]
    entered = np.full(w * h, -1, np.int8)  # the port of each router in the bounding box
    entered[cells[0]] = traces[0].port
    for t, cell in zip(traces[1:], cells[1:], strict=True):
        if (entered[cell[t.start]] != t.port[t.start]).any():
            return "a branch starts where its path does not pass"
    own = np.concatenate([cells[0], *(c[~t.start] for c, t in zip(cells[1:], traces[1:], strict=True))])
    entered[own] = 0
    if np.count_nonzero(entered == 0) == len(own):
        return ""
    own.sort()
    twice = int(own[1:][own[1:] == own[:-1]][0])
    return f"enters router ({twice % w + x0}, {twice // w + y0}) twice"
