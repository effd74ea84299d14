"""A plan: names, nets between terminals, partitions, sizes. The invariants are numbered in verify_plan.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from tulle_ir.plan import HOST, End, Kernel, Net, Plan, Terminal
from tulle_ir.program import Affine, Bundle, Port
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.flow import check_flow

Rectangle = tuple[int, int]


def check_plan(plan: Plan, target: Target, findings: Findings) -> None:
    """All invariants of a plan."""
    _check_names(plan, findings)
    for net in plan.nets:
        _check_net(net, plan, findings)
    _check_use(plan, findings)
    for kernel in plan.kernels:
        _check_size(kernel, plan, target, findings)
        _check_inside(kernel, findings)
        _check_partitions(kernel, findings)
    check_flow(plan, findings)
    area = sum(kernel.width * kernel.height for kernel in plan.kernels)
    if area > plan.mesh[0] * plan.mesh[1]:
        findings.error(f"the kernels cover {area} PEs, the mesh has {plan.mesh[0] * plan.mesh[1]}", plan, "plan")


def kernel_path(kernel: Kernel) -> str:
    """A kernel in words."""
    return f"kernel '{kernel.name}'" + (f" from {kernel.origin}" if kernel.origin else "")


def net_path(net: Net) -> str:
    """A net in words."""
    return f"net '{net.name}'"


def terminal_of(end: End, plan: Plan) -> Terminal | None:
    """The terminal at an end of a net; None if there is none, as at the host."""
    if not 0 <= end.kernel < len(plan.kernels):
        return None
    terminals = plan.kernels[end.kernel].terminals
    return terminals[end.terminal] if 0 <= end.terminal < len(terminals) else None


def _check_names(plan: Plan, findings: Findings) -> None:
    _check_unique((kernel.name for kernel in plan.kernels), "kernels", plan, "plan", findings)
    _check_unique((net.name for net in plan.nets), "nets", plan, "plan", findings)
    for kernel in plan.kernels:
        names = (terminal.name for terminal in kernel.terminals)
        _check_unique(names, "terminals", kernel, kernel_path(kernel), findings)


def _check_unique(names: Iterable[str], what: str, node: object, path: str, findings: Findings) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            findings.error(f"{count} {what} have the name '{name}'", node, path)


def _check_net(net: Net, plan: Plan, findings: Findings) -> None:
    if net.lanes < 1 or net.wavelets < 1:
        findings.error("a net has at least one lane and one wavelet", net, net_path(net))
    if net.source.kernel == net.sink.kernel == HOST:
        findings.error("the net joins the host to itself", net, net_path(net))
    for end, is_source in ((net.source, True), (net.sink, False)):
        if end == End(HOST):
            continue
        role, terminal = "source" if is_source else "sink", terminal_of(end, plan)
        if terminal is None:
            findings.error(f"its {role} does not exist", net, net_path(net))
        elif terminal.is_source != is_source:
            findings.error(f"its {role} '{terminal.name}' is not a {role}", net, net_path(net))
        elif terminal.lanes != net.lanes:
            what = f"the net has {net.lanes} lanes, its {role} '{terminal.name}' has {terminal.lanes}"
            findings.error(what, net, net_path(net), findings.site(terminal, kernel_path(plan.kernels[end.kernel])))


def _check_use(plan: Plan, findings: Findings) -> None:
    """Every terminal has one net, and every net with the host one host stream."""
    uses = Counter(end for net in plan.nets for end in (net.source, net.sink))
    for k, kernel in enumerate(plan.kernels):
        for t, terminal in enumerate(kernel.terminals):
            if uses[End(k, t)] != 1:
                what = f"terminal '{terminal.name}' has {uses[End(k, t)]} nets instead of one"
                findings.error(what, terminal, kernel_path(kernel))
    streams = Counter((index, host.is_input) for host in plan.host for index in host.nets)
    for n, net in enumerate(plan.nets):
        for is_input, end in ((True, net.source), (False, net.sink)):
            if streams[n, is_input] != (end.kernel == HOST):
                stream = "input" if is_input else "output"
                what = f"it stands {streams[n, is_input]} times in a host {stream}, not {int(end.kernel == HOST)}"
                findings.error(what, net, net_path(net))


def _check_size(kernel: Kernel, plan: Plan, target: Target, findings: Findings) -> None:
    size, mesh = (kernel.width, kernel.height), plan.mesh
    if min(size) < 1 or min(size) > min(mesh) or max(size) > max(mesh):
        what = f"{size[0]} x {size[1]} PEs do not fit on the mesh of {mesh[0]} x {mesh[1]}"
        findings.error(what, kernel, kernel_path(kernel))
    if kernel.cost.max_pe_bytes > target.sram_bytes:
        what = f"its fullest PE needs {kernel.cost.max_pe_bytes} bytes, {target.name} has {target.sram_bytes}"
        findings.error(what, kernel, kernel_path(kernel))


def _check_inside(kernel: Kernel, findings: Findings) -> None:
    """Terminals, their branches and the internal routes stay in the rectangle."""
    for terminal in kernel.terminals:
        if terminal.colors < 1 or terminal.lanes % terminal.colors:
            what = f"the {terminal.colors} colors of '{terminal.name}' do not divide its {terminal.lanes} lanes"
            findings.error(what, terminal, kernel_path(kernel))
        points = [(terminal.x, terminal.y)] if terminal.is_source else [(e.x, e.y) for e in terminal.entries]
        lanes = (terminal.lanes, 1)
        if not all(_within(x, lanes, kernel.width) and _within(y, lanes, kernel.height) for x, y in points):
            findings.error(f"terminal '{terminal.name}' leaves the kernel", terminal, kernel_path(kernel))
    branches = [b for t in kernel.terminals for entry in t.entries for _, b in entry.branches]
    for bundle in (*branches, *(b for route in kernel.internal for b in route.bundles)):
        if bundle.color:
            findings.error("the bundle has a color before routing", bundle, kernel_path(kernel))
        if not _bundle_within(bundle, (kernel.width, kernel.height)):
            findings.error("a bundle leaves the kernel", bundle, kernel_path(kernel))


def _bundle_within(bundle: Bundle, size: Rectangle) -> bool:
    sides = ((leg.to, size[0 if leg.direction in (Port.EAST, Port.WEST) else 1]) for leg in bundle.legs)
    places = ((bundle.x, size[0]), (bundle.y, size[1]), *sides)
    return all(_within(place, bundle.lanes, side) for place, side in places)


def _within(affine: Affine, lanes: tuple[int, int], side: int) -> bool:
    """Whether all lanes have 0 <= coordinate < side: the extremes are at the corners."""
    ends = [affine.constant + affine.per_i * i + affine.per_j * j for i in (0, lanes[0] - 1) for j in (0, lanes[1] - 1)]
    return min(ends) >= 0 and max(ends) < side


def _check_partitions(kernel: Kernel, findings: Findings) -> None:
    for name, order in kernel.tensors.items():
        start = kernel.tensors.get(f"{name.removesuffix('.order')}.start")
        if name.endswith(".order") and start is not None and not _is_partition(order, start):
            what = f"'{name}' is not a permutation that its '.start' cuts into lanes"
            findings.error(what, kernel, kernel_path(kernel))


def _is_partition(order: np.ndarray, start: np.ndarray) -> bool:
    """order: each of 0 .. n-1 once; start: from 0 up to n, never down."""
    cuts = start.ndim == 1 and len(start) >= 1 and start[0] == 0 and start[-1] == order.size
    return bool(cuts and np.all(np.diff(start) >= 0) and np.array_equal(np.sort(order), np.arange(order.size)))
