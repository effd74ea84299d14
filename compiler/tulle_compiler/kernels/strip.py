"""The strip kernel: a line of L PEs through which a residual stream passes; PE i serves lane i.

It adds the branch to the residual that waits here (`join`), passes the sum on as the next residual (`keep`), and
normalises it. A normalisation takes two rounds along the line (mean, then variance): partial sums run east, the last
PE sends the result back to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import (
    ClassBuilder,
    compute,
    launch,
    mem,
    send_header,
    take_header,
    vector,
    wait,
)
from tulle_compiler.kernels.chains import at, chain_classes, column_entries, east_chain
from tulle_compiler.kernels.tiles import numpy_type
from tulle_compiler.kernels.view import View, partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import Cmp, Control, DType, If, Instruction, Reg, TaskVerb
from tulle_ir.plan import InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Category, Grid, Leg, Port, ProgramClass
from tulle_ir.target import Target

CHAIN, RESIDUAL, JOIN, KEEP, SEND = range(5)  # microthreads, most urgent first
BROADCAST = 2  # local color


@dataclass(frozen=True)
class Strip:
    """A strip ready to become a kernel. `norm`: "none", "layer" or "rms"; gamma, beta: [features].

    `slots`: chunks of residual a PE can hold; `last_only`: of each sequence only the last token is sent on.
    """

    name: str
    origin: str
    lanes: Partition
    join: bool
    keep: bool
    norm: str
    gamma: np.ndarray | None = None
    beta: np.ndarray | None = None
    epsilon: float = 0.0
    slots: int = 1
    last_only: bool = False


def plan_strip(op: Strip, precision: Precision, target: Target, chunk: int) -> Kernel:
    """The kernel of a strip."""
    length = op.lanes.lanes
    entries = column_entries(1)
    names = ("branch", "residual") if op.join else ("x",)
    terminals = [Terminal(name, length, False, entries=entries) for name in names]
    sources = ("keep", "y") if op.keep else ("y",)
    terminals += [Terminal(name, length, True, at(0, 1), at(0)) for name in sources]
    internal: list[InternalRoute] = []
    if op.norm != "none" and length > 1:
        internal = [InternalRoute(parity, east_chain(length, 1, parity)) for parity in (0, 1)]
        back = Bundle(0, (1, 1), at(length - 1), at(0), Port.RAMP, (Leg(Port.WEST, at(0), ramp=True),))
        internal.append(InternalRoute(BROADCAST, (back,)))
    tensors = dict(partition_tensors("lanes", op.lanes))
    if op.gamma is not None:
        tensors["gamma"] = op.gamma
    if op.beta is not None:
        tensors["beta"] = op.beta
    slots = strip_slots(op, precision, target, chunk)
    largest = op.lanes.largest
    ring = op.slots * largest * chunk * precision.stream.size if op.join else 0
    return Kernel(
        name=op.name,
        kind="strip",
        origin=op.origin,
        width=length,
        height=1,
        terminals=tuple(terminals),
        internal=tuple(r for r in internal if r.bundles),
        cost=KernelCost(slots + strip_wait(op, target, chunk), slots, slots, ring + 8 * largest * chunk, 0, length),
        params={
            "join": int(op.join),
            "keep": int(op.keep),
            "norm": op.norm,
            "epsilon": float(op.epsilon),
            "slots": op.slots,
            "last_only": int(op.last_only),
        },
        tensors=tensors,
    )


def strip_slots(op: Strip, precision: Precision, target: Target, chunk: int) -> float:
    """Datapath slots of a PE per full chunk."""
    rows = op.lanes.largest
    wavelets = rows * -(-chunk // precision.per_wavelet)
    slots = wavelets * (1 + 2 * int(op.join) + int(op.keep)) + target.dispatch_cycles + 20
    slots += 5 * target.branch_cycles * int(op.join)
    if op.norm == "none":
        return slots
    per_element = (1 if precision.stream is DType.F16 else 0) + 0.5 + 0.5 + 1 + 2 + 1
    return slots + rows * (chunk * per_element + 7 * target.row_overhead) + 2 * target.load_cycles


def strip_wait(op: Strip, target: Target, chunk: int) -> float:
    """Cycles a PE waits per chunk for the line: out and back for each reduction."""
    rounds = {"none": 0, "layer": 2, "rms": 1}[op.norm]
    hop = 2 * target.ramp_cycles + 2
    return rounds * (op.lanes.lanes * (hop + 1) + 2 * chunk + 2 * hop)


def emit_strip(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """The classes of a strip, by place in the chain."""
    length = view.partition("lanes").lanes
    if view.kernel.params["norm"] == "none":
        return [_emit(view, "all", 0, length, 1, tensors)]
    return [_emit(view, *chain, tensors) for chain in chain_classes(length)]


def _emit(view: View, name: str, first: int, count: int, step: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs at positions first, first + step, ..."""
    precision, chunk, params = view.precision, view.chunk, view.kernel.params
    partition = view.partition("lanes")
    lanes = view.ports["y"].lanes()[first + step * np.arange(count)]
    b = ClassBuilder(name, Grid(first, 0, count, 1, step, 1), view.target)
    rows = b.register("E", partition.sizes[lanes][None, :])
    header, n = b.register("header"), b.register("n")
    block = partition.largest * chunk
    b.buffer("X", precision.stream, block, side=0)
    out = b.output("y", view.ports["y"].colors[first], precision.stream)
    if params["join"]:
        code, trigger = _join(view, b, rows, header, n)
    else:
        trigger = b.input("x", view.ports["x"].colors[first], precision.stream)
        receive = launch(JOIN, "mov", mem("X", (chunk, 1)), trigger, None, rows, n)
        code = [*take_header(trigger, header, n), wait(KEEP), receive, wait(JOIN)]
    if params["keep"]:
        keep = b.output("keep", view.ports["keep"].colors[first], precision.stream)
        code += [send_header(keep, header), launch(KEEP, "mov", keep, mem("X", (chunk, 1)), None, rows, n)]
    work: list[Instruction] = []
    result = "X"
    if params["norm"] != "none":
        work = [wait(SEND), *_norm(view, b, first, lanes, rows, n)]
        result = "OUT"
    work += [send_header(out, header), launch(SEND, "mov", out, mem(result, (chunk, 1)), None, rows, n)]
    if result == "X":
        work.append(wait(SEND))
    code += _if_last(b, work, header, n, rows, chunk) if params["last_only"] else work
    if params["join"]:
        code += _release(view)
    b.task("chunk", code, on=trigger, blocked=bool(params["join"]))
    return b.finish(view.kernel.name, view.frame, tensors)


