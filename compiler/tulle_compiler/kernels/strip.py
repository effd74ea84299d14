"""The strip kernel: a line of L PEs through which a residual stream passes; PE i serves lane i.

It adds the branch to the residual that waits here (`join`), passes the sum on as the next residual (`keep`), and
normalises it. A normalisation takes two rounds along the line (mean, then variance): partial sums run from both ends to
the middle, which sends the result back to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import (
    ClassBuilder,
    add_to,
    compute,
    launch,
    mem,
    send_header,
    take_header,
    vector,
    wait,
)
from tulle_compiler.kernels.chains import at, column_entries, meeting_chain, runs, sending_parity
from tulle_compiler.kernels.slots import block, product_width, sum_width
from tulle_compiler.kernels.view import View, partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import Cmp, Control, DType, If, Instruction, Reg, TaskVerb, VectorOp
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
        internal = [InternalRoute(parity, meeting_chain(length, parity)) for parity in (0, 1)]
        internal.append(InternalRoute(BROADCAST, _send_back(length)))
    tensors = dict(partition_tensors("lanes", op.lanes))
    if op.gamma is not None:
        tensors["gamma"] = op.gamma
    if op.beta is not None:
        tensors["beta"] = op.beta
    return Kernel(
        name=op.name,
        kind="strip",
        origin=op.origin,
        width=length,
        height=1,
        terminals=tuple(terminals),
        internal=tuple(r for r in internal if r.bundles),
        cost=strip_cost(op, precision, target, chunk),
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


def strip_cost(op: Strip, precision: Precision, target: Target, chunk: int) -> KernelCost:
    """All PEs do the same; each reduction is a wait out and back."""
    largest, size = op.lanes.largest, precision.stream.size
    slots = strip_slots(op, precision, target, chunk)
    alone = slots + strip_wait(op, target, chunk)
    held = (op.slots if op.join else 0) * size + (1 if op.norm == "none" else 2) * size + 8 * (op.norm != "none")
    return KernelCost(alone, slots, slots, largest * chunk * held + 4 * chunk, pes=op.lanes.lanes, latency=alone)


def strip_slots(op: Strip, precision: Precision, target: Target, chunk: int) -> float:
    """Datapath slots of a PE per full chunk."""
    rows, stream = op.lanes.largest, precision.stream
    slots = rows * precision.stream.wavelets(chunk) * (2 + 2 * int(op.join) + int(op.keep))
    slots += 3 * target.dispatch_cycles + 5 * target.branch_cycles + 30 if op.join else target.dispatch_cycles + 15
    if op.norm == "none":
        return slots
    passes = [target.widths.f32_multiply, _mixed_width(target, stream)]  # squares, scaling
    if op.norm == "layer":
        passes += [sum_width(target, stream), _mixed_width(target, stream), target.widths.f32_move]
    else:
        passes += [product_width(target, stream), target.widths.f32_move]
    passes += [target.widths.f32_multiply] * (op.gamma is not None) + [target.widths.other] * (op.beta is not None)
    slots += sum(block(target, rows, chunk, width) for width in passes)
    return slots + (6 if op.norm == "layer" else 3) * chunk + target.cost_of(VectorOp.RSQRT) * chunk


def _mixed_width(target: Target, stream: DType) -> int:
    """Elements per cycle of an operation between stream elements and f32."""
    return target.widths.other if stream is DType.F16 else target.widths.f32_move


def strip_wait(op: Strip, target: Target, chunk: int) -> float:
    """Cycles a PE waits per chunk for the line: to the middle and back for each reduction."""
    rounds = {"none": 0, "layer": 2, "rms": 1}[op.norm]
    hop = 2 * target.ramp_cycles + 2
    return rounds * (op.lanes.lanes // 2 * (hop + 1) + 2 * chunk + hop)


def emit_strip(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """The classes of a strip, by place in the chain."""
    length = view.partition("lanes").lanes
    if view.kernel.params["norm"] == "none":
        return [_emit(view, 0, length, 1, tensors)]
    middle, ends = length // 2, (0, length - 1)
    places = [(p >= middle, p == middle, p in ends, sending_parity(p, length)) for p in range(length)]
    return [_emit(view, *run, tensors) for run in runs(places)]


def _emit(view: View, first: int, count: int, step: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs at positions first, first + step, ..."""
    precision, chunk, params = view.precision, view.chunk, view.kernel.params
    partition = view.partition("lanes")
    lanes = view.ports["y"].lanes()[first + step * np.arange(count)]
    b = ClassBuilder(f"p{first}", Grid(first, 0, count, 1, step, 1), view.target)
    rows = b.register("E", partition.sizes[lanes][None, :])
    header, n = b.register("header"), b.register("n")
    block = partition.largest * chunk
    b.buffer("X", precision.stream, block, side=1)
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
    b.buffer("RING", precision.stream, slots * block)
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
    """OUT = norm(X), in f32 inside. F: the values as f32, centred; their copy Q is read from another bank."""
    chunk, params, stream = view.chunk, view.kernel.params, view.precision.stream
    block = view.partition("lanes").largest * chunk
    b.buffer("OUT", stream, block)
    b.buffer("F", DType.F32, block, side=1)
    b.buffer("Q", DType.F32, block, side=2)
    b.buffer("S", DType.F32, chunk, side=0)
    x, wide, copy, sums = mem("X", (chunk, 1)), mem("F", (chunk, 1)), mem("Q", (chunk, 1)), mem("S", (0, 1))
    clear, share = (
        vector("mov", sums, 0.0, None, 1, n),
        vector("mul", sums, sums, 1.0 / len(view.partition("lanes").order), 1, n),
    )
    code: list[Instruction] = []
    if params["norm"] == "layer":
        code += [clear, add_to(sums, x, stream, rows, n), *_all_reduce(view, b, first, [share], n)]
        code.append(vector("sub", wide, x, sums, rows, n))
    else:
        code.append(vector("mul", wide, x, 1.0, rows, n))
    code += [vector("mov", copy, wide, None, rows, n), clear, vector("fma", sums, wide, copy, rows, n)]
    scale = [
        share,
        vector("add", sums, sums, float(params["epsilon"]), 1, n),
        vector("rsqrt", sums, sums, None, 1, n),
    ]
    code += _all_reduce(view, b, first, scale, n)
    return [*code, *_scaled(view, b, lanes, rows, n)]


