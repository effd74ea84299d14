"""The cost of a placement, in wavelet-hops per chunk.

* traffic: over all nets, lanes * wavelets * mean hops of the shortest path the lanes can take;
* sharing: every directed link that two nets' legs may share costs as much as SHARING further hops of the lighter net
  (legs are taken as rectangles, so corners count a little too often);
* latency: the hops of the longest chain of nets, times LATENCY times the mean weight (lanes * wavelets) of a net.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from tulle_compiler.place.links import HostEnds
from tulle_compiler.place.wires import Place3, Reach, Wires, frame_of
from tulle_ir.plan import HOST, Plan

SHARING = 2.0
LATENCY = 0.25


@dataclass(frozen=True, slots=True)
class PlacementCost:
    """The three terms, in wavelet-hops per chunk, and how many nets have no path."""

    traffic: float
    sharing: float
    latency: float
    unroutable: int = 0

    @property
    def total(self) -> float:
        """What placement minimises."""
        return self.traffic + self.sharing + self.latency


def topological_order(plan: Plan) -> list[int]:
    """Kernels from inputs to outputs; of several that could come next, the lowest index."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(plan.kernels)))
    graph.add_edges_from(
        (n.source.kernel, n.sink.kernel) for n in plan.nets if HOST not in (n.source.kernel, n.sink.kernel)
    )
    if not nx.is_directed_acyclic_graph(graph):
        return list(range(len(plan.kernels)))
    return list(nx.lexicographical_topological_sort(graph))


class CostModel:
    """Evaluates complete placements of one plan."""

    def __init__(self, wires: Wires, host: HostEnds, order: list[int]) -> None:
        self.wires, self.host, self.order = wires, host, order
        self._incoming: list[list[int]] = [[] for _ in order]
        for index, shape in enumerate(wires.shapes):
            self._incoming[shape.sink].append(index)
        self._mean_weight = float(np.mean([s.weight for s in wires.shapes])) if wires.shapes else 0.0

    def __call__(self, places: Sequence[Place3]) -> PlacementCost:
        """The cost of a complete placement."""
        shapes = self.wires.shapes
        reaches = [self.wires.reach(s, places[s.source], places[s.sink]) for s in shapes]
        lengths = [r.length for r in reaches]
        unroutable = sum(r.path is None for r in reaches)
        return self._sum(lengths, self._shared(reaches), places, unroutable)

    def lost(self, places: Sequence[Place3]) -> list[tuple[int, int]]:
        """The kernels at both ends of each net without a path."""
        shapes = self.wires.shapes
        reaches = (self.wires.reach(s, places[s.source], places[s.sink]) for s in shapes)
        return [(s.source, s.sink) for s, reach in zip(shapes, reaches, strict=True) if reach.path is None]

    def around(self, kernels: Collection[int], places: Sequence[Place3]) -> float:
        """The traffic of the nets that touch some kernels."""
        total = sum(
            s.weight * self.wires.hops(s, places[s.source], places[s.sink])
            for s in self.wires.shapes
            if s.source in kernels or s.sink in kernels
        )
        return total + sum(
            self.host.nearest(n, places[k]) for k in sorted(kernels) for n in self.host.by_kernel.get(k, ())
        )

    def by_distance(self, places: Sequence[Place3]) -> PlacementCost:
        """The cost if every lane could run straight from middle to middle: a lower bound, without sharing."""
        lengths = []
        for s in self.wires.shapes:
            (o, x, y), (p, u, v) = places[s.source], places[s.sink]
            step = s.doubled_sink[p] + 2 * np.array([u - x, v - y]) - s.doubled_source[o]
            lengths.append(int(np.abs(step).sum(axis=1).min()))
        return self._sum(lengths, 0.0, places, 0)

    def _sum(self, lengths: Sequence[int], sharing: float, places: Sequence[Place3], unroutable: int) -> PlacementCost:
        hops = [length / 2 + 1 for length in lengths]
        traffic = sum(s.weight * h for s, h in zip(self.wires.shapes, hops, strict=True))
        traffic += sum(self.host.nearest(n, places[self.host.kernel(n)]) for n in self.host.nets)
        return PlacementCost(traffic, sharing, LATENCY * self._mean_weight * self._longest(hops), unroutable)

    def _longest(self, hops: Sequence[float]) -> float:
        """Hops of the longest chain of nets."""
        reached = [0.0] * len(self.order)
        for k in self.order:
            for index in self._incoming[k]:
                reached[k] = max(reached[k], reached[self.wires.shapes[index].source] + hops[index])
        return max(reached, default=0.0)

    def _shared(self, reaches: Sequence[Reach]) -> float:
        """Links that legs of different nets may share, weighted by the lighter net's wavelets."""
        rows = [
            (*box, index, self.wires.plan.nets[shape.net].wavelets)
            for index, (shape, reach) in enumerate(zip(self.wires.shapes, reaches, strict=True))
            if reach.path is not None
            for box in leg_boxes(reach.path.dirs, reach.path.stops, reach.path.start)
        ]
        if not rows:
            return 0.0
        legs = np.array(rows, dtype=np.int64)
        total = 0.0
        for direction in range(4):
            d, x0, y0, x1, y1, net, wavelets = legs[legs[:, 0] == direction].T
            if not len(d):
                continue
            width = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
            height = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
            area = np.maximum(width, 0) * np.maximum(height, 0)
            area[net[:, None] == net] = 0
            total += float((area * np.minimum(wavelets[:, None], wavelets)).sum()) / 2
        return SHARING * total


def leg_boxes(
    dirs: Sequence[int], stops: Sequence[tuple[int, int]], start: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int, int, int]]:
    """Per leg its direction and the rectangle (x0, y0, x1, y1, half-open) of the routers its lanes depart from."""
    boxes = []
    x, y = start
    for direction, stop in zip(dirs, stops, strict=True):
        to_x, to_y = (stop, y) if direction % 2 else (x, stop)
        x0, x1 = min(*x, *to_x), max(*x, *to_x) + 1
        y0, y1 = min(*y, *to_y), max(*y, *to_y) + 1
        if direction % 2:
            x0, x1 = (x0, x1 - 1) if direction == 1 else (x0 + 1, x1)
        else:
            y0, y1 = (y0, y1 - 1) if direction == 2 else (y0 + 1, y1)
        if x0 < x1 and y0 < y1:
            boxes.append((direction, x0, y0, x1, y1))
        x, y = to_x, to_y
    return boxes


def overlaps(plan: Plan, places: Sequence[Place3]) -> list[tuple[int, int]]:
    """Pairs of kernels that overlap, and (k, k) for a kernel that is not on the mesh."""
    boxes = np.array([frame_of(k, p).region for k, p in zip(plan.kernels, places, strict=True)], dtype=np.int64)
    x0, y0 = boxes[:, 0], boxes[:, 1]
    x1, y1 = x0 + boxes[:, 2], y0 + boxes[:, 3]
    hit = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    off = (x0 < 0) | (y0 < 0) | (x1 > plan.mesh[0]) | (y1 > plan.mesh[1])
    pairs = [(int(a), int(b)) for a, b in np.argwhere(np.triu(hit, 1))]
    return pairs + [(int(k), int(k)) for k in np.flatnonzero(off)]
