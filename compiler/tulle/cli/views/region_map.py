"""A map of the mesh: one letter per kernel, scaled down to fit a terminal."""

from __future__ import annotations

import string

import numpy as np

from tulle.cli.table import Table
from tulle_ir.memory import grid_axes
from tulle_ir.program import Program, Symbol
from tulle_ir.replicas import written_out

GREEK = "αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
CYRILLIC = "бвгджзийлптфцчшщъыэюяБДЖИЙЛЦЧШЩЪЫЭЮЯ"
LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + GREEK + CYRILLIC
NAMELESS = "#"  # a PE with code outside every region
UNUSED = "."


def region_map(program: Program, columns: int = 78, rows: int = 40) -> str:
    """The map, at most `columns` x `rows` characters; a terminal's cell is about twice as high as wide. All copies of a
    kernel have its letter."""
    whole, (width, height) = written_out(program), program.mesh
    step = max(1, -(-width // columns), -(-height // (2 * rows)))
    step_y = step if step == 1 and height <= rows else 2 * step
    cells = np.full((-(-height // step_y), -(-width // step)), UNUSED)
    for of in whole.classes:
        xs, ys = grid_axes(of.grid)
        cells[np.ix_(np.unique(ys // step_y), np.unique(xs // step))] = NAMELESS
    letters = [letter for letter, _ in lettered(program)]
    copies = zip(letters * program.replicas.count, whole.symbols, strict=True)
    for letter, symbol in sorted(copies, key=lambda pair: -pair[1].region[2] * pair[1].region[3]):
        x, y, w, h = symbol.region
        cells[y // step_y : -(-(y + h) // step_y), x // step : -(-(x + w) // step)] = letter
    scale = f", one character per {step} x {step_y} PEs" if step_y > 1 else ""
    return "\n".join([f"mesh {width} x {height}{scale}", *("  " + "".join(row) for row in cells)])


def lettered(program: Program) -> list[tuple[str, Symbol]]:
    """Each symbol with its letter; letters start again when they run out."""
    return [(LETTERS[i % len(LETTERS)], symbol) for i, symbol in enumerate(program.symbols)]


def legend(program: Program) -> Table:
    """Which letter is which kernel."""
    rows = tuple(
        (letter, symbol.name, f"[{', '.join(map(str, symbol.region))}]", symbol.region[2] * symbol.region[3])
        for letter, symbol in lettered(program)
    )
    note = f"  {UNUSED} unused, {NAMELESS} code without a kernel's name"
    return Table("", ("", "kernel", "region", "PEs"), rows, note)