def _scaled(view: View, b: ClassBuilder, lanes: np.ndarray, rows: Reg, n: Reg) -> list[Instruction]:
    """OUT = F * S [* gamma [+ beta]]: the last step rounds to the stream's type."""
    chunk, largest = view.chunk, view.partition("lanes").largest
    wide = mem("F", (chunk, 1))
    steps = [("mul", mem("S", (0, 1)))]
    for name, buffer, op in (("gamma", "G", "mul"), ("beta", "B", "add")):
        if name in view.kernel.tensors:
            b.buffer(buffer, DType.F32, largest, Category.WEIGHTS, _per_lane(view, name, lanes))
            steps.append((op, mem(buffer, (1, 0))))
    results = [wide] * (len(steps) - 1) + [mem("OUT", (chunk, 1))]
    return [vector(op, result, wide, by, rows, n) for (op, by), result in zip(steps, results, strict=True)]


def _send_back(length: int) -> tuple[Bundle, ...]:
    """From the middle to both ends."""
    middle = length // 2
    ends = [(Port.WEST, 0)] + ([(Port.EAST, length - 1)] if middle < length - 1 else [])
    return tuple(Bundle(0, (1, 1), at(middle), at(0), Port.RAMP, (Leg(d, at(end), ramp=True),)) for d, end in ends)


def _all_reduce(view: View, b: ClassBuilder, first: int, at_end: Sequence[Instruction], n: Reg) -> list[Instruction]:
    """S = sum of all PEs' S, then `at_end` in the middle, whose S all receive."""
    length = view.partition("lanes").lanes
    if length == 1:
        return list(at_end)
    sums, middle = mem("S", (0, 1)), length // 2
    if first == middle:
        arms = [p for p in (middle - 1, middle + 1) if p < length]
        arriving = [b.input(f"arm{p}", view.colors[sending_parity(p, length)], DType.F32) for p in arms]
        out = b.output("all_out", view.colors[BROADCAST], DType.F32)
        added = [vector("add", sums, arm, sums, 1, n) for arm in arriving]
        return [*added, *at_end, vector("mov", out, sums, None, 1, n)]
    parity = sending_parity(first, length)
    onward, back = b.output("onward", view.colors[parity], DType.F32), b.input("all", view.colors[BROADCAST], DType.F32)
    send = launch(CHAIN, "mov", onward, sums, None, 1, n)
    if first not in (0, length - 1):
        send = launch(CHAIN, "add", onward, b.input("arm", view.colors[1 - parity], DType.F32), sums, 1, n)
    return [send, wait(CHAIN), vector("mov", sums, back, None, 1, n)]


def _per_lane(view: View, name: str, lanes: np.ndarray) -> np.ndarray:
    """A per-feature tensor cut by lane: [1, lanes, largest]."""
    partition = view.partition("lanes")
    cut = np.zeros((1, len(lanes), partition.largest), np.float32)
    for column, lane in enumerate(lanes):
        mine = partition.features(int(lane))
        cut[0, column, : len(mine)] = view.kernel.tensors[name][mine]
    return cut
