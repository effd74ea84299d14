"""The waiting circle of a deadlock: PEs of which each waits for the next, and the last for the first.

A PE that waits for input waits for the PE that sends the color; one that waits for output space, for those that take
it. Only PEs with a wait of their own are followed; a deadlock for want of host input has no circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tulle_ir.program import Program
from tulle_ir.routes import RAMP, STEP_X, STEP_Y, RouteEntries, expand_routes, opposite
from tulle_runtime.result import Wait

MOST_ROUTERS = 20_000  # routers walked before the search is given up
ABSENT = -1
COLORS = 256  # more than any machine has

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Link:
    """`wait`, for something that the PE at `on` must do."""

    wait: Wait
    on: Place


def waiting_circle(waits: list[Wait], program: Program) -> list[Link]:
    """The links of a circle, oldest wait first; empty if there is none (or the search would take too long)."""
    import networkx as nx  # noqa: PLC0415 - a tenth of what the command takes to start, and rarely needed

    by_place: dict[Place, list[Wait]] = {}
    for wait in waits:
        if wait.color >= 0 and wait.why in ("input", "output space") and not wait.who.startswith("host"):
            by_place.setdefault((wait.x, wait.y), []).append(wait)
    paths = _Paths(expand_routes(program)[0])
    graph: nx.DiGraph[Place] = nx.DiGraph()
    for place, here in by_place.items():
        for wait in here:
            for other in paths.ends(wait):
                if other in by_place and other != place and not graph.has_edge(place, other):
                    graph.add_edge(place, other, wait=wait)
    if paths.exhausted:
        return []
    try:
        edges = nx.find_cycle(graph)
    except nx.NetworkXNoCycle:
        return []
    links = [Link(graph.edges[edge]["wait"], edge[1]) for edge in edges]
    oldest = min(range(len(links)), key=lambda i: (links[i].wait.since, links[i].wait.y, links[i].wait.x))
    return links[oldest:] + links[:oldest]


class _Paths:
    """Follows colors from router to router."""

    def __init__(self, entries: RouteEntries) -> None:
        self.width, self.height = entries.mesh
        self.entries = entries
        self.keys = entries.router.astype(np.int64) * COLORS + entries.color  # ascending
        self.left = MOST_ROUTERS

    @property
    def exhausted(self) -> bool:
        """Whether the search was given up."""
        return self.left <= 0

    def ends(self, wait: Wait) -> Iterator[Place]:
        """The PEs that could end the wait: the sender of its color, or all that take it."""
        return self._sender(wait) if wait.why == "input" else self._takers(wait)

    def _sender(self, wait: Wait) -> Iterator[Place]:
        x, y = wait.x, wait.y
        while self.left > 0:
            self.left -= 1
            port, _ = self._entry(x, y, wait.color)
            if port == ABSENT:
                return
            if port == RAMP:
                yield (x, y)
                return
            x, y = x + STEP_X[port], y + STEP_Y[port]
            if not self._inside(x, y):
                return

    def _takers(self, wait: Wait) -> Iterator[Place]:
        routers = [(wait.x, wait.y, RAMP)]
        while routers and self.left > 0:
            self.left -= 1
            x, y, entered = routers.pop()
            port, mask = self._entry(x, y, wait.color)
            if port != entered:
                continue
            if mask >> RAMP & 1:
                yield (x, y)
            for side in range(4):
                nx_, ny = x + STEP_X[side], y + STEP_Y[side]
                if mask >> side & 1 and self._inside(nx_, ny):
                    routers.append((nx_, ny, opposite(side)))

    def _entry(self, x: int, y: int, color: int) -> tuple[int, int]:
        """Input port and mask of outputs; ABSENT and none if the router has no such entry."""
        key = (y * self.width + x) * COLORS + color
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key:
            return ABSENT, 0
        return int(self.entries.port[at]), int(self.entries.mask[at])

    def _inside(self, x: int, y: int) -> bool:
        return 0 <= x < self.width and 0 <= y < self.height
