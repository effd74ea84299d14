"""Scatter and gather: lines of PEs between host links and the lanes of a stream.

Scatter: each segment of the line is fed by one host link at its west end, with the first row of every lane, then the
second, and so on (lanes with fewer rows than the largest get rows to drop); a PE sends its own row into its lane and
passes the others on, so all lanes start at once. Gather: each segment runs east to its host link; a PE sends its own
block, then passes on what comes from the west, so the block nearest the link comes first; if blocks are made in groups
of rows, the first group of all of them, then the second.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tulle_compiler.kernels.chains import at, column_entries, runs
from tulle_compiler.kernels.gather import emit_gather
from tulle_compiler.kernels.line import Line, position_lanes, segments
from tulle_compiler.kernels.scatter import emit_scatter
from tulle_compiler.kernels.view import View, group_text, partition_tensors
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.plan import Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Bundle, Grid, Leg, Port, ProgramClass


def plan_host_lanes(
    name: str,
    scatter: bool,
    lanes: Partition,
    links: int,
    precision: Precision,
    chunk: int,
    features: np.ndarray | None = None,
    even: bool = False,
    groups: tuple[int, ...] = (1,),
) -> Kernel:
    """The kernel of a scatter ("in0".. to "y") or a gather ("x" to "out0"..) of `links` segments.

    `features`: what the features of `lanes` are called by the host, if it is not 0, 1, ...; `even`: see `segments`;
    `groups`: weights of the groups in which a gather's lanes bring their rows.
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
        params={"links": links, "even": int(even), "groups": group_text(groups)},
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


def port_features(view: View, segment: int) -> np.ndarray:
    """The features that travel over a segment's host link, in order (i32)."""
    partition, lanes = view.partition("lanes"), position_lanes(view)
    bounds = segments(len(lanes), view.number("links"), bool(view.number("even")))
    mine = lanes[bounds[segment] : bounds[segment + 1]]
    if view.kernel.kind == "scatter":
        here = _by_rows([partition.features(int(lane)) for lane in mine])
    else:
        groups = partition.grouped(view.groups())
        here = np.concatenate([rows.features(int(lane)) for rows in groups for lane in mine[::-1]])
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
    line = Line(view)
    look, emit = (line.scatter, emit_scatter) if view.kernel.kind == "scatter" else (line.gather, emit_gather)
    looks = [look(p) for p in range(len(line.lanes))]
    return [emit(line, looks[first], Grid(first, 0, count, 1, step, 1), tensors) for first, count, step in runs(looks)]
