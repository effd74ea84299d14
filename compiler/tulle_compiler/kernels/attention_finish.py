"""The finishers of the attention kernel (attention.py), one below each column.

They divide the weighted values by the sum of the weights and send the column's slice. The last one of a head first
sends the maximum of all scores back to its tiles.
"""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.attention_tile import Block, slice_of
from tulle_compiler.kernels.builder import ClassBuilder, launch, mem, send_header, take_header, vector, wait
from tulle_compiler.kernels.view import View
from tulle_ir.code import DType, Instruction
from tulle_ir.program import Grid, ProgramClass

BACK, RECEIVE, SEND = range(3)  # microthreads, most urgent first


def emit_finisher(view: View, block: Block, column: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The finishers of all heads below one column."""
    chunk, stream, dim = view.chunk, view.precision.stream, slice_of(view, block, column)
    b = ClassBuilder(f"finish{column}", Grid(column, block.rows, view.number("heads"), 1, block.columns), view.target)
    header, n = b.register("header"), b.register("n")
    above = b.input("above", view.colors[block.down + (block.rows - 1) % 2], DType.F32)
    out = b.output("y", view.ports["y"].colors[column], stream)
    b.buffer("S", DType.F32, (dim + 1) * chunk, side=0)  # weighted values, last row: sum of weights
    b.buffer("OUT", stream, dim * chunk, side=1)
    sums, total, results = mem("S", (chunk, 1)), mem("S", (0, 1), dim * chunk), mem("OUT", (chunk, 1))
    code: list[Instruction] = take_header(above, header, n)
    if column == block.columns - 1:
        back = b.output("back", view.colors[block.back], DType.F32)
        code += [launch(BACK, "mov", back, above, None, 1, n), wait(BACK)]
    code += [
        launch(RECEIVE, "mov", sums, above, None, dim + 1, n),
        wait(RECEIVE),
        vector("recip", total, total, None, 1, n),
        wait(SEND),
        vector("mul", results, sums, total, dim, n),
        send_header(out, header),
        launch(SEND, "mov", out, results, None, dim, n),
    ]
    b.task("chunk", code, on=above)
    return b.finish(view.kernel.name, view.frame, tensors)
