"""Scatter and gather: lines of PEs between host links and the lanes of a stream.

Scatter: each segment of the line is fed by one host link at its west end, with the first row of every lane, then the
second, and so on (lanes with fewer rows than the largest get rows to drop); a PE sends its own row into its lane and
passes the others on, so all lanes start at once. Gather: each segment runs east to its host link; a PE sends its own
block, then passes on what comes from the west, so the block nearest the link comes first; if blocks are made in groups
of rows, the first group of all of them, then the second. The last PE of a segment has
nobody to hold up and stores nothing: the wavelets of its lane go straight through. A gather that gets partial sums
turns them into elements of the stream first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, launch, mem, send_header, take_header, vector, wait
from tulle_compiler.kernels.chains import at, column_entries, runs
from tulle_compiler.kernels.view import View, partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import Await, Fabric, Instruction, Loop, Mem, Push, Reg
from tulle_ir.plan import Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Grid, Leg, Port, ProgramClass

PASS_ON, RECEIVE, SEND = 0, 1, 2  # microthreads, most urgent first


def segments(lanes: int, links: int, even: bool) -> np.ndarray:
    """Bounds of the segments of positions, one per link: [links + 1].

    Evenly spread like the links along an edge, so that a line there leads straight to them; or the longer ones first,
    so that segments of one length lie side by side and share their classes.
    """
    link = np.arange(links + 1)
    if even:
        return link * lanes // links
    shortest, longer = divmod(lanes, links)
    return link * shortest + np.minimum(link, longer)


def plan_host_lanes(
    name: str,
    scatter: bool,
    lanes: Partition,
    links: int,
    precision: Precision,
    chunk: int,
    features: np.ndarray | None = None,
    even: bool = False,
    groups: int = 1,
) -> Kernel:
    """The kernel of a scatter ("in0".. to "y") or a gather ("x" to "out0"..) of `links` segments.

    `features`: what the features of `lanes` are called by the host, if it is not 0, 1, ...; `even`: see `segments`;
    `groups`: in which a gather's lanes bring their rows.
    """
    length, bounds = lanes.lanes, segments(lanes.lanes, links, even)
    side: list[Terminal] = []
    for s in range(links):
        if scatter:
            side.append(Terminal(f"in{s}", 1, False, entries=_ways_in(int(bounds[s])), order_group=1 + s))
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
    wavelets = precision.stream.wavelets(chunk)
    longest = int(np.diff(bounds).max()) * lanes.largest * wavelets
    size = (1 if scatter else lanes.largest) * chunk * precision.stream.size
    return Kernel(
        name=name,
        kind="scatter" if scatter else "gather",
        origin="",
        width=length,
        height=1,
        terminals=(*side, stream),
        internal=tuple(internal),
        cost=KernelCost(longest, longest, len(lanes.order) * wavelets / links, size, pes=length, latency=longest),
        params={"links": links, "even": int(even), "groups": groups},
        tensors=partition_tensors("lanes", lanes) | ({} if features is None else {"features": features}),
    )


def _ways_in(position: int) -> tuple[Entry, ...]:
    """A host link leads to a PE of a scatter along the line, from either side, or across it."""
    return (
        *(
            Entry(heading, at(position), at(0), Leg(heading, at(position), ramp=True))
            for heading in (Port.EAST, Port.WEST)
        ),
        *(Entry(heading, at(position), at(0), Leg(heading, at(0), ramp=True)) for heading in (Port.SOUTH, Port.NORTH)),
    )


def position_lanes(view: View) -> np.ndarray:
    """The lane at each position of the line."""
    return view.ports["y" if view.kernel.kind == "scatter" else "x"].lanes()


def port_features(view: View, segment: int) -> np.ndarray:
    """The features that travel over a segment's host link, in order (i32)."""
    partition, lanes = view.partition("lanes"), position_lanes(view)
    bounds = segments(len(lanes), view.number("links"), bool(view.number("even")))
    mine = lanes[bounds[segment] : bounds[segment + 1]]
    if view.kernel.kind == "scatter":
        here = _by_rows([partition.features(int(lane)) for lane in mine])
    else:
        groups = view.number("groups")
        rows = partition.split(groups)
        here = np.concatenate([rows.features(int(lane) * groups + g) for g in range(groups) for lane in mine[::-1]])
    names = view.kernel.tensors.get("features", np.arange(len(partition.order)))
    return np.where(here < 0, -1, names[here]).astype(np.int32)


