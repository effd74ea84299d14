"""The attention kernel: each head is a block of g columns x R rows of workers; causal, with a resident KV cache.

Lane h*g + c carries the c-th part of head h's features (k, then v, then q) and reaches all workers of the head. Worker
w of N = g*R keeps positions w, w + N, w + 2N, ... A chunk's keys and values are appended before its queries are
answered; scores before a key's position are hidden. Workers form a chain that snakes through the block: it carries
the running maximum, which the last worker sends back to all, and the sums of weights and of weighted values, which the
last worker divides and sends. attention_worker.py says what a worker does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.attention_score import receive, score
from tulle_compiler.kernels.attention_weigh import last_tasks, weigh
from tulle_compiler.kernels.attention_worker import (
    BROADCAST,
    IN_FLIGHT,
    MAXIMA,
    SUMS,
    Link,
    Worker,
    keys_per_worker,
    worker_at,
)
from tulle_compiler.kernels.chains import at, runs
from tulle_compiler.kernels.slots import block, product_width, sum_width
from tulle_compiler.kernels.view import View
from tulle_compiler.options import Precision
from tulle_ir.code import VectorOp
from tulle_ir.plan import Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Grid, Leg, Port, ProgramClass
from tulle_ir.target import Target


@dataclass(frozen=True)
class Attention:
    """Causal attention ready to become a kernel. columns: g; rows: R; context: most positions of a sequence."""

    name: str
    origin: str
    heads: int
    head_dim: int
    scale: float
    columns: int
    rows: int
    context: int

    @property
    def workers(self) -> int:
        """Workers per head."""
        return self.columns * self.rows

    @property
    def keys(self) -> int:
        """Most positions a worker keeps."""
        return keys_per_worker(self.context, self.workers)


def plan_attention(op: Attention, precision: Precision, target: Target, chunk: int) -> Kernel:
    """The kernel of an attention operator."""
    g, rows = op.columns, op.rows
    entries = tuple(
        Entry(heading, at(0, 1), at(start), Leg(heading, at(end), ramp=True), _fan_out(g, rows, op.heads, arriving))
        for heading, arriving, start, end in (
            (Port.SOUTH, Port.NORTH, 0, rows - 1),
            (Port.NORTH, Port.SOUTH, rows - 1, 0),
        )
    )
    sink = Terminal("qkv", op.heads * g, False, entries=entries, colors=g)
    source = Terminal("y", op.heads, True, at(g - 1, g), at(rows - 1))
    internal = [InternalRoute(chain + p, _snake(g, rows, op.heads, p)) for chain in (MAXIMA, SUMS) for p in (0, 1)]
    if op.workers > 1:
        internal.append(InternalRoute(BROADCAST, _send_back(g, rows, op.heads)))
    return Kernel(
        name=op.name,
        kind="attention",
        origin=op.origin,
        width=op.heads * g,
        height=rows,
        terminals=(sink, source),
        internal=tuple(r for r in internal if r.bundles),
        cost=attention_cost(op, precision, target, chunk),
        params={
            "heads": op.heads,
            "head_dim": op.head_dim,
            "scale": float(op.scale),
            "columns": g,
            "rows": rows,
            "context": op.context,
        },
    )


def _fan_out(g: int, rows: int, heads: int, arriving: Port) -> tuple[tuple[int, Bundle], ...]:
    """From column c of each head, at every row, to the other columns of the head."""
    fans: list[tuple[int, Bundle]] = []
    for c in range(g):
        x, y = at(c, g), at(0, 0, 1)
        if c > 0:
            fans.append((c, Bundle(0, (heads, rows), x, y, arriving, (Leg(Port.WEST, at(0, g), ramp=True),))))
        if c < g - 1:
            fans.append((c, Bundle(0, (heads, rows), x, y, arriving, (Leg(Port.EAST, at(g - 1, g), ramp=True),))))
    return tuple(fans)


def _snake(g: int, rows: int, heads: int, parity: int) -> tuple[Bundle, ...]:
    """Worker w sends to worker w + 1, for w of one parity: along every column, and from its end to the next column."""
    hops: list[Bundle] = []
    for column in range(g):
        down = column % 2 == 0
        heading, top, turn = (Port.SOUTH, 0, 1) if down else (Port.NORTH, rows - 1, -1)
        first = (parity - column * rows) % 2  # place in the column of the first worker of this parity
        count = (rows - first) // 2  # senders that have a next worker in the column
        if count > 0:
            start = top + turn * first
            along = Leg(heading, at(start + turn, 0, 2 * turn))
            hops.append(
                Bundle(0, (heads, count), at(column, g), at(start, 0, 2 * turn), Port.RAMP, (along,), Port.RAMP)
            )
        if column < g - 1 and (column * rows + rows - 1) % 2 == parity:
            across = Leg(Port.EAST, at(column + 1, g))
            hops.append(
                Bundle(0, (heads, 1), at(column, g), at(top + turn * (rows - 1)), Port.RAMP, (across,), Port.RAMP)
            )
    return tuple(hops)


def _send_back(g: int, rows: int, heads: int) -> tuple[Bundle, ...]:
    """From the last worker (bottom of the last column for odd g) to all workers of its head."""
    x, y = at(g - 1, g), at(rows - 1)
    bundles = []
    if g > 1:
        bundles.append(Bundle(0, (heads, 1), x, y, Port.RAMP, (Leg(Port.WEST, at(0, g), ramp=True),)))
    if rows > 1:
        up = (Leg(Port.NORTH, at(0), ramp=True),)
        bundles.append(Bundle(0, (heads, 1), x, y, Port.RAMP, up))
        if g > 1:
            bundles.append(Bundle(0, (heads, g - 1), at(0, g, 1), y, Port.EAST, up))
    return tuple(bundles)


def attention_cost(op: Attention, precision: Precision, target: Target, chunk: int) -> KernelCost:
    """Half-way through the context; the last worker has the most to do."""
    args = (op, precision, target, chunk)
    keys = (op.context // 2 + chunk) / op.workers
    busiest, mean = attention_slots(*args, math.ceil(keys)), attention_slots(*args, keys, last=op.workers == 1)
    growth = (attention_slots(*args, keys + 1) - attention_slots(*args, keys)) / op.workers
    alone = busiest + attention_latency(op, target, chunk)
    return KernelCost(
        predicted=busiest,
        bound=busiest,
        ideal=mean,
        max_pe_bytes=attention_bytes(op, precision, chunk),
        pes=op.heads * op.workers,
        latency=alone,
        growth=growth,
    )


def attention_slots(
    op: Attention, precision: Precision, target: Target, chunk: int, keys: float, *, last: bool = True
) -> float:
    """Datapath slots per full chunk of a worker with `keys` keys, the last of its head or another."""
    stream, dim = precision.stream, op.head_dim
    wide, summing, move = product_width(target, stream), sum_width(target, stream), target.widths.f32_move
    multiply, other = target.widths.f32_multiply, target.widths.other
    receiving = (3 * dim + op.columns) * precision.stream.wavelets(chunk)
    products = 2 * keys * block(target, dim, chunk, wide, scalars=1)
    passes = sum(block(target, keys, chunk, width) for width in (move, multiply, other, move, summing))
    weights = block(target, keys, chunk, 1, target.cost_of(VectorOp.EXP))
    sums = (dim + 1) * chunk + 2 * chunk
    fixed = 3 * target.dispatch_cycles + target.divide_cycles + 4 * target.branch_cycles + 2 * target.load_cycles
    fixed += dim // 2 + 60
    if last:
        fixed += 2 * target.dispatch_cycles + chunk * target.cost_of(VectorOp.RECIP)
        fixed += block(target, dim, chunk, other) + dim * precision.stream.wavelets(chunk)
    return receiving + products + passes + weights + sums + fixed


def attention_latency(op: Attention, target: Target, chunk: int) -> float:
    """Cycles a chunk that is alone waits for the maximum to run down the chain and back, and for the sums."""
    hop = 2 * target.ramp_cycles + 2
    return 2 * op.workers * hop + op.rows + op.columns + (op.head_dim + 4) * chunk


def attention_bytes(op: Attention, precision: Precision, chunk: int) -> int:
    """SRAM of the last worker: cache, the chunk's k, v, q, scores, weights, sums, results."""
    size = precision.stream.size
    cache = 2 * op.keys * op.head_dim * size
    scores = chunk * op.keys * (4 * IN_FLIGHT + size)
    sums = 4 * chunk * (2 * (op.head_dim + 1) + IN_FLIGHT)
    return cache + 4 * op.head_dim * chunk * size + scores + sums


def emit_attention(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """One class for every regular run of workers in a column that sit alike in the chain: the same PEs of all heads."""
    g, rows, heads = (view.number(name) for name in ("columns", "rows", "heads"))
    classes: list[ProgramClass] = []
    for column in range(g):
        numbers = np.array([worker_at(column, row, rows) for row in range(rows)])
        links = [Link(number == 0, number == g * rows - 1, number % 2) for number in numbers.tolist()]
        for first, count, step in runs(links):
            grid = Grid(column, first, heads, count, g, step)
            classes.append(_emit(Worker(view, links[first], numbers[first + step * np.arange(count)], grid), tensors))
    return classes


def _emit(worker: Worker, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The tasks of some workers, most urgent first."""
    view, b = worker.view, worker.builder
    receiving, scoring, weighing = receive(worker), score(worker), weigh(worker)
    if worker.link.is_last and worker.count > 1:
        for name, code in last_tasks(worker).items():
            b.task(name, code)
    b.task("weigh", weighing)
    b.task("score", scoring)
    b.task("receive", receiving, on=worker.parts[0])
    return b.finish(view.kernel.name, view.frame, tensors)
