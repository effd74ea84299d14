"""The linear kernel: y = x @ w + b, then an activation; (Li + m) x Lo PEs.

Input lane i comes down column i to all its tiles. Tile (i, j) holds the non-zeros that lead from lane i to output lane
j and runs their AXPYs as rows of x arrive. Partial sums run east along row j, each tile adding its own, into m
finishing PEs, each of which takes 1/m of the rows through bias and activation and passes the rest on.

A tile may take its rows in groups: the sums of one leave while the AXPYs of the next run, so that what is behind it has
time to take them, and the last chunk's results are out sooner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, compute, launch, mem, send_header, take_header, vector, wait
from tulle_compiler.kernels.chains import at, chain_classes, column_entries, east_chain
from tulle_compiler.kernels.filtered import SHARE, arrival_code, arrival_slots, unmarked
from tulle_compiler.kernels.finish import emit_finishers, finish_latency, finish_slots, result_chain
from tulle_compiler.kernels.slots import hop_cycles
from tulle_compiler.kernels.tiles import compressed, dense, nonzeros_per_tile
from tulle_compiler.kernels.view import View, group_text, partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import Await, Axpy, DType, Fabric, Instruction, Loop, Mem, Reg
from tulle_ir.plan import InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Category, Grid, ProgramClass
from tulle_ir.target import Target

REDUCE, RECEIVE = 0, 1  # microthreads, most urgent first


@dataclass(frozen=True)
class Linear:
    """A linear operator ready to become a kernel. weight: [in, out]; scale: [in], factors of its rows; `finishers`: m.

    `filtered`: no zeros come in (filtered.py); `filters`: none go out; `columns`: which output features of the matrix
    these are, if not all; `groups`: weights of the groups of a tile's rows.
    """

    name: str
    origin: str
    weight: np.ndarray
    bias: np.ndarray | None
    activation: str
    inputs: Partition
    outputs: Partition
    finishers: int
    dense: bool
    filtered: bool = False
    filters: bool = False
    columns: np.ndarray | None = None
    scale: np.ndarray | None = None
    groups: tuple[int, ...] = (1,)


def plan_linear(op: Linear, precision: Precision, target: Target, chunk: int) -> Kernel:
    """The kernel of a linear operator."""
    inputs, outputs, m = op.inputs, op.outputs, op.finishers
    width, height = inputs.lanes + m, outputs.lanes
    sink = Terminal("x", inputs.lanes, False, entries=column_entries(height), order_group=0)
    source = Terminal("y", outputs.lanes, True, at(width - 1), at(0, 1), order_group=1)
    internal = [InternalRoute(parity, east_chain(width, height, parity)) for parity in (0, 1)]
    if m > 1:
        internal += [InternalRoute(2 + parity, result_chain(inputs.lanes, m, height, parity)) for parity in (0, 1)]
    tensors = {
        "weight": op.weight,
        **partition_tensors("inputs", inputs),
        **partition_tensors("outputs", outputs),
    }
    optional = {"bias": op.bias, "scale": op.scale, "features": op.columns}
    tensors |= {name: array for name, array in optional.items() if array is not None}
    return Kernel(
        name=op.name,
        kind="linear",
        origin=op.origin,
        width=width,
        height=height,
        terminals=(sink, source),
        internal=tuple(r for r in internal if r.bundles),
        cost=linear_cost(op, precision, target, chunk),
        params={
            "finishers": m,
            "activation": op.activation,
            "dense": int(op.dense),
            "filtered": int(op.filtered),
            "filters": int(op.filters),
            "groups": group_text(op.groups),
        },
        tensors=tensors,
    )


def linear_cost(op: Linear, precision: Precision, target: Target, chunk: int) -> KernelCost:
    """Slots per full chunk of the busiest PE and of the mean one, and bytes of the largest."""
    tiles = nonzeros_per_tile(op.weight, op.inputs, op.outputs)
    sizes = op.inputs.sizes[None, :], op.outputs.sizes[:, None]
    share, least = (SHARE, 0.0) if op.filtered else (None, None)
    slots = tile_slots(tiles, *sizes, op.dense, precision, target, chunk, share, len(op.groups))
    bound = tile_slots(tiles, *sizes, op.dense, precision, target, chunk, least, len(op.groups))
    finish = max(
        (
            finish_slots(int(op.outputs.largest), op.finishers, s, op.activation, precision, target, chunk)
            for s in range(op.finishers)
        ),
        default=0.0,
    )
    busiest = max(float(slots.max()), finish)
    pes = tiles.size + op.finishers * op.outputs.lanes
    chain = (op.inputs.lanes + op.finishers) * hop_cycles(target)
    behind = 0.0
    if op.finishers:
        behind = finish_latency(int(op.outputs.largest), op.finishers, op.activation, precision, target, chunk)
    ideal = (float(slots.sum()) + finish * op.finishers * op.outputs.lanes) / pes
    return KernelCost(
        predicted=busiest,
        bound=max(float(bound.max()), finish),
        ideal=ideal,
        max_pe_bytes=tile_bytes(
            int(tiles.max()), op.inputs.largest, op.outputs.largest, op.dense, precision, chunk, len(op.groups)
        ),
        nonzeros=int(tiles.sum()),
        pes=pes,
        latency=float(slots.max()) + chain + behind,
    )


def filtering_pays(op: Linear, room: int, precision: Precision, target: Target, chunk: int) -> bool:
    """Whether filtering the zeros of its input spares its PEs work, in `room` bytes; dense tiles become sparse ones."""
    cost = linear_cost(replace(op, dense=False, filtered=True), precision, target, chunk)
    return cost.max_pe_bytes <= room and cost.ideal < linear_cost(op, precision, target, chunk).ideal


def tile_slots(
    nonzeros,
    inputs,
    outputs,
    is_dense: bool,
    precision: Precision,
    target: Target,
    chunk: int,
    share: float | None = None,
    groups: int = 1,
):
    """Datapath slots of a tile per full chunk: receiving, AXPYs, adding partial sums, and the fixed part.

    Arguments broadcast: non-zeros, input features K and output features R of the tile. `share`: of the columns that
    arrive if zeros are filtered; `groups`: how many of rows.
    """
    x_bytes = int(np.max(inputs)) * chunk * precision.stream.size
    y_bytes = int(np.max(outputs)) * chunk * precision.accumulate.size
    steps = -(-chunk // axpy_width(precision, target)) * (1 + conflicting(x_bytes, y_bytes, target))
    receive = inputs * precision.stream.wavelets(chunk)
    if is_dense:
        issue = target.vector_issue + target.load_cycles + 1
        axpys = inputs * (groups * issue + outputs * steps + (outputs - groups) * target.row_overhead)
    else:
        axpys = inputs * groups * target.axpy_issue + nonzeros * (target.axpy_overhead + steps)
    sums = outputs * precision.reduce.wavelets(chunk)
    convert = 0 if precision.reduce is precision.accumulate else outputs * (chunk + 1)
    if share is not None:
        receive, axpys = 0, arrival_slots(nonzeros, inputs, outputs, precision, target, share)
    return receive + axpys + sums + convert + target.dispatch_cycles + 3 + 2 * groups


def conflicting(x_bytes: int, y_bytes: int, target: Target) -> float:
    """Share of the AXPYs whose input and sum lie in conflicting banks, when the sums begin in the bank behind the
    inputs' last one."""
    bank = target.sram_bytes // target.banks
    return _conflicting_banks(max(1, -(-x_bytes // bank)), max(1, -(-y_bytes // bank)), target.bank_groups)


@cache  # asked for every size that the search tries
def _conflicting_banks(x_banks: int, y_banks: int, groups: int) -> float:
    apart = x_banks + np.arange(y_banks)[:, None] - np.arange(x_banks)[None, :]
    return float(np.mean(apart % groups == 0))


def axpy_width(precision: Precision, target: Target) -> int:
    """Elements per cycle of a tile's AXPYs."""
    widths = target.widths
    if precision.stream is DType.F32:
        return widths.f32_multiply
    return widths.f16 if precision.accumulate is DType.F16 else widths.f16_to_f32


def tile_bytes(
    nonzeros: int, inputs: int, outputs: int, is_dense: bool, precision: Precision, chunk: int, groups: int = 1
) -> int:
    """SRAM of a tile: its weights, the input block of a chunk, the partial sums."""
    size = precision.stream.size
    weights = inputs * outputs * size if is_dense else nonzeros * (2 + size) + 2 * (inputs + 1) * groups
    convert = 0 if precision.reduce is precision.accumulate else outputs * chunk * precision.reduce.size
    return weights + inputs * chunk * size + outputs * chunk * precision.accumulate.size + convert


def emit_linear(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """The classes of a linear kernel: tiles by their place in the chain, finishers by column."""
    tiles = _Tiles(view)
    classes = [tiles.emit(*chain, tensors) for chain in chain_classes(tiles.inputs.lanes)]
    return classes + [c for s in range(view.number("finishers")) for c in emit_finishers(view, s, tensors)]


class _Tiles:
    """The tiles of one linear kernel, cut once and shared by their classes."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.groups = len(view.groups())
        self.inputs, self.outputs = view.partition("inputs"), view.partition("outputs")
        self.rows = self.outputs.grouped(view.groups())
        self.weight = view.kernel.tensors["weight"]
        self.is_dense = bool(view.number("dense"))
        self.is_filtered = bool(view.number("filtered"))
        stream = view.precision.stream
        cut = dense if self.is_dense else compressed
        scale = view.kernel.tensors.get("scale")
        self.cut = [cut(self.weight, self.inputs, rows, stream, scale) for rows in self.rows]

    def emit(self, name: str, first: int, count: int, step: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
        """The class of the tiles in columns first, first + step, ..."""
        view, precision, chunk = self.view, self.view.precision, self.view.chunk
        columns = first + step * np.arange(count)
        lanes_in = view.ports["x"].lanes()[columns]
        lanes_out = view.ports["y"].lanes()
        b = ClassBuilder(name, Grid(first, 0, count, len(lanes_out), step, 1), view.target)
        k_sizes = np.broadcast_to(self.inputs.sizes[lanes_in], (len(lanes_out), count))
        header, n = b.register("header"), b.register("n")
        x_in = b.input("x", view.ports["x"].colors[first], precision.stream)
        down = b.output("sum_out", self._below(first), precision.reduce)
        code = take_header(x_in, header, n)
        if not self.is_filtered:
            k_size = b.register("K", k_sizes)
            b.buffer("X", precision.stream, self.inputs.largest * chunk, side=0)
            code.append(launch(RECEIVE, "mov", mem("X", (chunk, 1)), x_in, None, k_size, n))
        pe = (lanes_out[:, None] * self.inputs.lanes + lanes_in[None, :]).reshape(-1)
        for group in range(self.groups):
            rows = self._rows(b, lanes_out, group, count)
            own, products = self._products(b, x_in, k_sizes, n, rows, pe, group)
            code += products
            if group == 0 and first == self.inputs.lanes - 1:
                code += [*([wait(REDUCE)] if self.groups > 1 else []), send_header(down, header)]
            if first == 0:
                code.append(launch(REDUCE, "mov", down, own, None, rows, n))
            else:
                up = b.input("sum_in", view.colors[(first - 1) % 2], precision.reduce)
                code.append(launch(REDUCE, "add", down, up, own, rows, n))
        b.task("chunk", code, on=x_in)
        return b.finish(view.kernel.name, view.frame, tensors)

    def _rows(self, b: ClassBuilder, lanes_out: np.ndarray, group: int, count: int) -> Reg:
        """Rows of a group."""
        sizes = self.rows[group].sizes[lanes_out]
        return b.register(self._name("R", group), np.broadcast_to(sizes[:, None], (len(lanes_out), count)))

    def _name(self, name: str, group: int) -> str:
        return name if self.groups == 1 else f"{name}{group}"

    def _products(
        self, b: ClassBuilder, x_in: Fabric, k_sizes: np.ndarray, n: Reg, rows: Reg, pe: np.ndarray, group: int
    ) -> tuple[Mem, list[Instruction]]:
        """A group's partial sums, and the code that makes them, each column when its row of x is here.

        The sums before must have left; with several groups they have, since the next group's left after them.
        """
        precision, size = self.view.precision, self.rows[group].largest * self.view.chunk
        sums, result = b.buffer(self._name("Y", group), precision.accumulate, size, side=1), self._name("Z", group)
        code: list[Instruction] = [wait(REDUCE)] if self.groups == 1 else []
        if self.is_filtered:
            code += arrival_code(x_in, self._table(b, pe, group), rows)
        elif self.is_dense:
            code += self._dense(b, k_sizes, n, rows, pe, group)
        else:
            code += self._sparse(b, n, pe, group)
        if precision.reduce is precision.accumulate:
            return self._of_chunk(sums), code
        b.buffer(result, precision.reduce, size)
        return self._of_chunk(result), [
            *code,
            vector("mov", self._of_chunk(result), self._of_chunk(sums), None, rows, n),
        ]

    def _of_chunk(self, buffer: str) -> Mem:
        return mem(buffer, (self.view.chunk, 1))

    def _table(self, b: ClassBuilder, pe: np.ndarray, group: int) -> str:
        cut = self.cut[group]
        assert not isinstance(cut, np.ndarray)
        tiles = cut.arranged(pe)
        return b.table(
            self._name("W", group),
            self.view.precision.stream,
            self.inputs.largest,
            unmarked(tiles) if self.is_filtered else tiles,
        )

    def _below(self, column: int) -> int:
        """The color on which the tiles of a column send: to the next one, to the finishers or, without any, out."""
        if column < self.inputs.lanes - 1 or self.view.number("finishers"):
            return self.view.colors[column % 2]
        (color,) = set(self.view.ports["y"].colors)
        return color

    def _sparse(self, b: ClassBuilder, n: Reg, pe: np.ndarray, group: int) -> list[Instruction]:
        """The AXPYs of each column as it arrives."""
        k, chunk = b.register("k"), self.view.chunk
        sums = self._of_chunk(self._name("Y", group))
        axpy = Axpy(sums, self._table(b, pe, group), k, mem("X", (0, 1), 0, (k, chunk)), n)
        return [Loop(k, Reg("K"), (Await(RECEIVE, k), axpy))]

    def _dense(
        self, b: ClassBuilder, k_sizes: np.ndarray, n: Reg, r_size: Reg, pe: np.ndarray, group: int
    ) -> list[Instruction]:
        """The products of each column as it arrives; the first one sets the sums: they are never cleared."""
        cut = self.cut[group]
        assert isinstance(cut, np.ndarray)
        chunk, rows, weights = self.view.chunk, self.rows[group].largest, self._name("W", group)
        tiles = cut.reshape(-1, cut.shape[-1])[pe].reshape(b.grid.height, b.grid.width, -1)
        b.buffer(weights, self.view.precision.stream, tiles.shape[-1], Category.WEIGHTS, tiles)
        k, turn, further = b.register("k"), b.register("turn"), b.register("further", k_sizes - 1)
        sums = self._of_chunk(self._name("Y", group))
        operands = sums, mem(weights, (1, 0), 0, (k, rows)), mem("X", (0, 1), 0, (k, chunk))
        first, later = (vector(op, *operands, r_size, n) for op in ("mul", "fma"))
        step = (compute(k, k, "+", 1), Await(RECEIVE, k), later)
        return [compute(k, 0), Await(RECEIVE, k), first, Loop(turn, further, step)]
