"""From a path to the bundles of a net: one per color group, then the branches of the sink."""

from __future__ import annotations

from tulle_compiler.route.ends import Frames, starts_inside, terminal
from tulle_compiler.route.shapes import PORTS, Pair, Path
from tulle_ir.geometry import Frame
from tulle_ir.placed import HostLink
from tulle_ir.plan import HOST, Entry, Net, Plan
from tulle_ir.program import Affine, Bundle, Leg, Port

Groups = tuple[tuple[Bundle, ...], ...]  # bundles by color group; their color is the group's number


def path_groups(plan: Plan, net: Net, frames: Frames, link: HostLink | None, path: Path) -> Groups:
    """The bundles of a net that takes `path`."""
    source = link.side if net.source.kernel == HOST and link else Port.RAMP
    if net.sink.kernel == HOST:
        assert link is not None
        return ((path_bundle(path, net.lanes, 1, 0, source, None, link.side),),)
    sink = terminal(plan, net.sink.kernel, net.sink.terminal)
    frame, entry = frames[net.sink.kernel], sink.entries[path.entry]
    return tuple(
        (path_bundle(path, net.lanes, sink.colors, c, source, frame.leg(entry.leg), None), *_branches(frame, entry, c))
        for c in range(sink.colors)
    )


def edge_groups(plan: Plan, net: Net, frames: Frames, link: HostLink) -> Groups | None:
    """The bundles of a host input whose edge router is the entry itself; None if it is not."""
    if net.source.kernel != HOST or net.sink.kernel == HOST:
        return None
    frame = frames[net.sink.kernel]
    for entry in terminal(plan, net.sink.kernel, net.sink.terminal).entries:
        if starts_inside(entry, frame, link):
            leg = frame.leg(entry.leg)
            main = Bundle(0, (1, 1), Affine(link.x), Affine(link.y), link.side, (leg,), None, leg.ramp)
            return ((main, *_branches(frame, entry, 0)),)
    return None


def _branches(frame: Frame, entry: Entry, group: int) -> tuple[Bundle, ...]:
    """The entry's branches of one color group, on the mesh."""
    return tuple(frame.bundle(bundle, group) for c, bundle in entry.branches if c == group)


def path_bundle(
    path: Path, lanes: int, colors: int, group: int, source: Port, last: Leg | None, end: Port | None
) -> Bundle:
    """The path of the sink positions i = j * colors + group, affine in j."""

    def affine(pair: Pair) -> Affine:
        pitch = (pair[1] - pair[0]) // (lanes - 1) if lanes > 1 else 0
        return Affine(pair[0] + pitch * group, pitch * colors)

    legs: list[Leg] = []
    x, y = path.start
    for direction, stop in zip(path.dirs, path.stops, strict=True):
        horizontal = direction % 2 == 1
        if stop != (x if horizontal else y):
            legs.append(Leg(PORTS[direction], affine(stop)))
        x, y = (stop, y) if horizontal else (x, stop)
    if last is not None:
        to = last.to
        legs.append(Leg(last.direction, Affine(to.constant + to.per_i * group, to.per_i * colors), last.ramp))
    start_x, start_y = path.start
    return Bundle(group, (lanes // colors, 1), affine(start_x), affine(start_y), source, tuple(legs), end)
