"""The attention kernel: each head is a block of g columns x R rows of workers; causal, with a resident KV cache.

Lane h*g + c carries the c-th part of head h's features (k, then v, then q) and reaches all workers of the head. Worker
w of N = g*R keeps positions w, w + N, w + 2N, ... A chunk's keys and values are appended before its queries are
answered; the causal mask is the start offset of each key's AXPYs. Workers form a chain that snakes through the block:
it carries first the running maximum (the last worker sends the result back to all), then the sums of weights and of
weighted values; the last worker divides and sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, compute, launch, mem, send_header, take_header, vector, wait
from tulle_compiler.kernels.chains import at, runs
from tulle_compiler.kernels.view import View
from tulle_compiler.options import Precision
from tulle_ir.code import Cmp, DType, Instruction, Reg, While
from tulle_ir.plan import Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Category, Grid, Leg, Port, ProgramClass
from tulle_ir.target import Target

CHAIN, SEND, RECEIVE = 0, 1, 2  # microthreads; part c is received by RECEIVE + c
BROADCAST = 2  # local color
LOWEST = -1e30  # below every score; exp of it is 0


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
        return -(-self.context // self.workers)


def part_bounds(head_dim: int, columns: int) -> np.ndarray:
    """Where the parts of a head's 3 * head_dim features (k, v, q) begin and end: [g + 1]."""
    return np.arange(columns + 1) * (3 * head_dim) // columns


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
    internal = [InternalRoute(p, _snake(g, rows, op.heads, p)) for p in (0, 1)]
    if op.workers > 1:
        internal.append(InternalRoute(BROADCAST, _send_back(g, rows, op.heads)))
    slots = attention_slots(op, precision, target, chunk, op.context // 2)
    latency = attention_wait(op, target, chunk)
    return Kernel(
        name=op.name,
        kind="attention",
        origin=op.origin,
        width=op.heads * g,
        height=rows,
        terminals=(sink, source),
        internal=tuple(r for r in internal if r.bundles),
        cost=KernelCost(slots + latency, slots, slots, attention_bytes(op, precision, chunk), 0, op.heads * op.workers),
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


def worker_at(column: int, row: int, rows: int) -> int:
    """The worker at a place of its head's block: they go down the first column, up the next, ..."""
    return column * rows + (row if column % 2 == 0 else rows - 1 - row)


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


def attention_slots(op: Attention, precision: Precision, target: Target, chunk: int, past: int) -> float:
    """Datapath slots of a worker per full chunk with `past` positions in the cache."""
    keys = (past + chunk) / op.workers
    width = target.widths.f16_to_f32 if precision.stream is DType.F16 else target.widths.f32_multiply
    receive = 3 * op.head_dim * -(-chunk // precision.per_wavelet)
    turn = target.branch_cycles + target.load_cycles + 11
    score = op.head_dim * (1 + -(-chunk // width)) + chunk + turn + 4
    weigh = op.head_dim * (1 + chunk) + turn
    softmax = chunk * (4 + 14)
    return receive + keys * (score + weigh + softmax) + (op.head_dim + 2) * chunk * 2 + 60


def attention_wait(op: Attention, target: Target, chunk: int) -> float:
    """Cycles a worker waits per chunk for the maximum to run down the chain and back."""
    return op.workers * (2 * target.ramp_cycles + 2) + op.rows + op.columns + 2 * chunk


def attention_bytes(op: Attention, precision: Precision, chunk: int) -> int:
    """SRAM of a worker: cache, the chunk's k, v, q, scores, sums."""
    size = precision.stream.size
    return 2 * op.keys * op.head_dim * size + 3 * op.head_dim * chunk * size + 4 * chunk * (op.keys + op.head_dim + 3)


def emit_attention(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """One class for every regular run of workers in a column that sit alike in the chain: the same PEs of all heads."""
    g, rows, heads = (view.number(name) for name in ("columns", "rows", "heads"))
    classes: list[ProgramClass] = []
    for column in range(g):
        workers = np.array([worker_at(column, row, rows) for row in range(rows)])
        links = [_Link(worker == 0, worker == g * rows - 1, worker % 2) for worker in workers.tolist()]
        for first, count, step in runs(links):
            grid = Grid(column, first, heads, count, g, step)
            classes.append(_emit(view, links[first], workers[first + step * np.arange(count)], grid, tensors))
    return classes


@dataclass(frozen=True, slots=True)
class _Link:
    """A worker's place in the chain, as far as its code depends on it."""

    is_first: bool
    is_last: bool
    parity: int  # of the worker's number


def _emit(view: View, link: _Link, numbers: np.ndarray, grid: Grid, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The workers of these numbers, one per row of the grid."""
    g, rows, dim = (view.number(name) for name in ("columns", "rows", "head_dim"))
    workers = g * rows
    chunk, stream = view.chunk, view.precision.stream
    b = ClassBuilder(f"w{numbers[0]}", grid, view.target)
    keys = -(-view.number("context") // workers)
    b.buffer("X", stream, 3 * dim * chunk, side=0)  # rows k, v, q
    b.buffer("K", stream, keys * dim, Category.CACHE)
    b.buffer("V", stream, keys * dim, Category.CACHE)
    b.buffer("P", DType.F32, keys * chunk, side=1)  # scores, then weights, one row per key
    b.buffer("M", DType.F32, chunk, side=0)
    b.buffer("O", DType.F32, (dim + 1) * chunk, side=2)  # weighted values, last row: sum of weights
    b.register("worker", np.broadcast_to(numbers[:, None], (grid.height, grid.width)))
    b.register("behind", np.broadcast_to(workers - 1 - numbers[:, None], (grid.height, grid.width)))
    header, n = b.register("header"), b.register("n")
    code = _receive(view, b, header, n)
    code += _append(b, workers, dim, chunk, header, n)
    code += _scores(view, b, workers, dim, n)
    code += _maximum(view, b, link, n)
    code += _weigh(b, workers, dim, chunk, n)
    code += _combine(view, b, link, dim, header, n)
    b.task("chunk", code, on=b.input("part0", -1, stream))
    return b.finish(view.kernel.name, view.frame, tensors)


def _receive(view: View, b: ClassBuilder, header: Reg, n: Reg) -> list[Instruction]:
    """All parts of the chunk into X; a reversed order of lanes means the parts arrive from the other end."""
    g, dim, chunk = view.number("columns"), view.number("head_dim"), view.chunk
    bounds, port = part_bounds(dim, g), view.ports["qkv"]
    code: list[Instruction] = []
    for c in range(g):
        part = g - 1 - c if port.reversed else c
        queue = b.input(f"part{c}", port.colors[c], view.precision.stream)
        begin, size = int(bounds[part]), int(bounds[part + 1] - bounds[part])
        code += take_header(queue, header, n)
        code.append(launch(RECEIVE + c, "mov", mem("X", (chunk, 1), begin * chunk), queue, None, size, n))
    return [*code, *(wait(RECEIVE + c) for c in range(g))]


def _append(b: ClassBuilder, workers: int, dim: int, chunk: int, header: Reg, n: Reg) -> list[Instruction]:
    """Copy the keys and values of this worker's positions into its cache; count its keys."""
    first, t, slot, keys = (b.register(name) for name in ("first", "t", "slot", "keys"))
    worker, behind = b.register("worker"), b.register("behind")
    copies = [
        vector("mov", mem(cache, (0, 1), 0, (slot, dim)), mem("X", (0, chunk), begin, (t, 1)), None, 1, dim)
        for cache, begin in (("K", 0), ("V", dim * chunk))
    ]
    return [
        compute(first, header, ">>", 16),
        compute(first, first, "&", 0xFFFF),
        compute(slot, first, "+", behind),
        compute(slot, slot, "/", workers),  # this worker's keys before the chunk
        compute(t, slot, "*", workers),
        compute(t, t, "+", worker),
        compute(t, t, "-", first),  # the chunk's first token that is this worker's
        While(t, Cmp.LT, n, (*copies, compute(t, t, "+", workers), compute(slot, slot, "+", 1))),
        compute(keys, slot),
    ]


def _for_keys(b: ClassBuilder, workers: int, body: Sequence[Instruction]) -> list[Instruction]:
    """Run `body` for each key: `key` counts them, `start` is the first token that may see it, `length` how many do."""
    key, start, length, first = (b.register(name) for name in ("key", "start", "length", "first"))
    keys, n = b.register("keys"), b.register("n")
    return [
        compute(key, 0),
        compute(start, b.register("worker")),
        compute(start, start, "-", first),
        While(
            key,
            Cmp.LT,
            keys,
            (
                compute(length, start, "max", 0),
                compute(b.register("from"), length),
                compute(length, n, "-", length),
                *body,
                compute(key, key, "+", 1),
                compute(start, start, "+", workers),
            ),
        ),
    ]


def _scores(view: View, b: ClassBuilder, workers: int, dim: int, n: Reg) -> list[Instruction]:
    """P[key, t] = scale * K[key] . q[t] for t from the key's position on, LOWEST before it; M = maximum over keys."""
    chunk, scale = view.chunk, float(view.kernel.params["scale"])
    key, start, length = (b.register(name) for name in ("key", "from", "length"))
    keys = b.register("keys")
    row = mem("P", (0, 1), 0, (key, chunk), (start, 1))
    query = mem("X", (chunk, 1), 2 * dim * chunk, (start, 1))
    body = [
        vector("mov", row, 0.0, None, 1, length),
        vector("fma", row, mem("K", (1, 0), 0, (key, dim)), query, dim, length),
    ]
    scores = mem("P", (chunk, 1))
    return [
        vector("mov", scores, LOWEST / scale if scale > 0 else LOWEST, None, keys, n),
        *_for_keys(b, workers, body),
        vector("mul", scores, scores, scale, keys, n),
        vector("mov", mem("M"), LOWEST, None, 1, n),
        vector("max", mem("M", (0, 1)), mem("M", (0, 1)), scores, keys, n),
    ]


def _maximum(view: View, b: ClassBuilder, link: _Link, n: Reg) -> list[Instruction]:
    """M = the maximum over all workers of the head."""
    if link.is_first and link.is_last:
        return []
    own = mem("M")
    if link.is_last:
        up = b.input("chain_in", view.colors[1 - link.parity], DType.F32)
        back = b.output("back_out", view.colors[BROADCAST], DType.F32)
        return [vector("max", own, up, own, 1, n), vector("mov", back, own, None, 1, n)]
    down = b.output("chain_out", view.colors[link.parity], DType.F32)
    back = b.input("back_in", view.colors[BROADCAST], DType.F32)
    if link.is_first:
        first = launch(CHAIN, "mov", down, own, None, 1, n)
    else:
        up = b.input("chain_in", view.colors[1 - link.parity], DType.F32)
        first = launch(CHAIN, "max", down, up, own, 1, n)
    return [wait(CHAIN), first, wait(CHAIN), vector("mov", own, back, None, 1, n)]


def _weigh(b: ClassBuilder, workers: int, dim: int, chunk: int, n: Reg) -> list[Instruction]:
    """P = exp(P - M); O = the weighted values of the own keys, its last row the sum of weights."""
    key, start, length = (b.register(name) for name in ("key", "from", "length"))
    keys = b.register("keys")
    scores = mem("P", (chunk, 1))
    weights = mem("P", (0, 1), 0, (key, chunk), (start, 1))
    output = mem("O", (chunk, 1), 0, (start, 1))
    total = mem("O", (0, 1), dim * chunk)
    return [
        vector("sub", scores, scores, mem("M", (0, 1)), keys, n),
        vector("exp", scores, scores, None, keys, n),
        wait(CHAIN),
        vector("mov", mem("O", (chunk, 1)), 0.0, None, dim + 1, n),
        vector("add", total, total, scores, keys, n),
        *_for_keys(b, workers, [vector("fma", output, mem("V", (1, 0), 0, (key, dim)), weights, dim, length)]),
    ]


def _combine(view: View, b: ClassBuilder, link: _Link, dim: int, header: Reg, n: Reg) -> list[Instruction]:
    """Add up O along the chain; the last worker divides by the sum of weights and sends."""
    chunk, stream = view.chunk, view.precision.stream
    own = mem("O", (chunk, 1))
    if not link.is_last:
        down = b.output("chain_out", view.colors[link.parity], DType.F32)
        if link.is_first:
            return [launch(CHAIN, "mov", down, own, None, dim + 1, n)]
        up = b.input("chain_in", view.colors[1 - link.parity], DType.F32)
        return [launch(CHAIN, "add", down, up, own, dim + 1, n)]
    code: list[Instruction] = []
    if not link.is_first:
        up = b.input("chain_in", view.colors[1 - link.parity], DType.F32)
        code = [launch(CHAIN, "add", own, up, own, dim + 1, n), wait(CHAIN)]
    b.buffer("OUT", stream, dim * chunk, side=0)
    out = b.output("y", view.ports["y"].colors[0], stream)
    total = mem("O", (0, 1), dim * chunk)
    return [
        *code,
        vector("recip", total, total, None, 1, n),
        wait(SEND),
        vector("mul", mem("OUT", (chunk, 1)), own, total, dim, n),
        send_header(out, header),
        launch(SEND, "mov", out, mem("OUT", (chunk, 1)), None, dim, n),
    ]
