"""The mesh, and which class each PE belongs to."""

from __future__ import annotations

import numpy as np

from tulle_ir.program import Grid, Program, ProgramClass
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings, class_path

NOBODY = -1
MOST_PES = 2**24  # of a mesh of any size; beyond it arrays over the mesh do not fit a desk


def check_mesh(program: Program, target: Target, findings: Findings) -> bool:
    """The mesh fits the target; symbols lie on the mesh. Whether the mesh can be looked at further."""
    width, height = program.mesh
    if width < 1 or height < 1 or width * height > MOST_PES:
        findings.error(f"a mesh of {width}x{height} PEs: at least one, at most {MOST_PES}", program, "program")
        return False
    if not target.any_size and (width > target.width or height > target.height):
        limit = f"{target.name} has {target.width}x{target.height}"
        findings.error(f"a mesh of {width}x{height} is larger than the machine: {limit}", program, "program")
    for symbol in program.symbols:
        x, y, w, h = symbol.region
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
            what = f"the region {list(symbol.region)} does not lie on the mesh of {width}x{height}"
            findings.error(what, symbol, f"symbol '{symbol.name}'")
    return True


def owners(program: Program, findings: Findings) -> np.ndarray:
    """i32 [H, W]: the class index of each PE, NOBODY for none; classes off the mesh or overlapping are findings."""
    width, height = program.mesh
    owner = np.full((height, width), NOBODY, np.int32)
    for index, of in enumerate(program.classes):
        if not on_mesh(of.grid, program.mesh):
            grid = of.grid
            what = (
                f"{grid.width}x{grid.height} PEs from ({grid.x}, {grid.y}) in steps of ({grid.step_x}, {grid.step_y})"
            )
            findings.error(f"{what} do not lie on the mesh of {width}x{height}", of, class_path(program, of))
            continue
        place = pes_of(of.grid)
        taken = owner[place]
        if (taken != NOBODY).any():
            _overlap(program, of, taken, findings)
        owner[place] = index
    return owner


def on_mesh(grid: Grid, mesh: tuple[int, int]) -> bool:
    """Whether a grid has PEs, and all of them on the mesh."""
    if min(grid.width, grid.height, grid.step_x, grid.step_y) < 1 or min(grid.x, grid.y) < 0:
        return False
    last_x, last_y = grid.x + (grid.width - 1) * grid.step_x, grid.y + (grid.height - 1) * grid.step_y
    return last_x < mesh[0] and last_y < mesh[1]


def pes_of(grid: Grid) -> tuple[slice, slice]:
    """The rows and columns of a grid, for arrays [H, W]."""
    rows = slice(grid.y, grid.y + grid.height * grid.step_y, grid.step_y)
    return rows, slice(grid.x, grid.x + grid.width * grid.step_x, grid.step_x)


def pe_at(grid: Grid, where: np.ndarray) -> tuple[int, int]:
    """(x, y) of the first PE of a grid selected by the bool array [height, width]."""
    row, column = np.unravel_index(int(np.argmax(where)), where.shape)
    return grid.x + int(column) * grid.step_x, grid.y + int(row) * grid.step_y


def _overlap(program: Program, of: ProgramClass, taken: np.ndarray, findings: Findings) -> None:
    x, y = pe_at(of.grid, taken != NOBODY)
    other = program.classes[int(taken[taken != NOBODY][0])]
    what = f"PE ({x}, {y}) belongs to class '{other.name}' already"
    findings.error(what, of, class_path(program, of), findings.site(other, class_path(program, other)))
