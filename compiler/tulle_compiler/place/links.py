"""Which host link each net that touches the host uses: distinct ones first, near to where the net goes."""

from __future__ import annotations

from collections.abc import Sequence

from tulle_compiler.place.wires import Place3, Wires, frame_of
from tulle_compiler.route.ends import HOST, approaches_of, line, terminal
from tulle_ir.host_links import host_links
from tulle_ir.placed import HostLink
from tulle_ir.plan import Plan
from tulle_ir.program import Port
from tulle_ir.target import Target

SIDES = (Port.SOUTH, Port.WEST, Port.NORTH, Port.EAST)  # by heading, the side that the wavelets come from


class HostEnds:
    """The nets that touch the host, and where they meet their kernels."""

    def __init__(self, wires: Wires, target: Target) -> None:
        self.plan: Plan = wires.plan
        self.links = host_links(target, self.plan.mesh)
        self.nets = [n for n, net in enumerate(self.plan.nets) if HOST in (net.source.kernel, net.sink.kernel)]
        self.by_kernel: dict[int, list[int]] = {}
        for n in self.nets:
            self.by_kernel.setdefault(self.kernel(n), []).append(n)

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

    def approach(self, n: int, place: Place3) -> tuple[tuple[int, int], int] | None:
        """For a host input, the router just before the entry and the heading; None for an output."""
        net = self.plan.nets[n]
        if net.source.kernel != HOST:
            return None
        k = net.sink.kernel
        a = approaches_of(frame_of(self.plan.kernels[k], place), terminal(self.plan, k, net.sink.terminal))[0]
        return (a.at[0][0], a.at[1][0]), a.heading

    def nearest(self, n: int, place: Place3) -> float:
        """Wavelet-hops of a net to the nearest link; a hundred meshes more if the entry cannot be reached."""
        x, y = self.point(n, place)
        width, height = self.plan.mesh
        far = 0
        before = self.approach(n, place)
        if before is not None:
            (u, v), heading = before
            edge = any((link.x, link.y) == (x, y) and SIDES[heading] is link.side for link in self.links)
            far = 0 if edge or (0 <= u < width and 0 <= v < height) else 100 * (width + height)
        return self.plan.nets[n].wavelets * (far + min(_distance(x, y, link) for link in self.links))

    def assign(self, places: Sequence[Place3]) -> tuple[HostLink | None, ...]:
        """A link per net (None for nets between kernels): greedy, then exchanges while they shorten the total."""
        result: list[HostLink | None] = [None] * len(self.plan.nets)
        points = {n: self.point(n, places[self.kernel(n)]) for n in self.nets}
        for is_input in (True, False):  # a link carries one wavelet per cycle in each direction
            nets = [n for n in self.nets if (self.plan.nets[n].source.kernel == HOST) == is_input]
            used = [0] * len(self.links)
            chosen: dict[int, int] = {}
            for n in nets:
                chosen[n] = min(
                    range(len(self.links)), key=lambda i: (used[i], _distance(*points[n], self.links[i]), i)
                )
                used[chosen[n]] += 1
            self._exchange(nets, chosen, used, points)
            for n in nets:
                result[n] = self.links[chosen[n]]
        return tuple(result)

    def _exchange(
        self, nets: list[int], chosen: dict[int, int], used: list[int], points: dict[int, tuple[int, int]]
    ) -> None:
        """Swap the links of two nets, or move one to a link used less, as long as hops (then crossings) shrink."""

        def cost(n: int, link: int) -> int:
            return self.plan.nets[n].wavelets * _distance(*points[n], self.links[link])

        for _ in range(20):
            changed = False
            for place, n in enumerate(nets):
                for i in range(len(self.links)):
                    if used[i] < used[chosen[n]] and cost(n, i) < cost(n, chosen[n]):
                        used[chosen[n]] -= 1
                        used[i] += 1
                        chosen[n] = i
                        changed = True
                for other in nets[place + 1 :]:
                    a, b = chosen[n], chosen[other]
                    if cost(n, b) + cost(other, a) < cost(n, a) + cost(other, b):
                        chosen[n], chosen[other] = b, a
                        changed = True
            if not changed:
                return


def _distance(x: int, y: int, link: HostLink) -> int:
    return abs(x - link.x) + abs(y - link.y)