def _by_rows(blocks: list[np.ndarray]) -> np.ndarray:
    """The first feature of each block, then the second ...; -1 where a block is shorter than the largest."""
    rows = np.full((max(map(len, blocks)), len(blocks)), -1)
    for column, block in enumerate(blocks):
        rows[: len(block), column] = block
    return rows.reshape(-1)


def emit_host_lanes(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """One class for every regular run of PEs with the same queues."""
    line = _Line(view)
    look, emit = (line.scatter, _scatter) if view.kernel.kind == "scatter" else (line.gather, _gather)
    looks = [look(p) for p in range(len(line.lanes))]
    return [emit(line, looks[first], Grid(first, 0, count, 1, step, 1), tensors) for first, count, step in runs(looks)]


@dataclass(frozen=True, slots=True)
class _Look:
    """What the code of a PE depends on: colors of its queues; -1: it has no such queue."""

    source: int
    out: int
    neighbour: int  # to the next PE of a scatter, from the one before in a gather
    is_last: bool


class _Line:
    """The line of PEs: per position the lane, and the bounds of its segment."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.dtype = view.precision.stream
        self.lanes = position_lanes(view)
        self.bounds = segments(len(self.lanes), view.number("links"), bool(view.number("even")))
        self.segment = np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))
        self.partition = view.partition("lanes")
        self.sizes = self.partition.sizes[self.lanes].astype(np.int64)
        groups = view.number("groups")
        self.groups = self.partition.split(groups).sizes.reshape(-1, groups)[self.lanes].astype(np.int64).T

    def _ends(self, p: int) -> tuple[int, int, int]:
        """The segment of position p, its first position and the one behind its last."""
        s = int(self.segment[p])
        return s, int(self.bounds[s]), int(self.bounds[s + 1])

    def scatter(self, p: int) -> _Look:
        """A PE of a scatter: from the link or the PE before, to its lane and the PE behind."""
        s, a, z = self._ends(p)
        view, is_last = self.view, p == z - 1
        source = view.ports[f"in{s}"].colors[0] if p == a else view.colors[(p - 1 - a) % 2]
        return _Look(source, view.ports["y"].colors[p], -1 if is_last else view.colors[(p - a) % 2], is_last)

    def gather(self, p: int) -> _Look:
        """A PE of a gather: from its lane and the PE before, to the PE behind or the link."""
        s, a, z = self._ends(p)
        view, is_last = self.view, p == z - 1
        out = view.ports[f"out{s}"].colors[0] if is_last else view.colors[(p - a) % 2]
        return _Look(view.ports["x"].colors[p], out, -1 if p == a else view.colors[(p - 1 - a) % 2], is_last)

    def builder(self, grid: Grid) -> tuple[ClassBuilder, Reg, Reg]:
        """A class at these positions with the registers that both kinds have."""
        b = ClassBuilder(f"p{grid.x}", grid, self.view.target)
        return b, b.register("header"), b.register("n")

    def block(self, b: ClassBuilder) -> Mem:
        """Room for a group of the PE's lane of a chunk."""
        b.buffer("X", self.dtype, int(self.groups.max()) * self.view.chunk)
        return mem("X", (self.view.chunk, 1))

    def converted(self, b: ClassBuilder, source: Fabric, block: Mem, own: Reg, n: Reg) -> list[Instruction]:
        """Receive partial sums and round each row to the stream's type when it is there."""
        chunk, dtype = self.view.chunk, self.view.ports["x"].dtype
        b.buffer("Z", dtype, int(self.groups.max()) * chunk)
        k = b.register("k")
        row = vector("mov", mem(block.buffer, (0, 1), 0, (k, chunk)), mem("Z", (0, 1), 0, (k, chunk)), None, 1, n)
        receive = launch(RECEIVE, "mov", mem("Z", (chunk, 1)), source, None, own, n)
        return [receive, Loop(k, own, (Await(RECEIVE, k), row))]

    def later(self, grid: Grid) -> np.ndarray:
        """Lanes behind each PE in its segment."""
        return self._of(grid, self.bounds[self.segment + 1] - 1 - np.arange(len(self.lanes)))

    def padding(self, grid: Grid) -> np.ndarray:
        """Rows that a scatter's PE drops: those by which the largest lane of its segment is larger than its own."""
        return self._of(grid, np.maximum.reduceat(self.sizes, self.bounds[:-1])[self.segment] - self.sizes)

    def lane_sizes(self, grid: Grid) -> np.ndarray:
        """Features of each PE's lane."""
        return self._of(grid, self.sizes)

    def own(self, grid: Grid, group: int) -> np.ndarray:
        """Features of each PE's lane in a group."""
        return self._of(grid, self.groups[group])

    def earlier(self, grid: Grid, group: int) -> np.ndarray:
        """Features of the lanes before each PE in its segment, in a group."""
        before = np.concatenate([[0], np.cumsum(self.groups[group])])
        return self._of(grid, before[:-1] - before[self.bounds[self.segment]])

    def _of(self, grid: Grid, values: np.ndarray) -> np.ndarray:
        return values[grid.x + grid.step_x * np.arange(grid.width)][None, :]


def _scatter(line: _Line, look: _Look, grid: Grid, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs of a scatter at these positions."""
    b, header, n = line.builder(grid)
    own = b.register("own", line.lane_sizes(grid))
    source = b.input("in", look.source, line.dtype)
    out = b.output("y", look.out, line.dtype)
    code: list[Instruction] = take_header(source, header, n)
    onward: list[Instruction] = []
    if not look.is_last:
        neighbour = b.output("onward", look.neighbour, line.dtype)
        code.append(send_header(neighbour, header))
        onward = [vector("mov", neighbour, source, None, b.register("later", line.later(grid)), n)]
    code += [send_header(out, header), Loop(b.register("k"), own, (vector("mov", out, source, None, 1, n), *onward))]
    padding = line.padding(grid)
    if padding.any():
        b.buffer("dropped", line.dtype, line.view.chunk)
        drop = vector("mov", mem("dropped"), source, None, 1, n)
        code.append(Loop(b.register("k"), b.register("padding", padding), (drop, *onward)))
    b.task("chunk", code, on=source)
    return b.finish(line.view.kernel.name, line.view.frame, tensors)


def _gather(line: _Line, look: _Look, grid: Grid, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs of a gather at these positions."""
    b, header, n = line.builder(grid)
    source = b.input("x", look.source, line.view.ports["x"].dtype)
    out = b.output("out", look.out, line.dtype)
    code = take_header(source, header, n)
    for group in range(len(line.groups)):
        begin = [send_header(out, header)] if look.is_last and group == 0 else []
        code += _own_group(line, b, b.register(_named("own", group), line.own(grid, group)), n, look, begin)
        if look.neighbour >= 0:
            west = b.input("west", look.neighbour, line.dtype)
            before = b.register(_named("before", group), line.earlier(grid, group))
            code += [wait(SEND), launch(PASS_ON, "mov", out, west, None, before, n)]
    b.task("chunk", code, on=source)
    return b.finish(line.view.kernel.name, line.view.frame, tensors)


def _own_group(line: _Line, b: ClassBuilder, own: Reg, n: Reg, look: _Look, begin: list[Push]) -> list[Instruction]:
    """Take a group of the PE's own lane, and send it when what was passed on before has gone; `begin`: the header."""
    source, out, arriving = Fabric("x"), Fabric("out"), line.view.ports["x"].dtype
    if look.is_last and arriving is line.dtype:
        return [wait(SEND), wait(PASS_ON), *begin, launch(SEND, "mov", out, source, None, own, n)]
    block = line.block(b)
    if arriving is line.dtype:
        received = [launch(RECEIVE, "mov", block, source, None, own, n), wait(RECEIVE)]
    else:
        received = line.converted(b, source, block, own, n)
    return [wait(SEND), *received, wait(PASS_ON), *begin, launch(SEND, "mov", out, block, None, own, n)]


def _named(register: str, group: int) -> str:
    return f"{register}{group or ''}"
