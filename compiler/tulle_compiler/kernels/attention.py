"""The attention kernel: each head is a block of R rows x C columns of tiles above a row of C finishers; causal, with a
resident KV cache.

Lane h*C + c carries the c-th slice of head h's features (k, then v, then q) down column c to all its tiles. Row r
keeps positions r, r + R, r + 2R, ..., each tile its slice of their keys and values. A chunk's keys and values are
appended before its queries are answered. Scores are summed along a row, the maximum of all rows comes back from the
last finisher, weights are shared along the row, and weighted values are summed down the columns into the finishers,
which divide them by the sums of the weights and send. attention_tile.py says what a tile does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.attention_cost import attention_cost
from tulle_compiler.kernels.attention_finish import emit_finisher
from tulle_compiler.kernels.attention_score import receive, score
from tulle_compiler.kernels.attention_tile import Block, Place, Tile
from tulle_compiler.kernels.attention_weigh import weigh
from tulle_compiler.kernels.chains import at, runs, south_chain
from tulle_compiler.kernels.view import View
from tulle_compiler.options import Precision
from tulle_ir.plan import Entry, InternalRoute, Kernel, Terminal
from tulle_ir.program import Bundle, Grid, Leg, Port, ProgramClass
from tulle_ir.target import Target


@dataclass(frozen=True)
class Attention:
    """Causal attention ready to become a kernel. context: most positions of a sequence."""

    name: str
    origin: str
    heads: int
    head_dim: int
    scale: float
    columns: int
    rows: int
    context: int

    @property
    def block(self) -> Block:
        """The PEs of a head."""
        return Block(self.head_dim, self.columns, self.rows, self.context)


def plan_attention(op: Attention, precision: Precision, target: Target, chunk: int) -> Kernel:
    """The kernel of an attention operator."""
    block, lanes = op.block, op.heads * op.columns
    entries = tuple(
        Entry(heading, at(0, 1), at(start), Leg(heading, at(end), ramp=True))
        for heading, start, end in ((Port.SOUTH, 0, op.rows - 1), (Port.NORTH, op.rows - 1, 0))
    )
    sink = Terminal("qkv", lanes, False, entries=entries)
    source = Terminal("y", lanes, True, at(0, 1), at(op.rows))
    internal = [InternalRoute(block.down + p, south_chain(op.rows + 1, lanes, p)) for p in (0, 1)]
    internal.append(InternalRoute(block.back, _send_back(block, op.heads)))
    internal += [InternalRoute(color, bundles) for color, bundles in _along_rows(block, op.heads)]
    return Kernel(
        name=op.name,
        kind="attention",
        origin=op.origin,
        width=lanes,
        height=op.rows + 1,
        terminals=(sink, source),
        internal=tuple(r for r in internal if r.bundles),
        cost=attention_cost(block, op.heads, precision, target, chunk),
        params={
            "heads": op.heads,
            "head_dim": op.head_dim,
            "scale": float(op.scale),
            "columns": op.columns,
            "rows": op.rows,
            "context": op.context,
        },
    )


def _send_back(block: Block, heads: int) -> tuple[Bundle, ...]:
    """From the last finisher of a head to all its tiles."""
    legs = (Leg(Port.WEST, at(0, block.columns, 1)), Leg(Port.NORTH, at(0), ramp=True))
    start = at(block.columns - 1, block.columns), at(block.rows)
    return (Bundle(0, (heads, block.columns), *start, Port.RAMP, legs),)


def _along_rows(block: Block, heads: int) -> list[tuple[int, tuple[Bundle, ...]]]:
    """By color: sums east and west to the next column, weights from each column to all others."""
    routes: dict[int, tuple[Bundle, ...]] = {}
    last = block.columns - 1

    def add(color: int, column: int, leg: Leg, end: Port | None) -> None:
        start = at(column, block.columns), at(0, 0, 1)
        bundle = Bundle(0, (heads, block.rows), *start, Port.RAMP, (leg,), end)
        routes[color] = (*routes.get(color, ()), bundle)

    for c in range(block.columns):
        if c < last:
            add(block.east(c), c, Leg(Port.EAST, at(c + 1, block.columns)), Port.RAMP)
            add(block.weights(c), c, Leg(Port.EAST, at(last, block.columns), ramp=True), None)
        if c > 0:
            add(block.west(c), c, Leg(Port.WEST, at(c - 1, block.columns)), Port.RAMP)
            add(block.weights(c), c, Leg(Port.WEST, at(0, block.columns), ramp=True), None)
    return sorted(routes.items())


def emit_attention(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """Per column one class for every regular run of rows that sit alike in its chain, and its finishers."""
    block, heads = Block.of(view), view.number("heads")
    classes: list[ProgramClass] = []
    for column in range(block.columns):
        places = [Place(column, row == 0, row == block.rows - 1, row % 2) for row in range(block.rows)]
        for first, count, step in runs(places):
            grid = Grid(column, first, heads, count, block.columns, step)
            classes.append(_emit(Tile(view, block, places[first], grid), tensors))
        classes.append(emit_finisher(view, block, column, tensors))
    return classes


def _emit(tile: Tile, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The tasks of some tiles, most urgent first."""
    b = tile.builder
    receiving, scoring, weighing = receive(tile), score(tile), weigh(tile)
    b.task("weigh", weighing)
    b.task("score", scoring)
    b.task("receive", receiving, on=tile.qkv)
    return b.finish(tile.view.kernel.name, tile.view.frame, tensors)
