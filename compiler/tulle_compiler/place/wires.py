"""What a net costs between two placed kernels: the shortest path its lanes can take, remembered by relative place.

A place is (orientation index, x, y). Equal nets (of equal blocks of a model) share what is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tulle_compiler.route.bundles import path_groups
from tulle_compiler.route.ends import approaches_of, source_of, terminal
from tulle_compiler.route.shapes import (
    AXIS,
    Approach,
    Bounds,
    Path,
    Source,
    simple_paths,
    winding_paths,
)
from tulle_compiler.route.trace import fault
from tulle_ir.geometry import ORIENTATIONS, Frame
from tulle_ir.plan import HOST, Kernel, Net, Plan, Terminal

FAR = 1 << 20
NOWHERE = Bounds((-FAR, FAR), (-FAR, FAR))

Place3 = tuple[int, int, int]  # orientation index, x, y


class Reach(NamedTuple):
    """A net between two places: hops of the first plus the last lane up to the approach; the path if there is one."""

    length: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class NetShape:
    """Both ends of a net between kernels in each orientation, relative to the kernels' origins.

    `weight`: lanes * wavelets. `signature`: equal for nets with equal paths. `doubled_*`: sums of the first and the
    last lane's coordinates, [8, 2] of the source, [8, entries, 2] of the approaches. `slack`: hops that parallel lines
    must be apart because their pitches differ; `reach`: how long both lines are together. `source_axis`, `sink_axis`
    [8]: the axis of travel there (0: x, 1: y; one lane: -1).
    """

    net: int
    source: int
    sink: int
    lanes: int
    weight: int
    signature: int
    sources: tuple[Source, ...]
    approaches: tuple[tuple[Approach, ...], ...]
    doubled_source: np.ndarray
    doubled_sink: np.ndarray
    slack: int
    reach: int
    source_axis: np.ndarray
    sink_axis: np.ndarray

    def bound(self, step: np.ndarray, parallel: np.ndarray, axis: int) -> np.ndarray:
        """[N] lower bounds of the first plus the last lane's hops, for steps [N, entries, 2] (doubled) from the middle
        of the source to those of the approaches; `parallel` [N]: both lines are left and reached along `axis`."""
        step = np.abs(step)
        if self.slack and parallel.any():  # no room to turn twice: only round to the other side
            close = parallel[:, None] & (step[..., axis] < 2 * self.slack)
            step[..., 1 - axis] = np.where(close, np.maximum(step[..., 1 - axis], self.reach), step[..., 1 - axis])
        return step.sum(axis=-1).min(axis=-1)


def frame_of(kernel: Kernel, place: Place3) -> Frame:
    """A kernel's frame at a place."""
    return Frame(place[1], place[2], kernel.width, kernel.height, ORIENTATIONS[place[0]])


class Wires:
    """All nets between kernels of a plan, with their path lengths."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        width, height = plan.mesh
        self.bounds = Bounds((0, width - 1), (0, height - 1))
        self._lost = 2 * (width + height)  # the first plus the last lane's extra hops if there is no (known) path
        self.shapes: list[NetShape] = []
        self._memory: dict[tuple[int, ...], tuple[Reach, int, int, int, int]] = {}
        self._on_mesh: dict[tuple[int, ...], Reach] = {}
        signatures: dict[tuple[object, ...], int] = {}
        for index, net in enumerate(plan.nets):
            if HOST in (net.source.kernel, net.sink.kernel):
                continue
            key = _signature(plan, net)
            signature = signatures.setdefault(key, len(signatures))
            self.shapes.append(_shape(plan, index, net, signature))
        self.by_kernel: list[list[NetShape]] = [[] for _ in plan.kernels]
        for shape in self.shapes:
            self.by_kernel[shape.source].append(shape)
            if shape.sink != shape.source:
                self.by_kernel[shape.sink].append(shape)

    def reach(self, shape: NetShape, source: Place3, sink: Place3, winding: bool = True) -> Reach:
        """The shortest path between two places within the mesh. Paths of more than two corners are looked for only
        with `winding`, and only if there is no simpler one."""
        free, inside = self._free(shape, source, sink)
        if not inside:
            return self._bounded(shape, source, sink, winding)
        assert free.path is not None
        return Reach(free.length, _moved_path(free.path, source[1], source[2]))

    def hops(self, shape: NetShape, source: Place3, sink: Place3) -> float:
        """Mean hops of a lane, the one into the entry included; if it takes more than two corners, far too many."""
        free, inside = self._free(shape, source, sink)
        length = free.length if inside else self._bounded(shape, source, sink, winding=False).length
        return length / 2 + 1

    def _free(self, shape: NetShape, source: Place3, sink: Place3) -> tuple[Reach, bool]:
        """The shortest path without corners off the mesh in mind, relative to the source's origin, and whether it is on
        the mesh."""
        (o, x, y), (p, u, v) = source, sink
        key = (shape.signature, o, p, u - x, v - y)
        known = self._memory.get(key)
        if known is None:
            reach = _shortest(shape.sources[o], _moved_all(shape.approaches[p], u - x, v - y), shape.lanes, NOWHERE)
            known = self._memory[key] = (reach, *_box(reach.path))
        reach, x0, y0, x1, y1 = known
        return reach, x + x0 >= 0 and y + y0 >= 0 and x + x1 < self.plan.mesh[0] and y + y1 < self.plan.mesh[1]

    def _bounded(self, shape: NetShape, source: Place3, sink: Place3, winding: bool) -> Reach:
        """As `reach`, looking only at paths on the mesh."""
        key = (shape.signature, winding, *source, *sink)
        known = self._on_mesh.get(key)
        if known is not None:
            return known
        (o, x, y), (p, u, v) = source, sink
        start = _moved_source(shape.sources[o], x, y)
        approaches = _moved_all(shape.approaches[p], u, v)
        found = _shortest(start, approaches, shape.lanes, self.bounds)
        if found.path is None and winding:
            found = self._winding(shape, start, approaches, source, sink)
        elif found.path is None:
            found = Reach(least_length(start, approaches) + self._lost, None)
        self._on_mesh[key] = found
        return found

    def _winding(
        self, shape: NetShape, start: Source, approaches: tuple[Approach, ...], source: Place3, sink: Place3
    ) -> Reach:
        """The shortest path of three or four corners that passes the exact check."""
        paths = [p for a in approaches for p in winding_paths(start, a, shape.lanes, self.bounds)]
        frames = {k: frame_of(self.plan.kernels[k], place) for k, place in ((shape.source, source), (shape.sink, sink))}
        for path in sorted(paths, key=lambda p: p.length)[:12]:
            groups = path_groups(self.plan, self.plan.nets[shape.net], frames, None, path)
            if not any(fault(group, self.plan.mesh) for group in groups):
                return Reach(path.length, path)
        return Reach(least_length(start, approaches) + self._lost, None)


def least_length(source: Source, approaches: tuple[Approach, ...]) -> int:
    """A lower bound of the first plus the last lane's hops: the distance of the lines' middles."""
    (x0, x1), (y0, y1) = source.at
    return min(abs(sum(a.at[0]) - x0 - x1) + abs(sum(a.at[1]) - y0 - y1) for a in approaches)


def _shortest(source: Source, approaches: tuple[Approach, ...], lanes: int, bounds: Bounds) -> Reach:
    """The shortest path of at most two corners; the first found among equals."""
    best: Path | None = None
    for least, approach in sorted((least_length(source, (a,)), a) for a in approaches):
        if best is not None and best.length <= least:
            break
        for path in simple_paths(source, approach, lanes, bounds):
            if best is None or path.length < best.length:
                best = path
                if path.length == least:
                    return Reach(least, best)
    return Reach(best.length if best else 0, best)


def _box(path: Path | None) -> tuple[int, int, int, int]:
    """The least and greatest x and y (x0, y0, x1, y1) of a path's stops; nowhere if there is none."""
    if path is None:
        return (-FAR, -FAR, FAR, FAR)
    xs = [v for d, stop in zip(path.dirs, path.stops, strict=True) if d % 2 for v in stop] + [*path.start[0]]
    ys = [v for d, stop in zip(path.dirs, path.stops, strict=True) if not d % 2 for v in stop] + [*path.start[1]]
    return min(xs), min(ys), max(xs), max(ys)


