"""Copies of a program on its mesh: what is checked of the first one holds for all, if they do not meet.

Each copy keeps to a box, the smallest that holds the PEs and routers of the first one, moved. Boxes on the mesh that do
not overlap, and edges towards the host that stay edges, are all that the other copies add.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tulle_ir.program import Program, StreamFormat
from tulle_ir.routes import STEP_X, STEP_Y, RouteEntries
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.grids import on_mesh

PATH = "replicas"


def check_replicas(program: Program, entries: RouteEntries, findings: Findings) -> None:
    """The number and step of a program's copies; `entries` are those of the first one."""
    replicas = program.replicas
    if replicas.count < 1:
        findings.error(f"{replicas.count} replicas: there is at least one", replicas, PATH)
    if replicas.count <= 1:
        return
    for stream in program.streams:
        if stream.format is StreamFormat.RAW:
            what = f"stream '{stream.name}' is raw: it has no sequences that could be dealt to replicas"
            findings.error(what, replicas, PATH)
    for complaint in _complaints(program, entries):
        findings.error(complaint, replicas, PATH)


def _complaints(program: Program, entries: RouteEntries) -> Iterator[str]:
    replicas, (width, height) = program.replicas, program.mesh
    step = replicas.step_x, replicas.step_y
    x0, y0, x1, y1 = _box(program, entries)
    if abs(step[0]) < x1 - x0 and abs(step[1]) < y1 - y0:
        yield f"a step of {step} moves the box of {x1 - x0}x{y1 - y0} PEs that one takes onto itself"
    dx, dy = ((replicas.count - 1) * s for s in step)
    if min(x0 + dx, y0 + dy) < 0 or x1 + dx > width or y1 + dy > height:
        yield f"the last of {replicas.count} would take [{x0 + dx}, {y0 + dy}, {x1 - x0}, {y1 - y0}], beyond the mesh"
    for side, name in enumerate(("north", "east", "south", "west")):
        leaves = step[0] * STEP_X[side] or step[1] * STEP_Y[side]
        if leaves and _at_edge(entries, side):
            yield f"a step of {step} takes routes to the host away from the {name} edge"


def _box(program: Program, entries: RouteEntries) -> tuple[int, int, int, int]:
    """West, north, east and south bounds of all PEs with code and routers with routes, half-open."""
    grids = [of.grid for of in program.classes if on_mesh(of.grid, program.mesh)]
    ys, xs = np.divmod(entries.router, program.mesh[0])
    west, north = [grid.x for grid in grids], [grid.y for grid in grids]
    east = [grid.x + (grid.width - 1) * grid.step_x for grid in grids]
    south = [grid.y + (grid.height - 1) * grid.step_y for grid in grids]
    if len(xs):
        west, north = [*west, int(xs.min())], [*north, int(ys.min())]
        east, south = [*east, int(xs.max())], [*south, int(ys.max())]
    return min(west, default=0), min(north, default=0), 1 + max(east, default=-1), 1 + max(south, default=-1)


def _at_edge(entries: RouteEntries, side: int) -> bool:
    """Whether routes come in or go out over this edge of the mesh."""
    width, height = entries.mesh
    x, y = entries.router % width, entries.router // width
    edge = (y == 0, x == width - 1, y == height - 1, x == 0)[side]
    uses = (entries.port == side) | (entries.mask >> side & 1 != 0)
    return bool((edge & uses).any())