def _join(view: View, b: ClassBuilder, rows: Reg, header: Reg, n: Reg):
    """Residual chunks queue up in a ring; the branch's chunk is added to the oldest. Returns (code, trigger)."""
    precision, chunk = view.precision, view.chunk
    slots = view.number("slots")
    block = view.partition("lanes").largest * chunk
    first = b.grid.x
    residual = b.input("residual", view.ports["residual"].colors[first], precision.stream)
    branch = b.input("branch", view.ports["branch"].colors[first], precision.stream)
    b.buffer("RING", precision.stream, slots * block, side=1)
    write, read, filled = b.register("write"), b.register("read"), b.register("filled")
    waiting, length = b.register("waiting"), b.register("length")
    slot = mem("RING", (chunk, 1), 0, (write, block))
    b.task(
        "stored",
        [
            compute(filled, filled, "+", 1),
            compute(write, write, "+", 1),
            If(write, Cmp.EQ, slots, (compute(write, 0),)),
            Control(TaskVerb.UNBLOCK, "chunk"),
            If(filled, Cmp.LT, slots, (Control(TaskVerb.UNBLOCK, "store"),)),
        ],
    )
    b.task(
        "store",
        [
            *take_header(residual, waiting, length),
            Control(TaskVerb.BLOCK, "store"),
            launch(RESIDUAL, "mov", slot, residual, None, rows, length, then="stored"),
        ],
        on=residual,
    )
    add = launch(JOIN, "add", mem("X", (chunk, 1)), branch, mem("RING", (chunk, 1), 0, (read, block)), rows, n)
    return [*take_header(branch, header, n), wait(KEEP), add, wait(JOIN)], branch


def _release(view: View) -> list[Instruction]:
    """The oldest residual chunk has been used: free its slot; wait for the next one."""
    filled, read, slots = Reg("filled"), Reg("read"), view.number("slots")
    return [
        compute(filled, filled, "-", 1),
        compute(read, read, "+", 1),
        If(read, Cmp.EQ, slots, (compute(read, 0),)),
        If(filled, Cmp.EQ, 0, (Control(TaskVerb.BLOCK, "chunk"),)),
        If(filled, Cmp.EQ, slots - 1, (Control(TaskVerb.UNBLOCK, "store"),)),
    ]


