"""The two ends of every net on the mesh: source lines and ways into sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tulle_compiler.route.shapes import DIRECTION, SIGN, Approach, Source, sources
from tulle_ir.geometry import Frame
from tulle_ir.placed import HostLink
from tulle_ir.plan import HOST, Entry, Net, Plan, Terminal
from tulle_ir.program import Affine

Frames = Sequence[Frame] | Mapping[int, Frame]


@dataclass(frozen=True, slots=True)
class NetEnds:
    """A net's source, the approaches of its sink (none for a host link's own entry), its orders and its colors."""

    source: Source
    approaches: tuple[Approach, ...]
    colors: int


def terminal(plan: Plan, kernel: int, index: int) -> Terminal:
    """A kernel's terminal."""
    return plan.kernels[kernel].terminals[index]


def line(frame: Frame, x: Affine, y: Affine, lanes: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Mesh coordinates (x, y), each of lane 0 and of lane L-1, of a canonical line."""
    mx, my = frame.point(x, y)
    last = lanes - 1
    return ((mx.constant, mx.constant + mx.per_i * last), (my.constant, my.constant + my.per_i * last))


def source_of(frame: Frame, where: Terminal) -> Source:
    """The source line of a terminal."""
    return sources(line(frame, where.x, where.y, where.lanes), where.lanes)


def approach_of(frame: Frame, entry: Entry, lanes: int, index: int) -> Approach:
    """The routers just before an entry, and the heading."""
    heading = DIRECTION[frame.port(entry.heading)]
    (x0, x1), (y0, y1) = line(frame, entry.x, entry.y, lanes)
    if heading % 2:  # east or west
        return Approach(((x0 - SIGN[heading], x1 - SIGN[heading]), (y0, y1)), heading, index)
    return Approach(((x0, x1), (y0 - SIGN[heading], y1 - SIGN[heading])), heading, index)


def approaches_of(frame: Frame, where: Terminal) -> tuple[Approach, ...]:
    """All approaches of a sink terminal."""
    return tuple(approach_of(frame, e, where.lanes, n) for n, e in enumerate(where.entries))


def link_source(link: HostLink) -> Source:
    """A host link as a source of one lane."""
    return sources(((link.x, link.x), (link.y, link.y)), 1, DIRECTION[link.side])


def link_approach(link: HostLink) -> Approach:
    """A host link as a sink of one lane."""
    return Approach(((link.x, link.x), (link.y, link.y)), DIRECTION[link.side])


def net_ends(plan: Plan, net: Net, frames: Frames, link: HostLink | None) -> NetEnds:
    """Both ends of a net."""
    if net.source.kernel == HOST or net.sink.kernel == HOST:
        assert link is not None, f"net {net.name} touches the host and has no link"
    if net.source.kernel == HOST:
        assert link is not None
        source = link_source(link)
    else:
        source = source_of(frames[net.source.kernel], terminal(plan, net.source.kernel, net.source.terminal))
    if net.sink.kernel == HOST:
        assert link is not None
        return NetEnds(source, (link_approach(link),), 1)
    sink = terminal(plan, net.sink.kernel, net.sink.terminal)
    return NetEnds(source, approaches_of(frames[net.sink.kernel], sink), sink.colors)


def starts_inside(entry: Entry, frame: Frame, link: HostLink) -> bool:
    """Whether a host input's edge router is the entry itself and the host's wavelets already travel in its heading."""
    (x, _), (y, _) = line(frame, entry.x, entry.y, 1)
    heading = frame.port(entry.heading)
    return (x, y) == (link.x, link.y) and DIRECTION[heading] == (DIRECTION[link.side] + 2) % 4
