"""The embedding kernel: L x G PEs. PE (j, g) holds the features of lane j for the rows of group g.

Token ids reach every PE; only the owner of a row adds it, so a column's partial sums run south through token groups and
position groups alike, and leave from the last row. No arithmetic but that addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, compute, launch, mem, send_header, take_header, vector, wait
from tulle_compiler.kernels.chains import at, chain_classes, south_chain
from tulle_compiler.kernels.slots import block, hop_cycles
from tulle_compiler.kernels.tiles import numpy_type
from tulle_compiler.kernels.view import View, partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import Cmp, DType, If, Instruction, Load, Loop, Offset, Reg, Store
from tulle_ir.plan import Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Category, Grid, Leg, Port, ProgramClass
from tulle_ir.target import Target

SUM, RECEIVE = 0, 1  # microthreads


@dataclass(frozen=True)
class Embed:
    """An embedding ready to become a kernel. table: [V, D]; positions: [context, D] or None; `rows`: per group."""

    name: str
    origin: str
    table: np.ndarray
    positions: np.ndarray | None
    lanes: Partition
    rows: int

    def groups(self) -> list[tuple[bool, int, int]]:
        """(is a position group, first row, rows) of each group."""
        tables = [(False, len(self.table))]
        if self.positions is not None:
            tables.append((True, len(self.positions)))
        return [
            (is_position, first, min(self.rows, count - first))
            for is_position, count in tables
            for first in range(0, count, self.rows)
        ]


def token_slots(target: Target) -> int:
    """Slots per token, beside those of copying its row."""
    return target.load_cycles + target.vector_issue + 9


def plan_embed(op: Embed, precision: Precision, target: Target, chunk: int) -> Kernel:
    """The kernel of an embedding."""
    length, groups = op.lanes.lanes, op.groups()
    fan = Bundle(0, (length, 1), at(0, 1), at(0), Port.WEST, (Leg(Port.SOUTH, at(len(groups) - 1), ramp=True),))
    entry = Entry(Port.EAST, at(0), at(0), Leg(Port.EAST, at(length - 1), ramp=True), ((0, fan),))
    sink = Terminal("ids", 1, False, entries=(entry,), order_group=0)
    source = Terminal("y", length, True, at(0, 1), at(len(groups) - 1), order_group=1)
    internal = [InternalRoute(p, south_chain(len(groups), length, p)) for p in (0, 1)]
    tensors = {"table": op.table, **partition_tensors("lanes", op.lanes)}
    if op.positions is not None:
        tensors["positions"] = op.positions
    return Kernel(
        name=op.name,
        kind="embed",
        origin=op.origin,
        width=length,
        height=len(groups),
        terminals=(sink, source),
        internal=tuple(r for r in internal if r.bundles),
        cost=embed_cost(op.lanes.largest, op.rows, len(groups), length, precision, target, chunk),
        params={"rows": op.rows},
        tensors=tensors,
    )


def embed_cost(
    largest: int, rows: int, groups: int, lanes: int, precision: Precision, target: Target, chunk: int
) -> KernelCost:
    """Of `groups` x `lanes` PEs with `rows` rows of `largest` features; the busiest one owns all tokens of a chunk."""
    size = precision.stream.size
    width = target.widths.f16 if precision.stream is DType.F16 else target.widths.f32_move
    fixed = target.dispatch_cycles + 10 + chunk + block(target, largest, chunk, width)
    fixed += largest * precision.stream.wavelets(chunk) + chunk * token_slots(target)
    take = chunk * -(-largest // width)
    alone = fixed + take + groups * hop_cycles(target)
    return KernelCost(
        predicted=fixed + take,
        bound=fixed + take,
        ideal=fixed + 2 * take / groups,
        max_pe_bytes=largest * (rows + chunk) * size + 4 * chunk,
        pes=groups * lanes,
        latency=alone,
    )


def emit_embed(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """The classes of an embedding, by place in the chain of groups."""
    source = view.kernel.tensors
    op = Embed("", "", source["table"], source.get("positions"), view.partition("lanes"), view.number("rows"))
    return [_emit(view, op, *chain, tensors) for chain in chain_classes(len(op.groups()))]


def _emit(
    view: View, op: Embed, name: str, first: int, count: int, step: int, tensors: dict[str, np.ndarray]
) -> ProgramClass:
    """The PEs of groups first, first + step, ..."""
    dtype, chunk = view.precision.stream, view.chunk
    partition, lanes = op.lanes, view.ports["y"].lanes()
    groups = op.groups()[first : first + step * count : step]
    shape = (len(groups), len(lanes))
    b = ClassBuilder(name, Grid(0, first, len(lanes), count, 1, step), view.target)
    features = b.register("E", np.broadcast_to(partition.sizes[lanes][None, :], shape))
    by_group = np.array(groups, np.int64).reshape(-1, 3)
    is_position, base, rows = (
        b.register(name, np.broadcast_to(by_group[:, column : column + 1], shape))
        for column, name in enumerate(("by_position", "base", "rows"))
    )
    header, n, t = (b.register(name) for name in ("header", "n", "t"))
    ids = b.input("ids", view.ports["ids"].colors[0], DType.I32)
    largest = partition.largest
    b.buffer("IDS", DType.I32, chunk)
    b.buffer("Y", dtype, largest * chunk)
    b.buffer("TABLE", dtype, op.rows * largest, Category.WEIGHTS, _tables(op, groups, lanes, dtype))
    position = b.register("position")
    code: list[Instruction] = [
        *take_header(ids, header, n),
        launch(RECEIVE, "mov", mem("IDS"), ids, None, 1, n),
        compute(position, header, ">>", 16),
        compute(position, position, "&", 0xFFFF),
        wait(SUM),
        vector("mov", mem("Y", (chunk, 1)), 0.0, None, features, n),
        wait(RECEIVE),
        If(is_position, Cmp.NE, 0, (Loop(t, n, _number(position, t)),)),
        Loop(t, n, _take(b, t, base, rows, features, largest, chunk)),
    ]
    block = mem("Y", (chunk, 1))
    last = first == len(op.groups()) - 1
    out = b.output("out", view.ports["y"].colors[0] if last else view.colors[first % 2], dtype)
    if last:
        code.append(send_header(out, header))
    if first == 0:
        code.append(launch(SUM, "mov", out, block, None, features, n))
    else:
        above = b.input("above", view.colors[(first - 1) % 2], dtype)
        code.append(launch(SUM, "add", out, above, block, features, n))
    b.task("chunk", code, on=ids)
    return b.finish(view.kernel.name, view.frame, tensors)


def _number(position: Reg, t: Reg) -> tuple[Instruction, ...]:
    """Token t's position takes the place of its id."""
    return Store("IDS", position, Offset(0, ((t, 1),))), compute(position, position, "+", 1)


