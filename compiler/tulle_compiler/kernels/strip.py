"""The strip kernel: a line of L PEs through which a residual stream passes; PE i serves lane i.

It adds the branch to the residual that waits here (`join`), passes the sum on as the next residual (`keep`), and
normalises it. A normalisation takes two rounds along the line (mean, then variance): partial sums run from both ends to
the middle, which sends the result back to all. strip_code.py says what a PE does, strip_norm.py how it normalises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.chains import at, column_entries, meeting_chain
from tulle_compiler.kernels.slots import block, hop_cycles, product_width, sum_width
from tulle_compiler.kernels.view import partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import DType, VectorOp
from tulle_ir.plan import InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Leg, Port
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
    """All PEs do the same; each reduction is a wait out and back. A lone chunk's residual is here before it."""
    largest, size = op.lanes.largest, precision.stream.size
    slots = strip_slots(op, precision, target, chunk)
    alone = slots + strip_wait(op, target, chunk)
    held = (op.slots if op.join else 0) * size + (1 if op.norm == "none" else 2) * size + 8 * (op.norm != "none")
    latency = alone - _storing(op, precision, target, chunk)
    return KernelCost(alone, slots, slots, largest * chunk * held + 4 * chunk, pes=op.lanes.lanes, latency=latency)


def strip_slots(op: Strip, precision: Precision, target: Target, chunk: int) -> float:
    """Datapath slots of a PE per full chunk."""
    rows, stream = op.lanes.largest, precision.stream
    slots = rows * precision.stream.wavelets(chunk) * (2 + int(op.join) + int(op.keep))
    slots += target.dispatch_cycles + 15 + _storing(op, precision, target, chunk)
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


def _storing(op: Strip, precision: Precision, target: Target, chunk: int) -> float:
    """The slots of these that a residual chunk takes to find a place and to leave it."""
    if not op.join:
        return 0.0
    residual = op.lanes.largest * precision.stream.wavelets(chunk)
    return residual + 2 * target.dispatch_cycles + 5 * target.branch_cycles + 15


def _mixed_width(target: Target, stream: DType) -> int:
    """Elements per cycle of an operation between stream elements and f32."""
    return target.widths.other if stream is DType.F16 else target.widths.f32_move


def strip_wait(op: Strip, target: Target, chunk: int) -> float:
    """Cycles a PE waits per chunk for the line: to the middle and back for each reduction."""
    rounds = {"none": 0, "layer": 2, "rms": 1}[op.norm]
    hop = hop_cycles(target)
    return rounds * (op.lanes.lanes // 2 * (hop + 1) + 2 * chunk + hop)


def _send_back(length: int) -> tuple[Bundle, ...]:
    """From the middle to both ends."""
    middle = length // 2
    ends = [(Port.WEST, 0)] + ([(Port.EAST, length - 1)] if middle < length - 1 else [])
    return tuple(Bundle(0, (1, 1), at(middle), at(0), Port.RAMP, (Leg(d, at(end), ramp=True),)) for d, end in ends)
