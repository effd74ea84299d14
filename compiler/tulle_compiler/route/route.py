"""The routing pass: a path for every net, lane orders that agree, colors within the target's limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from tulle_compiler.prediction import behind_last_token
from tulle_compiler.route.candidates import Candidate, candidates, effort_of
from tulle_compiler.route.check import conflicts
from tulle_compiler.route.colors import Coloring, assign_colors
from tulle_compiler.route.ends import NetEnds, net_ends
from tulle_compiler.route.footprint import Footprint
from tulle_compiler.route.load import Load
from tulle_compiler.route.misfit import no_path, too_many_colors
from tulle_compiler.route.orders import Orders, net_groups
from tulle_compiler.route.trace import Trace, trace
from tulle_ir.placed import Placed
from tulle_ir.plan import HOST, Plan
from tulle_ir.progress import steps
from tulle_ir.routed import NetRoute, Routed
from tulle_ir.target import Target, load_target

SHARING = 2.0  # as in place/cost.py: hops that a shared link is worth
OVERFULL = 1000.0  # hops that each wavelet per chunk beyond the period is worth: every chunk waits for it
CROWDING = 4.0  # hops of one lane that a router beyond the comfortable number of colors is worth


@dataclass(frozen=True, slots=True)
class Route:
    """Route and color every net.

    attempts: how often all nets are routed anew, avoiding crowded routers more, when there are too few colors.
    target: in place of the one that the plan names.
    """

    attempts: int = 5
    target: Target | None = None

    def __call__(self, placed: Placed) -> Routed:
        """Raises DoesNotFit if a net has no path or there are not enough colors."""
        target = self.target or load_target(placed.plan.target)
        best: tuple[Coloring, list[Candidate], Orders] | None = None
        for attempt in range(self.attempts):
            comfortable = max(1, target.usable_colors - 6 - 3 * attempt)
            chosen, orders = self._paths(placed, comfortable, thorough=attempt > 0)
            coloring = _color(placed, chosen)
            if best is None or coloring.used < best[0].used:
                best = (coloring, chosen, orders)
            if coloring.used <= target.usable_colors:
                break
        if best is None or best[0].used > target.usable_colors:
            raise too_many_colors(placed, target.usable_colors, best[0].used if best else 0)
        routed = _routed(placed, *best)
        assert not conflicts(routed), conflicts(routed)[0]
        return routed

    def _paths(self, placed: Placed, comfortable: int, thorough: bool) -> tuple[list[Candidate], Orders]:
        """A path per net, nets with the shortest way first (they have the least choice). Paths of more than two corners
        are looked at where there is no simpler one without an overfull link, or everywhere if `thorough`."""
        plan = placed.plan
        load, orders = Load(plan.mesh), Orders()
        most, period = _most_wavelets(plan), _period(plan)
        for k, (kernel, frame) in enumerate(zip(plan.kernels, placed.frames, strict=True)):
            load.add_region(frame.region, kernel.internal_colors)
            inside = [trace(frame.bundle(b, 0)) for route in kernel.internal for b in route.bundles]
            load.carry(inside, most[k])
        chosen: dict[int, Candidate] = {}
        order = sorted(range(len(plan.nets)), key=lambda n: (_distance(placed, n), n))
        for index in steps("route", order, "nets"):
            net = plan.nets[index]
            groups = net_groups(plan, net)
            best: tuple[float, Candidate] | None = None
            prices = _Prices(load, net.wavelets, comfortable, period)
            for winding in (False, True):
                if winding and best is not None and not thorough and not prices.overfull(best[1]):
                    break
                fitting = (c for c in candidates(placed, index, winding) if orders.allows(groups, c.flipped))
                best = prices.cheapest(best, islice(fitting, effort_of(net).compared))
            if best is None:
                raise no_path(placed, index)
            chosen[index] = candidate = best[1]
            orders.relate(groups, candidate.flipped)
            for traces in candidate.traces:
                load.add(traces, net.wavelets)
        return [chosen[n] for n in range(len(plan.nets))], orders


def _most_wavelets(plan: Plan) -> list[int]:
    """Per kernel, the wavelets of its busiest net: about what its own routes carry (sums to leave, rows passed on)."""
    most = [0] * len(plan.kernels)
    for net in plan.nets:
        for end in (net.source, net.sink):
            if end.kernel != HOST:
                most[end.kernel] = max(most[end.kernel], net.wavelets)
    return most


def _period(plan: Plan) -> float:
    """Cycles in which each chunk follows the one before, if no link has to carry more wavelets than that. What sees the
    last token of a sequence only does not count: it has no part in most chunks."""
    once = behind_last_token(plan)
    kernels = (kernel.cost.predicted for k, kernel in enumerate(plan.kernels) if k not in once)
    nets = (net.wavelets for net in plan.nets if net.source.kernel not in once)
    return max([*kernels, *nets])


@dataclass(frozen=True, slots=True)
class _Prices:
    """What paths of a net of so many wavelets cost, in wavelet-hops."""

    load: Load
    wavelets: int
    comfortable: int
    period: float

    def cheapest(
        self, best: tuple[float, Candidate] | None, choices: Iterable[Candidate]
    ) -> tuple[float, Candidate] | None:
        """The candidate of least cost, with that; of equal ones the first, `best` before all."""
        for c in choices:
            cost = self.wavelets * (c.hops + c.corners)
            if best is not None and cost >= best[0]:
                break  # they come by length
            cost += sum(self._beside(path) for path, *_ in c.traces)
            if best is None or cost < best[0]:
                best = (cost, c)
        return best

    def overfull(self, candidate: Candidate) -> bool:
        """Whether a link on the way has more to carry than the period allows."""
        paths = [path for path, *_ in candidate.traces]
        return any(self.load.sharing(path, self.wavelets)[1] > self.period for path in paths)

    def _beside(self, path: Trace) -> float:
        """For what is on the path's links and routers already."""
        shared, fullest = self.load.sharing(path, self.wavelets)
        crowding = CROWDING * self.wavelets * self.load.crowding(path, self.comfortable)
        return SHARING * shared + OVERFULL * max(0.0, fullest - self.period) + crowding