def _take(
    b: ClassBuilder, t: Reg, base: Reg, rows: Reg, features: Reg, largest: int, chunk: int
) -> tuple[Instruction, ...]:
    """Token t's row, if it is one of this PE's: `mine` copies of it, 1 or 0, as a branch would cost more."""
    row, mine, below = b.register("row"), b.register("mine"), b.register("below")
    return (
        Load(row, "IDS", Offset(0, ((t, 1),))),
        compute(row, row, "-", base),
        compute(below, rows, "-", row),
        compute(below, below, "max", 0),
        compute(below, below, "min", 1),
        compute(mine, row, "+", 1),
        compute(mine, mine, "max", 0),
        compute(mine, mine, "min", below),
        vector("mov", mem("Y", (0, chunk), 0, (t, 1)), mem("TABLE", (0, 1), 0, (row, largest)), None, mine, features),
    )


def _tables(op: Embed, groups: list[tuple[bool, int, int]], lanes: np.ndarray, dtype: DType) -> np.ndarray:
    """Rows of each PE's group, its lane's features only: [groups, lanes, rows * largest]."""
    largest = op.lanes.largest
    tables = np.zeros((len(groups), len(lanes), op.rows, largest), numpy_type(dtype))
    for g, (is_position, first, rows) in enumerate(groups):
        source = op.positions if is_position else op.table
        assert source is not None
        for i, lane in enumerate(lanes):
            mine = op.lanes.features(int(lane))
            tables[g, i, :rows, : len(mine)] = source[first : first + rows, mine]
    return tables.reshape(len(groups), len(lanes), -1)
