"""The PEs of a gather: each takes its lane, sends a group of its rows when they are here, then passes on what comes
from the west of that group.

A PE stores its lane, so the tiles that fill it need not wait until the link has taken what is before. The last PE of
a segment, which has most to pass on, does not: the wavelets of its lane go straight through, unless they are partial
sums, which are rounded to elements of the stream where they are stored.
"""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.builder import compute, launch, mem, send_header, take_header, vector, wait
from tulle_compiler.kernels.line import Line, Look
from tulle_ir.code import Await, Fabric, Instruction, Loop, Mem, Reg
from tulle_ir.program import Grid, ProgramClass

PASS_ON, RECEIVE, SEND = 0, 1, 2  # microthreads, most urgent first


def emit_gather(line: Line, look: Look, grid: Grid, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs of a gather at these positions."""
    return _Gather(line, look, grid).emit(tensors)


class _Gather:
    """One class of a gather."""

    def __init__(self, line: Line, look: Look, grid: Grid) -> None:
        self.line, self.look, self.grid = line, look, grid
        self.arriving, self.chunk = line.view.ports["x"].dtype, line.view.chunk
        self.b, self.header, self.n = line.builder(grid)
        self.source = self.b.input("x", look.source, self.arriving)
        self.out = self.b.output("out", look.out, line.dtype)

    def emit(self, tensors: dict[str, np.ndarray]) -> ProgramClass:
        """A chunk, group by group."""
        line, goes_through = self.line, self.look.is_last and self.arriving is self.line.dtype
        code = take_header(self.source, self.header, self.n)
        code += [] if goes_through else self._receive()
        for group in range(len(line.groups)):
            rows = self._register("rows", group, line.own(self.grid, group))
            if goes_through:
                own: Fabric | Mem = self.source
                code.append(wait(SEND))
            else:
                own = self._block(group)
                code += self._here(rows, group)
            begins = self.look.is_last and group == 0
            code += [wait(PASS_ON), *([send_header(self.out, self.header)] if begins else [])]
            code += [launch(SEND, "mov", self.out, own, None, rows, self.n), *self._pass_on(group)]
        self.b.task("chunk", code, on=self.source)
        return self.b.finish(line.view.kernel.name, line.view.frame, tensors)

    def _receive(self) -> list[Instruction]:
        """Receive the lane when what was sent of the chunk before has gone."""
        size, own = self.line.partition.largest * self.chunk, self.line.lane_sizes(self.grid)
        self.b.buffer("X", self.line.dtype, size)
        received = "X" if self.arriving is self.line.dtype else self.b.buffer("Z", self.arriving, size)
        block = mem(received, (self.chunk, 1))
        return [
            wait(SEND),
            launch(RECEIVE, "mov", block, self.source, None, self.b.register("own", own), self.n),
        ]

    def _here(self, rows: Reg, group: int) -> list[Instruction]:
        """Until a group is here; partial sums are rounded, each row when it has come."""
        if self.arriving is self.line.dtype:
            last = self.line.until(self.grid, group) - 1
            return [Await(RECEIVE, self._register("last", group, last))]
        row = self.b.register("row")
        element, unrounded = (mem(buffer, (0, 1), 0, (row, self.chunk)) for buffer in ("X", "Z"))
        step = (Await(RECEIVE, row), vector("mov", element, unrounded, None, 1, self.n), compute(row, row, "+", 1))
        return [*([compute(row, 0)] if group == 0 else []), Loop(self.b.register("turn"), rows, step)]

    def _block(self, group: int) -> Mem:
        """The rows of a group."""
        if group == 0:
            return mem("X", (self.chunk, 1))
        first = self._register("first", group, self.line.until(self.grid, group - 1))
        return mem("X", (self.chunk, 1), 0, (first, self.chunk))

    def _pass_on(self, group: int) -> list[Instruction]:
        """Pass on a group of the lanes before, if there are any."""
        if self.look.neighbour < 0:
            return []
        west = self.b.input("west", self.look.neighbour, self.line.dtype)
        before = self._register("before", group, self.line.earlier(self.grid, group))
        return [wait(SEND), launch(PASS_ON, "mov", self.out, west, None, before, self.n)]

    def _register(self, name: str, group: int, values: np.ndarray) -> Reg:
        return self.b.register(f"{name}{group or ''}", values)
