"""Which host link each net that touches the host uses: distinct ones first, near to where the net goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.place.wires import Place3, Wires, frame_of
from tulle_compiler.route.ends import approaches_of, line, terminal
from tulle_compiler.route.shapes import Approach
from tulle_ir.host_links import host_links
from tulle_ir.placed import HostLink
from tulle_ir.plan import HOST, Plan
from tulle_ir.program import Port
from tulle_ir.target import Target

NESTING = 1e-7  # hops that a square of the difference of a net's two distances is worth: a tie-break
SIDES = (Port.SOUTH, Port.WEST, Port.NORTH, Port.EAST)  # by heading, the side that the wavelets come from


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
        """[links] wavelet-hops of a net by each link; a hundred meshes more if it does not lead to the entry. Of
        equally near links, nets with corners take those that nest them: so they do not cross and can share a color."""
        across, along = np.abs(self.at - np.array(self.point(n, place))).T
        hops = across + along + NESTING * (across - along) ** 2
        approaches = self.approaches(n, place)
        if approaches:
            width, height = self.plan.mesh
            open_ = any(0 <= a.at[0][0] < width and 0 <= a.at[1][0] < height for a in approaches)
            sides = {SIDES[a.heading] for a in approaches}
            here = (across == 0) & (along == 0)
            fits = np.array([link.side in sides for link in self.links])
            reachable = here & fits | ~here & open_ & ~self._inside(n, place)
            hops = hops + np.where(reachable, 0, 100 * (width + height))
        return self.plan.nets[n].wavelets * hops

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
            costs = {n: self.costs(n, places[self.kernel(n)]) for n in nets}
            used = np.zeros(len(self.links), np.int64)
            chosen: dict[int, int] = {}
            for n in nets:
                chosen[n] = int(np.lexsort((costs[n], used))[0])
                used[chosen[n]] += 1
            _exchange(nets, chosen, used, costs)
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
            for i in np.flatnonzero((used < used[chosen[n]]) & (cost < cost[chosen[n]]))[:1]:
                used[chosen[n]] -= 1
                used[i] += 1
                chosen[n] = int(i)
                changed = True
            for other in nets[place + 1 :]:
                a, b = chosen[n], chosen[other]
                if cost[b] + costs[other][a] < cost[a] + costs[other][b]:
                    chosen[n], chosen[other] = b, a
                    changed = True
