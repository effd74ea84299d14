"""A worker of the attention kernel: its buffers, its neighbours, its tasks, which attention_score and _weigh write.

receive: the chunk's k, v and q. score: append the own positions, score all own keys, send the maximum on its way.
weigh: with the maximum of all workers, the weights and the weighted values, sent down the chain. finish, on the last
worker of a head: divide and send. Two chunks may be between score and weigh, so that a worker scores one while the
maximum of the other travels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, compute, mem
from tulle_compiler.kernels.view import View
from tulle_ir.code import DType, Fabric, Instruction, Mem, Reg
from tulle_ir.program import Category, Grid

MAXIMUM, BACK, SUM, SEND, RECEIVE = range(5)  # microthreads, most urgent first; part c is received by RECEIVE + c
MAXIMA, SUMS, BROADCAST = 0, 2, 4  # local colors; MAXIMA and SUMS are pairs that alternate along the chain
IN_FLIGHT = 2  # chunks between score and weigh


def keys_per_worker(context: int, workers: int) -> int:
    """Most positions a worker keeps."""
    return -(-context // workers)


def part_bounds(head_dim: int, columns: int) -> np.ndarray:
    """Where the parts of a head's 3 * head_dim features (k, v, q) begin and end: [g + 1]."""
    return np.arange(columns + 1) * (3 * head_dim) // columns


def worker_at(column: int, row: int, rows: int) -> int:
    """The worker at a place of its head's block: they go down the first column, up the next, ..."""
    return column * rows + (row if column % 2 == 0 else rows - 1 - row)


@dataclass(frozen=True, slots=True)
class Link:
    """A worker's place in the chain, as far as its code depends on it."""

    is_first: bool
    is_last: bool
    parity: int  # of the worker's number


class Worker:
    """Workers of every head that sit alike in the chain, `numbers` by row of the grid. `count`: workers of a head;
    `room`: most keys that one keeps."""

    def __init__(self, view: View, link: Link, numbers: np.ndarray, grid: Grid) -> None:
        self.view, self.link, self.chunk, self.stream = view, link, view.chunk, view.precision.stream
        columns, rows, self.dim = (view.number(name) for name in ("columns", "rows", "head_dim"))
        self.count = columns * rows
        self.room = keys_per_worker(view.number("context"), self.count)
        b = self.builder = ClassBuilder(f"w{numbers[0]}", grid, view.target)
        shape = (grid.height, grid.width)
        self.number = b.register("worker", np.broadcast_to(numbers[:, None], shape))
        self.behind = b.register("behind", np.broadcast_to(self.count - 1 - numbers[:, None], shape))
        self.parts = [b.input(f"part{c}", view.ports["qkv"].colors[c], self.stream) for c in range(columns)]
        if not link.is_first:
            self.above(SUMS)  # the busiest chain takes the deepest queue left
        self.key, self.waiting = b.register("key"), b.register("waiting")
        self._buffers()

    def _buffers(self) -> None:
        b, dim, chunk = self.builder, self.dim, self.chunk
        b.buffer("X", self.stream, 3 * dim * chunk, side=0)  # rows k, v, q
        b.buffer("K", self.stream, self.room * dim, Category.CACHE)
        b.buffer("V", self.stream, self.room * dim, Category.CACHE)
        b.buffer("P", DType.F32, IN_FLIGHT * self.room * chunk, side=1)  # scores, one row per key
        b.buffer("W", self.stream, self.room * chunk, side=1)  # weights, one row per key
        b.buffer("M", DType.F32, IN_FLIGHT * chunk, side=0)  # the maximum of each token's scores
        b.buffer("O", DType.F32, (dim + 1) * chunk, side=2)  # weighted values, last row: sum of weights
        b.buffer("PENDING", DType.I32, 2 * IN_FLIGHT)  # header and keys of the chunks between score and weigh

    def scores(self, slot: Reg, *row: tuple[Reg, int]) -> Mem:
        """The scores of the chunk in `slot`, from a row on."""
        return mem("P", (self.chunk, 1), 0, (slot, self.room * self.chunk), *row)

    def maxima(self, slot: Reg) -> Mem:
        """The maxima of the chunk in `slot`, the same for all rows."""
        return mem("M", (0, 1), 0, (slot, self.chunk))

    def above(self, chain: int) -> Fabric:
        """The end of a chain (MAXIMA or SUMS) where the worker before sends."""
        return self.builder.input(f"in{chain}", self.view.colors[chain + 1 - self.link.parity], DType.F32)

    def below(self, chain: int) -> Fabric:
        """The end of a chain (MAXIMA or SUMS) where the next worker listens."""
        return self.builder.output(f"out{chain}", self.view.colors[chain + self.link.parity], DType.F32)


def room_taken(header: Reg, taken: Reg) -> list[Instruction]:
    """1 for a chunk in flight, IN_FLIGHT for the last of its sequence."""
    return [
        compute(taken, header, ">>", 8),
        compute(taken, taken, "&", 1),
        compute(taken, taken, "*", IN_FLIGHT - 1),
        compute(taken, taken, "+", 1),
    ]