def _if_last(b: ClassBuilder, work: list[Instruction], header: Reg, n: Reg, rows: Reg, chunk: int) -> list[Instruction]:
    """Do `work` for the last token of a sequence only: other chunks are dropped."""
    flag, last = b.register("flag"), b.register("last")
    select = [
        compute(last, n, "-", 1),
        vector("mov", mem("X", (chunk, 1)), mem("X", (chunk, 1), 0, (last, 1)), None, rows, 1),
        compute(header, header, "-", last),
        compute(last, last, "<<", 16),
        compute(header, header, "+", last),
        compute(n, 1),
    ]
    return [compute(flag, header, "&", 256), If(flag, Cmp.NE, 0, (*select, *work))]


def _norm(view: View, b: ClassBuilder, first: int, lanes: np.ndarray, rows: Reg, n: Reg) -> list[Instruction]:
    """OUT = norm(X) in f32 inside."""
    precision, chunk = view.precision, view.chunk
    partition, params = view.partition("lanes"), view.kernel.params
    features, largest = len(partition.order), partition.largest
    block = largest * chunk
    b.buffer("OUT", precision.stream, block, side=0)
    b.buffer("F", DType.F32, block, side=0)
    b.buffer("S", DType.F32, chunk, side=1)
    wide, sums = mem("F", (chunk, 1)), mem("S", (0, 1))
    gamma = _per_lane(view, "gamma", lanes, 1.0)
    b.buffer("G", DType.F32, largest, Category.WEIGHTS, gamma)
    code: list[Instruction] = [vector("mov", wide, mem("X", (chunk, 1)), None, rows, n)]
    if params["norm"] == "layer":
        code += [vector("mov", sums, 0.0, None, 1, n), vector("add", sums, sums, wide, rows, n)]
        mean = [vector("mul", sums, sums, 1.0 / features, 1, n)]
        code += _all_reduce(view, b, first, mean, n)
        code.append(vector("sub", wide, wide, sums, rows, n))
    code += [vector("mov", sums, 0.0, None, 1, n), vector("fma", sums, wide, wide, rows, n)]
    scale = [
        vector("mul", sums, sums, 1.0 / features, 1, n),
        vector("add", sums, sums, float(params["epsilon"]), 1, n),
        vector("rsqrt", sums, sums, None, 1, n),
    ]
    code += _all_reduce(view, b, first, scale, n)
    code += [vector("mul", wide, wide, sums, rows, n)]
    out = mem("OUT", (chunk, 1))
    if "beta" in view.kernel.tensors:
        b.buffer("B", DType.F32, largest, Category.WEIGHTS, _per_lane(view, "beta", lanes, 0.0))
        code += [vector("mul", wide, wide, mem("G", (1, 0)), rows, n)]
        code += [vector("add", out, wide, mem("B", (1, 0)), rows, n)]
    else:
        code += [vector("mul", out, wide, mem("G", (1, 0)), rows, n)]
    return code


def _all_reduce(view: View, b: ClassBuilder, first: int, at_end: Sequence[Instruction], n: Reg) -> list[Instruction]:
    """S = sum of all PEs' S, then `at_end` on the last PE, whose S all receive."""
    length = view.partition("lanes").lanes
    if length == 1:
        return list(at_end)
    sums = mem("S", (0, 1))
    code: list[Instruction] = []
    if first == 0:
        code.append(launch(CHAIN, "mov", b.output("chain_out", view.colors[first % 2], DType.F32), sums, None, 1, n))
    elif first < length - 1:
        up = b.input("chain_in", view.colors[(first - 1) % 2], DType.F32)
        down = b.output("chain_out", view.colors[first % 2], DType.F32)
        code.append(launch(CHAIN, "add", down, up, sums, 1, n))
    else:
        up = b.input("chain_in", view.colors[(first - 1) % 2], DType.F32)
        code += [vector("add", sums, up, sums, 1, n), *at_end]
        return [*code, vector("mov", b.output("all_out", view.colors[BROADCAST], DType.F32), sums, None, 1, n)]
    back = b.input("all_in", view.colors[BROADCAST], DType.F32)
    return [*code, wait(CHAIN), vector("mov", sums, back, None, 1, n)]


def _per_lane(view: View, name: str, lanes: np.ndarray, fill: float) -> np.ndarray:
    """A per-feature tensor cut by lane: [1, lanes, largest]."""
    partition = view.partition("lanes")
    cut = np.full((1, len(lanes), partition.largest), fill, np.float32)
    values = view.kernel.tensors.get(name)
    for column, lane in enumerate(lanes):
        mine = partition.features(int(lane))
        if values is not None:
            cut[0, column, : len(mine)] = values[mine]
    return cut.astype(numpy_type(DType.F32))
