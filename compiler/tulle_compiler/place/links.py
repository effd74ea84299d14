"""Which host link each net that touches the host uses: distinct ones first, near to where the net goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.place.wires import Place3, Wires, frame_of
from tulle_compiler.route.ends import HOST, approaches_of, line, terminal
from tulle_compiler.route.shapes import Approach
from tulle_ir.host_links import host_links
from tulle_ir.placed import HostLink
from tulle_ir.plan import Plan
from tulle_ir.program import Port
from tulle_ir.target import Target

SIDES = (Port.SOUTH, Port.WEST, Port.NORTH, Port.EAST)  # by heading, the side that the wavelets come from

TINY = 1e-9  # what sums of floats may differ by

MANY = 4  # nets between one kernel and the host


class HostEnds:
    """The nets that touch the host, and where they meet their kernels."""

    def __init__(self, wires: Wires, target: Target) -> None:
        self.plan: Plan = wires.plan
        self.links = host_links(target, self.plan.mesh)
        self.at = np.array([[link.x, link.y] for link in self.links])  # [links, 2]
        self.nets = [n for n, net in enumerate(self.plan.nets) if HOST in (net.source.kernel, net.sink.kernel)]
        self.by_kernel: dict[int, list[int]] = {}
        for n in self.nets:
            self.by_kernel.setdefault(self.kernel(n), []).append(n)
        self._points = {n: np.array([self.point(n, (o, 0, 0)) for o in range(8)]) for n in self.nets}
        self._nearest: dict[tuple[int, Place3], float] = {}

    def kernel(self, n: int) -> int:
        """The kernel at the other end of a net."""
        net = self.plan.nets[n]
        return net.sink.kernel if net.source.kernel == HOST else net.source.kernel

    def point(self, n: int, place: Place3) -> tuple[int, int]:
        """The mesh coordinates where a net meets its kernel."""
        net, k = self.plan.nets[n], self.kernel(n)
        end = net.sink if net.source.kernel == HOST else net.source
        where = terminal(self.plan, k, end.terminal)
        x, y = (where.x, where.y) if where.is_source else (where.entries[0].x, where.entries[0].y)
        (a, _), (b, _) = line(frame_of(self.plan.kernels[k], place), x, y, 1)
        return a, b

    def approaches(self, n: int, place: Place3) -> tuple[Approach, ...]:
        """For a host input, the routers just before its entries and the headings; for an output none."""
        net = self.plan.nets[n]
        if net.source.kernel != HOST:
            return ()
        k = net.sink.kernel
        return approaches_of(frame_of(self.plan.kernels[k], place), terminal(self.plan, k, net.sink.terminal))

    def costs(self, n: int, place: Place3) -> np.ndarray:
        """[links] wavelet-hops of a net by each link; a hundred meshes more if it does not lead to the entry."""
        point = np.array(self.point(n, place))
        hops = np.abs(self.at - point).sum(axis=1)
        approaches = self.approaches(n, place)
        if approaches:
            width, height = self.plan.mesh
            open_ = any(0 <= a.at[0][0] < width and 0 <= a.at[1][0] < height for a in approaches)
            sides = {SIDES[a.heading] for a in approaches}
            here = hops == 0
            fits = np.array([link.side in sides for link in self.links])
            reachable = here & fits | ~here & open_ & ~self._inside(n, place)
            hops = hops + np.where(reachable, 0, 100 * (width + height))
        return self.plan.nets[n].wavelets * hops

    def _untangle(self, nets: list[int], chosen: dict[int, int], place: Place3) -> None:
        """Permute the links of one kernel's nets so that the nets need not cross.

        The links in their order around the mesh must match the ends in their order along the kernel, seen from the side
        that nets leave it on. A kernel that stands upright away from the edges has two such sides, one to each edge
        with links, and its nets are in order already.
        """
        x, y, w, h = frame_of(self.plan.kernels[self.kernel(nets[0])], place).region
        if len(nets) < MANY or (h > w and x > 0 and x + w < self.plan.mesh[0]):
            return
        edge = Port.WEST if h > w and x == 0 else Port.EAST

        def around(i: int) -> tuple[int, int]:
            link = self.links[i]
            if w >= h:  # from the south-west corner over the north to the south-east
                return (0, -link.y) if link.side is Port.WEST else (1, link.y)
            if link.side is not edge:  # away from the kernel's own edge: north to south
                return 1, link.y
            return (0, -link.y) if link.y < y + h // 2 else (2, -link.y)

        ends = sorted(nets, key=lambda n: (self.point(n, place)[0 if w >= h else 1], n))
        for n, i in zip(ends, sorted((chosen[n] for n in nets), key=around), strict=True):
            chosen[n] = i

    def _bent(self, n: int, place: Place3) -> np.ndarray:
        """[links] a convex function of the distance, less than one wavelet-hop in all: of assignments with equal hops
        the one that keeps the order, so that nets cross less."""
        step = self.at - np.array(self.point(n, place))
        return (step**2).sum(axis=1) / (sum(self.plan.mesh) ** 2 * (len(self.nets) + 1))

    def _inside(self, n: int, place: Place3) -> np.ndarray:
        """[links] whether a link's router is among those that a net's own fan-out may take."""
        net = self.plan.nets[n]
        kernel = self.plan.kernels[net.sink.kernel]
        entries = terminal(self.plan, net.sink.kernel, net.sink.terminal).entries
        if all(not e.branches and e.leg.to in (e.x, e.y) for e in entries):
            return np.zeros(len(self.links), bool)
        x, y, w, h = frame_of(kernel, place).region
        return np.all((self.at >= [x, y]) & (self.at < [x + w, y + h]), axis=1)

    def nearest(self, n: int, place: Place3) -> float:
        """Wavelet-hops of a net by its best link."""
        known = self._nearest.get((n, place))
        if known is None:
            known = self._nearest[n, place] = float(self.costs(n, place).min())
        return known

    def points(self, n: int) -> np.ndarray:
        """[8, 2]: where a net meets its kernel, by orientation, relative to the kernel's origin."""
        return self._points[n]

    def assign(self, places: Sequence[Place3]) -> tuple[HostLink | None, ...]:
        """A link per net (None for nets between kernels): greedy, then exchanges while they shorten the total."""
        result: list[HostLink | None] = [None] * len(self.plan.nets)
        for is_input in (True, False):  # a link carries one wavelet per cycle in each direction
            nets = [n for n in self.nets if (self.plan.nets[n].source.kernel == HOST) == is_input]
            costs = {n: self.costs(n, places[self.kernel(n)]) + self._bent(n, places[self.kernel(n)]) for n in nets}
            used = np.zeros(len(self.links), np.int64)
            chosen: dict[int, int] = {}
            for n in nets:
                chosen[n] = int(np.lexsort((costs[n], used))[0])
                used[chosen[n]] += 1
            _exchange(nets, chosen, used, costs)
            for k in dict.fromkeys(self.kernel(n) for n in nets):
                self._untangle([n for n in nets if self.kernel(n) == k], chosen, places[k])
            for n in nets:
                result[n] = self.links[chosen[n]]
        return tuple(result)


def _exchange(nets: list[int], chosen: dict[int, int], used: np.ndarray, costs: dict[int, np.ndarray]) -> None:
    """Move a net to a link used less, or swap the links of two nets, as long as hops shrink."""
    changed = True
    while changed:
        changed = False
        for place, n in enumerate(nets):
            cost = costs[n]
            for i in np.flatnonzero((used < used[chosen[n]]) & (cost < cost[chosen[n]] - TINY))[:1]:
                used[chosen[n]] -= 1
                used[i] += 1
                chosen[n] = int(i)
                changed = True
            for other in nets[place + 1 :]:
                a, b = chosen[n], chosen[other]
                if cost[b] + costs[other][a] < cost[a] + costs[other][b] - TINY:
                    chosen[n], chosen[other] = b, a
                    changed = True
