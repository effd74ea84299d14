"""Scatter and gather: lines of PEs between host links and the lanes of a stream.

Scatter: each segment of the line is fed by one host link at its west end; a PE keeps its own lane's block and passes
the rest on. Gather: each segment runs east to its host link; a PE sends its own block, then passes on what comes
from the west, so the block nearest the link comes first.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, launch, mem, send_header, take_header, wait
from tulle_compiler.kernels.chains import at, column_entries
from tulle_compiler.kernels.view import View, partition_tensors
from tulle_compiler.partition import Partition
from tulle_ir.code import DType, Instruction
from tulle_ir.plan import Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Grid, Leg, Port, ProgramClass

PASS_ON, RECEIVE, SEND = 0, 1, 2  # microthreads, most urgent first


def segments(lanes: int, links: int) -> np.ndarray:
    """Bounds of the segments of positions, one per link: [links + 1]."""
    return np.arange(links + 1) * lanes // links


def plan_host_lanes(
    name: str,
    scatter: bool,
    lanes: Partition,
    links: int,
    dtype: DType,
    chunk: int,
) -> Kernel:
    """The kernel of a scatter ("in0".. to "y") or a gather ("x" to "out0"..) of `links` segments."""
    length, bounds = lanes.lanes, segments(lanes.lanes, links)
    side: list[Terminal] = []
    for s in range(links):
        if scatter:
            entry = Entry(Port.EAST, at(int(bounds[s])), at(0), Leg(Port.EAST, at(int(bounds[s])), ramp=True))
            side.append(Terminal(f"in{s}", 1, False, entries=(entry,), order_group=1 + s))
        else:
            side.append(Terminal(f"out{s}", 1, True, at(int(bounds[s + 1]) - 1), at(0), order_group=1 + s))
    stream = (
        Terminal("y", length, True, at(0, 1), at(0))
        if scatter
        else Terminal("x", length, False, entries=column_entries(1))
    )
    internal = []
    for parity in (0, 1):
        hops = tuple(
            Bundle(0, (1, 1), at(p), at(0), Port.RAMP, (Leg(Port.EAST, at(p + 1)),), Port.RAMP)
            for a, z in pairwise(bounds)
            for p in range(int(a), int(z) - 1)
            if (p - int(a)) % 2 == parity
        )
        if hops:
            internal.append(InternalRoute(parity, hops))
    wavelets = -(-chunk // (2 if dtype is DType.F16 else 1))
    longest = int(np.diff(bounds).max()) * lanes.largest * wavelets
    size = lanes.largest * chunk * dtype.size
    return Kernel(
        name=name,
        kind="scatter" if scatter else "gather",
        origin="",
        width=length,
        height=1,
        terminals=(*side, stream),
        internal=tuple(internal),
        cost=KernelCost(longest, longest, len(lanes.order) * wavelets / links, size, 0, length),
        params={"links": links, "dtype": dtype.value},
        tensors=dict(partition_tensors("lanes", lanes)),
    )


def position_lanes(view: View) -> np.ndarray:
    """The lane at each position of the line."""
    return view.ports["y" if view.kernel.kind == "scatter" else "x"].lanes()


def port_features(view: View, segment: int) -> np.ndarray:
    """The features that travel over a segment's host link, in order (i32)."""
    partition, lanes = view.partition("lanes"), position_lanes(view)
    bounds = segments(len(lanes), view.number("links"))
    mine = lanes[bounds[segment] : bounds[segment + 1]]
    if view.kernel.kind == "gather":
        mine = mine[::-1]
    return np.concatenate([partition.features(int(lane)) for lane in mine]).astype(np.int32)


def emit_host_lanes(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """One class per PE of the line: they differ in their queues."""
    bounds = segments(len(position_lanes(view)), view.number("links"))
    emit = _scatter if view.kernel.kind == "scatter" else _gather
    return [
        emit(view, s, p, int(bounds[s]), int(bounds[s + 1]), tensors)
        for s in range(len(bounds) - 1)
        for p in range(int(bounds[s]), int(bounds[s + 1]))
    ]


def _scatter(view: View, s: int, p: int, a: int, z: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """PE p of segment s = [a, z)."""
    chunk, dtype = view.chunk, DType(view.kernel.params["dtype"])
    partition, lanes = view.partition("lanes"), position_lanes(view)
    b = ClassBuilder(f"p{p}", Grid(p, 0, 1, 1), view.target)
    header, n = b.register("header"), b.register("n")
    own = b.register("own", int(partition.sizes[lanes[p]]))
    color = view.ports[f"in{s}"].colors[0] if p == a else view.colors[(p - 1 - a) % 2]
    source = b.input("in", color, dtype)
    out = b.output("y", view.ports["y"].colors[p], dtype)
    b.buffer("X", dtype, partition.largest * chunk)
    block = mem("X", (chunk, 1))
    code: list[Instruction] = [
        *take_header(source, header, n),
        wait(SEND),
        launch(RECEIVE, "mov", block, source, None, own, n),
        wait(RECEIVE),
    ]
    if p < z - 1:
        onward = b.output("onward", view.colors[(p - a) % 2], dtype)
        rest = b.register("rest", int(partition.sizes[lanes[p + 1 : z]].sum()))
        code += [wait(PASS_ON), send_header(onward, header), launch(PASS_ON, "mov", onward, source, None, rest, n)]
    code += [send_header(out, header), launch(SEND, "mov", out, block, None, own, n)]
    b.task("chunk", code, on=source)
    return b.finish(view.kernel.name, view.frame, tensors)


def _gather(view: View, s: int, p: int, a: int, z: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """PE p of segment s = [a, z)."""
    chunk, dtype = view.chunk, DType(view.kernel.params["dtype"])
    partition, lanes = view.partition("lanes"), position_lanes(view)
    b = ClassBuilder(f"p{p}", Grid(p, 0, 1, 1), view.target)
    header, n = b.register("header"), b.register("n")
    own = b.register("own", int(partition.sizes[lanes[p]]))
    source = b.input("x", view.ports["x"].colors[p], dtype)
    last = p == z - 1
    color = view.ports[f"out{s}"].colors[0] if last else view.colors[(p - a) % 2]
    out = b.output("out", color, dtype)
    b.buffer("X", dtype, partition.largest * chunk)
    block = mem("X", (chunk, 1))
    code: list[Instruction] = [
        *take_header(source, header, n),
        wait(SEND),
        launch(RECEIVE, "mov", block, source, None, own, n),
        wait(RECEIVE),
        wait(PASS_ON),
    ]
    if last:
        code.append(send_header(out, header))
    code.append(launch(SEND, "mov", out, block, None, own, n))
    if p > a:
        west = b.input("west", view.colors[(p - 1 - a) % 2], dtype)
        before = b.register("before", int(partition.sizes[lanes[a:p]].sum()))
        code += [wait(SEND), launch(PASS_ON, "mov", out, west, None, before, n)]
    b.task("chunk", code, on=source)
    return b.finish(view.kernel.name, view.frame, tensors)
