"""The PEs of a scatter: each sends a row into its lane, then passes on the rows of the lanes behind it."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.builder import mem, send_header, take_header, vector
from tulle_compiler.kernels.line import Line, Look
from tulle_ir.code import Instruction, Loop
from tulle_ir.program import Grid, ProgramClass


def emit_scatter(line: Line, look: Look, grid: Grid, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs of a scatter at these positions."""
    b, header, n = line.builder(grid)
    own = b.register("own", line.lane_sizes(grid))
    source = b.input("in", look.source, line.dtype)
    out = b.output("y", look.out, line.dtype)
    code: list[Instruction] = take_header(source, header, n)
    onward: list[Instruction] = []
    if not look.is_last:
        neighbour = b.output("onward", look.neighbour, line.dtype)
        code.append(send_header(neighbour, header))
        onward = [vector("mov", neighbour, source, None, b.register("later", line.later(grid)), n)]
    code += [send_header(out, header), Loop(b.register("k"), own, (vector("mov", out, source, None, 1, n), *onward))]
    padding = line.padding(grid)
    if padding.any():
        b.buffer("dropped", line.dtype, line.view.chunk)
        drop = vector("mov", mem("dropped"), source, None, 1, n)
        code.append(Loop(b.register("k"), b.register("padding", padding), (drop, *onward)))
    b.task("chunk", code, on=source)
    return b.finish(line.view.kernel.name, line.view.frame, tensors)