def _moved_source(source: Source, x: int, y: int) -> Source:
    (a, b), (c, d) = source.at
    return Source(((a + x, b + x), (c + y, d + y)), source.firsts)


def _moved_all(approaches: tuple[Approach, ...], x: int, y: int) -> tuple[Approach, ...]:
    return tuple(
        Approach(((a + x, b + x), (c + y, d + y)), heading, entry) for ((a, b), (c, d)), heading, entry in approaches
    )


def _moved_path(path: Path, x: int, y: int) -> Path:
    by = (y, x, y, x)
    stops = tuple((a + by[d], b + by[d]) for d, (a, b) in zip(path.dirs, path.stops, strict=True))
    (a, b), (c, d) = path.start
    return path._replace(stops=stops, start=((a + x, b + x), (c + y, d + y)))


def _shape(plan: Plan, index: int, net: Net, signature: int) -> NetShape:
    """A net's ends in all orientations."""
    out, into = plan.kernels[net.source.kernel], plan.kernels[net.sink.kernel]
    source = terminal(plan, net.source.kernel, net.source.terminal)
    sink = terminal(plan, net.sink.kernel, net.sink.terminal)
    starts = tuple(source_of(frame_of(out, (o, 0, 0)), source) for o in range(8))
    ends = tuple(approaches_of(frame_of(into, (o, 0, 0)), sink) for o in range(8))
    return NetShape(
        index,
        net.source.kernel,
        net.sink.kernel,
        net.lanes,
        net.lanes * net.wavelets,
        signature,
        starts,
        ends,
        np.array([[sum(s.at[0]), sum(s.at[1])] for s in starts]),
        np.array([[[sum(a.at[0]), sum(a.at[1])] for a in e] for e in ends]),
        0 if _extent(starts[0].at) == _extent(ends[0][0].at) else net.lanes - 1,
        _extent(starts[0].at) + _extent(ends[0][0].at),
        np.array([AXIS[s.firsts[0]] if net.lanes > 1 else -1 for s in starts]),
        np.array([AXIS[e[0].heading] for e in ends]),
    )


def _extent(at: tuple[tuple[int, int], tuple[int, int]]) -> int:
    (x0, x1), (y0, y1) = at
    return abs(x1 - x0) + abs(y1 - y0)


def _signature(plan: Plan, net: Net) -> tuple[object, ...]:
    """What the paths of a net depend on, apart from places."""

    def of(kernel: Kernel, where: Terminal) -> tuple[object, ...]:
        entries = tuple((e.heading, e.x, e.y, e.leg, e.branches) for e in where.entries)
        return (kernel.width, kernel.height, where.lanes, where.x, where.y, where.colors, entries)

    a, b = net.source, net.sink
    return (
        *of(plan.kernels[a.kernel], terminal(plan, a.kernel, a.terminal)),
        *of(plan.kernels[b.kernel], terminal(plan, b.kernel, b.terminal)),
    )