def _distance(placed: Placed, index: int) -> int:
    """Hops of a net's first and last lane if nothing were in the way."""
    ends: NetEnds = net_ends(placed.plan, placed.plan.nets[index], placed.frames, placed.links[index])
    (x0, x1), (y0, y1) = ends.source.at
    return min(abs(sum(a.at[0]) - x0 - x1) + abs(sum(a.at[1]) - y0 - y1) for a in ends.approaches)


def _color(placed: Placed, chosen: Sequence[Candidate]) -> Coloring:
    """Colors for the chosen paths and the kernels' internal routes."""
    regions = [Footprint.rectangle(frame.region) for frame in placed.frames]
    nets = {(n, g): Footprint.of(traces) for n, c in enumerate(chosen) for g, traces in enumerate(c.traces)}
    return assign_colors(regions, [k.internal_colors for k in placed.plan.kernels], nets)


def _routed(placed: Placed, coloring: Coloring, chosen: Sequence[Candidate], orders: Orders) -> Routed:
    """The stage from the choices made."""
    nets = []
    for n, candidate in enumerate(chosen):
        colors = tuple(coloring.nets[n, g] for g in range(len(candidate.groups)))
        bundles = tuple(
            replace(b, color=color) for group, color in zip(candidate.groups, colors, strict=True) for b in group
        )
        nets.append(NetRoute(colors, candidate.flipped, bundles))
    reversed_groups = []
    for k, kernel in enumerate(placed.plan.kernels):
        groups = sorted({t.order_group for t in kernel.terminals})
        reversed_groups.append(frozenset(g for _, g in orders.reversed_of((k, g) for g in groups)))
    return Routed(placed, tuple(nets), coloring.internal, tuple(reversed_groups))
