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
    """Routers that a bundle visits, in flat arrays of equal length: x, y, the input port (a direction 0-3 stands for the
    side it comes *from*: 0 north .. 3 west; 4 the ramp), the flat lane i * J + j, and whether it is the path's start."""

    x: np.ndarray
    y: np.ndarray
    port: np.ndarray
    lane: np.ndarray
    start: np.ndarray


def lane_values(value: Affine, lanes: tuple[int, int]) -> np.ndarray:
    """[I * J] values of an affine coordinate."""
    i, j = np.arange(lanes[0])[:, None], np.arange(lanes[1])[None, :]
    return (value.constant + i * value.per_i + j * value.per_j).ravel()


def trace(bundle: Bundle) -> Trace:
    """All routers on the paths of a bundle."""
    lanes = bundle.lanes
    x, y = lane_values(bundle.x, lanes), lane_values(bundle.y, lanes)
    n = len(x)
    index = np.arange(n)
    parts = [Trace(x, y, np.full(n, CODE[bundle.source]), index, np.ones(n, bool))]
    for leg in bundle.legs:
        d = DIRECTION[leg.direction]
        to = lane_values(leg.to, lanes)
        steps = (to - (x if STEP_X[d] else y)) * (STEP_X[d] + STEP_Y[d])
        if (steps < 0).any():
            raise ValueError(f"a leg {leg} runs backwards")
        total = int(steps.sum())
        lane = np.repeat(index, steps)
        within = np.arange(total) - np.repeat(np.cumsum(steps) - steps, steps) + 1
        parts.append(
            Trace(
                x[lane] + STEP_X[d] * within,
                y[lane] + STEP_Y[d] * within,
                np.full(total, (d + 2) % 4),
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
    cell = [t.y * width + t.x for t in traces]
    own = np.sort(np.concatenate([cell[0], *(c[~t.start] for c, t in zip(cell[1:], traces[1:], strict=True))]))
    twice = own[1:][own[1:] == own[:-1]]
    if len(twice):
        return f"enters router ({twice[0] % width}, {twice[0] // width}) twice"
    if len(traces) > 1:
        joining = np.concatenate([(c * 5 + t.port)[t.start] for c, t in zip(cell[1:], traces[1:], strict=True)])
        arrived = np.sort(cell[0] * 5 + traces[0].port)
        if not (arrived[np.minimum(np.searchsorted(arrived, joining), len(arrived) - 1)] == joining).all():
            return "a branch starts where its path does not pass"
    return ""
