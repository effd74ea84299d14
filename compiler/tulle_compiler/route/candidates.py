"""The paths a net could take, each checked exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from tulle_compiler.route.bundles import Groups, edge_groups, path_groups
from tulle_compiler.route.ends import NetEnds, net_ends
from tulle_compiler.route.shapes import Around, Bounds, Path, simple_paths, winding_paths
from tulle_compiler.route.trace import Trace, fault, trace
from tulle_ir.geometry import Frame
from tulle_ir.placed import HostLink, Placed
from tulle_ir.plan import HOST, Net, Plan


@dataclass(frozen=True, slots=True)
class Effort:
    """How many paths a net looks at. `places`: tried for a free leg; `checked`: the shortest paths; these for simple
    paths, then for winding ones. `compared`: the shortest valid ones."""

    places: tuple[int, int]
    checked: tuple[int, int]
    compared: int


SEVERAL_LANES = Effort((4, 2), (24, 200), 6)
ONE_LANE = Effort((16, 4), (200, 200), 64)  # which may fill its wire alone


def effort_of(net: Net) -> Effort:
    """How hard this one looks."""
    return ONE_LANE if net.lanes == 1 else SEVERAL_LANES


@dataclass(frozen=True)
class Candidate:
    """A path's bundles by color group, with what choosing needs. `hops`: of all lanes together."""

    groups: Groups
    flipped: bool
    hops: float
    corners: int

    @cached_property
    def traces(self) -> list[list[Trace]]:
        """By color group, the routers of each bundle."""
        return [[trace(b) for b in group] for group in self.groups]


def candidates(placed: Placed, index: int, winding: bool) -> Iterator[Candidate]:
    """Valid candidates of a net by length: paths of at most two corners, or those of three and four corners."""
    plan, frames = placed.plan, placed.frames
    net, link = plan.nets[index], placed.links[index]
    if link is not None:
        groups = edge_groups(plan, net, frames, link)
        if groups is not None:
            if not winding:
                yield Candidate(groups, False, 0, 0)
            return
    ends = net_ends(plan, net, frames, link)
    width, height = plan.mesh
    bounds = Bounds((0, width - 1), (0, height - 1))
    regions = [frames[end.kernel].region for end in (net.source, net.sink) if end.kernel != HOST]
    around = Around(tuple((x, x + w) for x, _, w, _ in regions), tuple((y, y + h) for _, y, _, h in regions))
    paths = _sorted(ends, net, bounds, around if winding else None)
    yield from _checked(plan, net, frames, link, paths[: effort_of(net).checked[winding]])


def _sorted(ends: NetEnds, net: Net, bounds: Bounds, around: Around | None) -> list[Path]:
    """Simple paths, or winding ones around some regions, the shortest first."""
    lanes, (simple, winding) = net.lanes, effort_of(net).places
    paths = (
        simple_paths(ends.source, approach, lanes, bounds, simple)
        if around is None
        else winding_paths(ends.source, approach, lanes, bounds, around, winding)
        for approach in ends.approaches
    )
    return sorted(chain.from_iterable(paths), key=lambda p: (p.length, len(p.dirs), p.dirs, p.stops))


def _checked(
    plan: Plan, net: Net, frames: Sequence[Frame], link: HostLink | None, paths: Sequence[Path]
) -> Iterator[Candidate]:
    for path in paths:
        groups = path_groups(plan, net, frames, link, path)
        if not any(fault(group, plan.mesh) for group in groups):
            yield Candidate(groups, path.flipped, net.lanes * path.length / 2, len(path.dirs))
