"""Prints a `Plan` canonically: a kernel in a few lines, a net in one. Names stand for indices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tulle_ir.plan import HOST, ORIGIN, End, Entry, HostNet, InternalRoute, Kernel, KernelCost, Net, Plan, Terminal
from tulle_ir.text.array_text import Arrays, density
from tulle_ir.text.lexical import key, real, string
from tulle_ir.text.path_printer import INDENT, affine_point, braces, leg, path


def plan_lines(plan: Plan, arrays: Arrays) -> Iterator[str]:
    """The lines of a plan; large arrays go to `arrays`."""
    width, height = plan.mesh
    head = f"plan {string(plan.name)} target {string(plan.target)} mesh {width}x{height}"
    return braces(head, _items(plan, arrays))


def _items(plan: Plan, arrays: Arrays) -> Iterator[str]:
    yield from _values("options", plan.options)
    yield from _tensors(plan.tensors, arrays)
    for kernel in plan.kernels:
        size = f"{kernel.width}x{kernel.height}"
        origin = f" origin {string(kernel.origin)}" if kernel.origin else ""
        yield from braces(f"kernel {string(kernel.name)} : {key(kernel.kind)} {size}{origin}", _kernel(kernel, arrays))
    for net in plan.nets:
        yield _net(net, plan)
    for host in plan.host:
        yield _host(host, plan)


def _kernel(kernel: Kernel, arrays: Arrays) -> Iterator[str]:
    yield _cost(kernel.cost)
    yield from _values("params", kernel.params)
    for terminal in kernel.terminals:
        yield from _terminal(terminal)
    for route in kernel.internal:
        yield from _internal(route)
    yield from _tensors(kernel.tensors, arrays)


def _values(word: str, values: Mapping[str, int | float | str]) -> Iterator[str]:
    if values:
        yield f"{word} " + ", ".join(f"{key(name)} = {_value(value)}" for name, value in values.items())


def _value(value: int | float | str) -> str:
    match value:
        case str():
            return string(value)
        case float():
            return real(value)
        case _:
            return str(int(value))


def _tensors(tensors: Mapping[str, np.ndarray], arrays: Arrays) -> Iterator[str]:
    for name, array in tensors.items():
        yield f"array {key(name)} : {arrays.text(array)}{density(array)}"


def _cost(cost: KernelCost) -> str:
    cycles = f"predicted {quantity(cost.predicted)} bound {quantity(cost.bound)} ideal {quantity(cost.ideal)}"
    balance = f"  // heaviest PE {cost.bound / cost.ideal:.2f} x the mean" if cost.ideal else ""
    cycles += f" latency {quantity(cost.latency)} growth {quantity(cost.growth)}"
    return f"cost {cycles} bytes {cost.max_pe_bytes} nonzeros {cost.nonzeros} pes {cost.pes}{balance}"


def quantity(value: float) -> str:
    """A float that is often whole: `242` or `188.5`."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else real(value)


def _terminal(terminal: Terminal) -> Iterator[str]:
    at = terminal.is_source or (terminal.x, terminal.y) != (ORIGIN, ORIGIN)
    head = f"{'source' if terminal.is_source else 'sink'} {string(terminal.name)} lanes {terminal.lanes}"
    head += f" at {affine_point(terminal.x, terminal.y)}" if at else ""
    head += f" colors {terminal.colors}" if terminal.colors != 1 else ""
    head += f" order {terminal.order_group}" if terminal.order_group else ""
    yield head
    for entry in terminal.entries:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"{INDENT}enter {entry.heading} at {affine_point(entry.x, entry.y)}, {leg(entry.leg)}"
    for group, bundle in entry.branches:
        yield f"{INDENT * 2}branch {group}{path(bundle)}"


def _internal(route: InternalRoute) -> Iterator[str]:
    """The first bundle on the line of its local color, the others below."""
    first, *rest = [path(bundle) for bundle in route.bundles] or [""]
    yield f"inside {route.local_color}{first}"
    for line in rest:
        yield f"{INDENT}and{line}"


def _net(net: Net, plan: Plan) -> str:
    ends = f"from {_end(net.source, plan)} to {_end(net.sink, plan)}"
    return f"net {string(net.name)} : {net.dtype} lanes {net.lanes} {ends} wavelets {net.wavelets}"


def _end(end: End, plan: Plan) -> str:
    if end.kernel == HOST:
        return "host"
    kernel = plan.kernels[end.kernel]
    return f"{string(kernel.name)}.{key(kernel.terminals[end.terminal].name)}"


def _host(host: HostNet, plan: Plan) -> str:
    nets = ", ".join(string(plan.nets[index].name) for index in host.nets)
    return f"{'input' if host.is_input else 'output'} {string(host.name)} nets {nets}".rstrip()
