"""A tile of the attention kernel: its buffers, its neighbours and its tasks, which attention_score and _weigh write.

receive: the chunk's k, v and q. score: append the row's positions; partial scores of all keys of the row go east and
west, so that each tile gets the sums of its share of the keys; their maximum goes along the row, then down the last
column. weigh: with the maximum of all rows, the weights of the own share, which the whole row needs; with those of all
of the row's keys the own slice of the values, added up down the column. While a tile waits for the maximum it receives
the next chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, compute, mem, send_header, wait
from tulle_compiler.kernels.view import View
from tulle_ir.code import DType, Fabric, Instruction, Mem, Reg
from tulle_ir.program import Category, Grid

MOST_COLUMNS = 4  # a tile listens to its lane, three chains, the maximum and every other column: 8 queues

DOWN, EAST, WEST, SEND, GATHER, RECEIVE = 0, 1, 2, 3, 4, 7  # microthreads, most urgent first; three gather
BACK = WEST  # which is idle while the maximum is on its way

ARRIVING, HEADER, N = Reg("arriving"), Reg("header"), Reg("n")  # header of the next chunk; header, tokens of this one
KEYS, SHARE = Reg("keys"), Reg("share")  # of the row; most keys that a tile of it makes weights for


def slice_bounds(head_dim: int, columns: int) -> np.ndarray:
    """Where the slices of a head's features begin and end: [C + 1]."""
    return np.arange(columns + 1) * head_dim // columns


@dataclass(frozen=True, slots=True)
class Block:
    """The PEs of a head: `rows` of `columns` tiles, for `context` positions; and the local colors of its routes."""

    head_dim: int
    columns: int
    rows: int
    context: int

    @classmethod
    def of(cls, view: View) -> Block:
        """The block of a kernel's heads."""
        return cls(*(view.number(name) for name in ("head_dim", "columns", "rows", "context")))

    @property
    def room(self) -> int:
        """Most keys of a row."""
        return -(-self.context // self.rows)

    @property
    def widest(self) -> int:
        """Features of the widest slice."""
        return -(-self.head_dim // self.columns)

    down = 0  # local color of even rows; odd ones have the next
    back = 2

    def east(self, column: int) -> int:
        """The local color on which a column sends east."""
        return 3 + column % 2

    def west(self, column: int) -> int:
        """The local color on which a column sends west."""
        return 3 + min(2, self.columns - 1) + (column - 1) % 2

    def weights(self, column: int) -> int:
        """The local color on which a column sends its weights."""
        return 3 + 2 * min(2, self.columns - 1) + column


@dataclass(frozen=True, slots=True)
class Place:
    """A tile's place in its head, as far as its code depends on it. parity: of the row."""

    column: int
    is_first: bool
    is_bottom: bool
    parity: int


class Tile:
    """Tiles of every head that sit alike in it. dim: features of their slice."""

    def __init__(self, view: View, block: Block, place: Place, grid: Grid) -> None:
        self.view, self.block, self.place = view, block, place
        self.chunk, self.stream = view.chunk, view.precision.stream
        self.dim = slice_of(view, block, place.column)
        b = self.builder = ClassBuilder(f"t{place.column}_{grid.y}", grid, view.target)
        row = np.broadcast_to((grid.y + grid.step_y * np.arange(grid.height))[:, None], (grid.height, grid.width))
        self.row, self.behind = b.register("row", row), b.register("behind", block.rows - 1 - row)
        for register in (ARRIVING, HEADER, N, KEYS, SHARE):
            b.register(register.name)
        self.qkv = b.input("qkv", view.ports["qkv"].colors[place.column], self.stream)
        self._buffers()

    def _buffers(self) -> None:
        """What one instruction reads together lies on different sides."""
        b, chunk, room, widest = self.builder, self.chunk, self.block.room, self.block.widest
        b.buffer("X", self.stream, 3 * widest * chunk, side=0)  # rows k, v, q
        b.buffer("M", DType.F32, chunk, side=0)  # the maximum of each token's scores
        b.buffer("O", DType.F32, (widest + 1) * chunk, side=0)  # weighted values, last row: sum of weights
        b.buffer("K", self.stream, widest * room, Category.CACHE, side=0)  # one row per feature
        b.buffer("P", DType.F32, room * chunk, side=1)  # scores, one row per key
        b.buffer("W", self.stream, room * chunk, side=1)  # weights, one row per key
        b.buffer("V", self.stream, room * widest, Category.CACHE, side=1)  # one row per key

    @property
    def is_last_column(self) -> bool:
        """Whether the row's maximum goes down from here."""
        return self.place.column == self.block.columns - 1

    def share_of(self, column: int, buffer: str) -> Mem:
        """The rows of P or W, on from the first key of a column's share."""
        return mem(buffer, (self.chunk, 1), 0, *([(SHARE, column * self.chunk)] if column else []))

    def before(self, column: int) -> tuple[list[Instruction], Reg]:
        """The number of keys before a column's share."""
        name = self.builder.register("keys_before")
        return [compute(name, SHARE, "*", column), compute(name, name, "min", KEYS)], name

    def on_from(self, column: int) -> tuple[list[Instruction], Reg]:
        """The number of keys on from a column's share; below zero for none."""
        name = self.builder.register("keys_from")
        return [compute(name, SHARE, "*", column), compute(name, KEYS, "-", name)], name

    def shared(self, column: int) -> tuple[list[Instruction], Reg]:
        """The number of keys of a column's share; below zero for none."""
        code, left = self.on_from(column)
        name = self.builder.register(f"share{column}")
        return [*code, compute(name, left, "min", SHARE)], name

    def arriving(self, name: str, color: int, dtype: DType = DType.F32) -> Fabric:
        """An input queue on a local color."""
        return self.builder.input(name, self.view.colors[color], dtype)

    def leaving(self, name: str, color: int, dtype: DType = DType.F32) -> Fabric:
        """An output queue on a local color."""
        return self.builder.output(name, self.view.colors[color], dtype)

    def neighbours(self) -> tuple[Fabric | None, Fabric | None, Fabric | None, Fabric | None]:
        """From the west, to the west, from the east, to the east; None where there is no further column."""
        c, block, is_first = self.place.column, self.block, self.place.column == 0
        return (
            None if is_first else self.arriving("from_west", block.east(c - 1)),
            None if is_first else self.leaving("to_west", block.west(c)),
            None if self.is_last_column else self.arriving("from_east", block.west(c + 1)),
            None if self.is_last_column else self.leaving("to_east", block.east(c)),
        )

    def above(self) -> Fabric | None:
        """The chain from the tile above, if there is one."""
        return None if self.place.is_first else self.arriving("above", self.block.down + 1 - self.place.parity)

    def below(self) -> Fabric:
        """The chain to the tile or the finisher below."""
        return self.leaving("below", self.block.down + self.place.parity)

    def announce(self) -> list[Instruction]:
        """The bottom row sends the finisher the chunk's header."""
        return [wait(DOWN), send_header(self.below(), HEADER)] if self.place.is_bottom else []


def slice_of(view: View, block: Block, column: int) -> int:
    """Features of the slice at a column: a reversed order of lanes has the slices the other way round."""
    sizes = np.diff(slice_bounds(block.head_dim, block.columns))
    return int(sizes[::-1][column] if view.ports["qkv"].reversed else sizes[column])
