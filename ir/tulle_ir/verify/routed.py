"""A routing: colors, flips and routes. The invariants are numbered in verify_plan.py."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tulle_ir.geometry import Frame
from tulle_ir.plan import HOST, Kernel, Net
from tulle_ir.program import Affine, Bundle, Program, Route
from tulle_ir.routed import NetRoute, Routed
from tulle_ir.routes import INDEX, RAMP, RouteEntries, RouteFinding, check_links, expand_routes
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.plan import kernel_path, net_path, terminal_of

COLORS = 256  # keys are router * COLORS + color


def check_routed(routed: Routed, target: Target, findings: Findings) -> None:
    """What a routing adds to its placement."""
    plan = routed.placed.plan
    lengths = (len(routed.nets), len(routed.internal), len(routed.reversed_groups))
    if lengths != (len(plan.nets), len(plan.kernels), len(plan.kernels)):
        findings.error("there is not one route per net and one set of colors per kernel", routed, "routing")
        return
    for k, kernel in enumerate(plan.kernels):
        _check_kernel(k, kernel, routed, target, findings)
    for net, route in zip(plan.nets, routed.nets, strict=True):
        _check_net(net, route, routed, target, findings)
    if not findings.found:
        _Fabric(routed, findings).check()


def _check_kernel(k: int, kernel: Kernel, routed: Routed, target: Target, findings: Findings) -> None:
    colors = routed.internal[k]
    if len(colors) != kernel.internal_colors or not _usable(colors, target):
        what = f"its colors {list(colors)} are not {kernel.internal_colors} different ones of {target.usable_colors}"
        findings.error(what, kernel, kernel_path(kernel))
    unknown = routed.reversed_groups[k] - {terminal.order_group for terminal in kernel.terminals}
    if unknown:
        findings.error(f"it has no order groups {sorted(unknown)} to reverse", kernel, kernel_path(kernel))


def _check_net(net: Net, route: NetRoute, routed: Routed, target: Target, findings: Findings) -> None:
    plan = routed.placed.plan
    sink, source = terminal_of(net.sink, plan), terminal_of(net.source, plan)
    count = 1 if sink is None else sink.colors
    if len(route.colors) != count or not _usable(route.colors, target):
        what = f"its colors {list(route.colors)} are not {count} different ones of {target.usable_colors}"
        findings.error(what, route, net_path(net))
    if {bundle.color for bundle in route.bundles} != set(route.colors):
        findings.error("its bundles have other colors than the net", route, net_path(net))
    if sink is None or source is None or net.lanes == 1:
        return  # one lane has no order, and the host takes any
    groups = ((net.source.kernel, source.order_group), (net.sink.kernel, sink.order_group))
    reverse = [group in routed.reversed_groups[kernel] for kernel, group in groups]
    if route.flipped != (reverse[0] != reverse[1]):
        words = " and ".join("reversed" if r else "not reversed" for r in reverse)
        findings.error(f"it is {'' if route.flipped else 'not '}flipped, its ends are {words}", route, net_path(net))


def _usable(colors: tuple[int, ...], target: Target) -> bool:
    return len(set(colors)) == len(colors) and all(0 <= color < target.usable_colors for color in colors)


def kernel_bundles(kernel: Kernel, frame: Frame, colors: tuple[int, ...]) -> tuple[Bundle, ...]:
    """The internal routes of a kernel on the mesh."""
    return tuple(frame.bundle(b, colors[route.local_color]) for route in kernel.internal for b in route.bundles)


class _Fabric:
    """Expands every net and every kernel's inside, each for itself, and looks where they meet."""

    def __init__(self, routed: Routed, findings: Findings) -> None:
        self.routed, self.placed, self.plan = routed, routed.placed, routed.placed.plan
        self.findings = findings
        self.owners: list[tuple[object, str]] = []  # node and path of each expanded part
        self.keys: list[np.ndarray] = []

    def check(self) -> None:
        """Nets, kernels, then routers that two of them share in one color."""
        for n, (net, route) in enumerate(zip(self.plan.nets, self.routed.nets, strict=True)):
            entries = self._expand(route.bundles, route, net_path(net))
            self._check_ends(n, net, route, entries)
        parts = zip(self.plan.kernels, self.placed.frames, self.routed.internal, strict=True)
        for kernel, frame, colors in parts:
            self._expand(kernel_bundles(kernel, frame, colors), kernel, kernel_path(kernel))
        self._check_shared()

    def _expand(self, bundles: tuple[Bundle, ...], node: object, path: str) -> RouteEntries:
        part = Program(self.plan.target, self.plan.mesh, routes=(Route(path, bundles),))
        entries, problems = expand_routes(part)
        for problem in (*problems, *check_links(part, entries)):
            self._report(problem, node, path)
        self.owners.append((node, path))
        self.keys.append(entries.router.astype(np.int64) * COLORS + entries.color)
        return entries

    def _report(self, problem: RouteFinding, node: object, path: str) -> None:
        what = f"color {problem.color} at router ({problem.x}, {problem.y}): {problem.problem}"
        self.findings.error(what, node, path)

    def _check_shared(self) -> None:
        keys = np.concatenate(self.keys) if self.keys else np.zeros(0, np.int64)
        owner = np.repeat(np.arange(len(self.keys)), [len(part) for part in self.keys])
        order = np.argsort(keys, kind="stable")
        keys, owner = keys[order], owner[order]
        same = np.flatnonzero(keys[1:] == keys[:-1])
        pairs = np.unique(np.stack([owner[same], owner[same + 1]], axis=1), axis=0, return_index=True)
        for (a, b), first in zip(*pairs, strict=True):
            router, color = divmod(int(keys[same[first]]), COLORS)
            x, y = router % self.plan.mesh[0], router // self.plan.mesh[0]
            (node, path), (other, other_path) = self.owners[int(b)], self.owners[int(a)]
            what = f"color {color} at router ({x}, {y}) has another owner"
            self.findings.error(what, node, path, self.findings.site(other, other_path))

    def _check_ends(self, n: int, net: Net, route: NetRoute, entries: RouteEntries) -> None:
        """Every lane leaves the source and arrives at the sink by one of its entries, on the color of its position."""
        colors = np.resize(np.array(route.colors, np.int64), net.lanes)
        at_source = colors[::-1] if route.flipped else colors
        starts, ends = list(self._points(n, net, True)), list(self._points(n, net, False))
        begin, out = (RAMP if end.kernel != HOST else self._side(n) for end in (net.source, net.sink))
        if not any(self._enters(entries, points, at_source, begin) for points in starts):
            self.findings.error("a lane does not leave its source", route, net_path(net))
        if not any(self._delivers(entries, points, colors, out) for points in ends):
            self.findings.error("a lane does not reach its sink", route, net_path(net))

    def _side(self, n: int) -> int:
        link = self.placed.links[n]
        assert link is not None
        return INDEX[link.side]

    def _points(self, n: int, net: Net, is_source: bool) -> Iterator[np.ndarray]:
        """Routers of all positions at one end of a net (i64[lanes]): one way out, or every way in."""
        end = net.source if is_source else net.sink
        terminal, link = terminal_of(end, self.plan), self.placed.links[n]
        if terminal is None:
            assert link is not None
            yield self._routers(Affine(link.x), Affine(link.y), net.lanes)
            return
        frame = self.placed.frames[end.kernel]
        for at in [terminal] if is_source else terminal.entries:
            yield self._routers(*frame.point(at.x, at.y), net.lanes)

    def _routers(self, x: Affine, y: Affine, lanes: int) -> np.ndarray:
        i = np.arange(lanes)
        return (y.constant + y.per_i * i) * self.plan.mesh[0] + x.constant + x.per_i * i

    def _enters(self, entries: RouteEntries, routers: np.ndarray, colors: np.ndarray, port: int) -> bool:
        found = entries.find(routers, colors)
        return bool(np.all(found >= 0) and np.all(entries.port[found] == port))

    def _delivers(self, entries: RouteEntries, routers: np.ndarray, colors: np.ndarray, port: int) -> bool:
        found = entries.find(routers, colors)
        return bool(np.all(found >= 0) and np.all(entries.mask[found] >> port & 1))
