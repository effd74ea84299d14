"""Prints a `Routed` canonically: its placement as a block inside, then every net's route and every kernel's colors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tulle_ir.routed import NetRoute, Routed
from tulle_ir.text.array_text import Arrays
from tulle_ir.text.lexical import string
from tulle_ir.text.path_printer import braces, bundle
from tulle_ir.text.placed_printer import placed_lines


def routed_lines(routed: Routed, arrays: Arrays) -> Iterator[str]:
    """The lines of a routing; large arrays of its plan go to `arrays`."""
    return braces("routed", _items(routed, arrays))


def _items(routed: Routed, arrays: Arrays) -> Iterator[str]:
    yield from placed_lines(routed.placed, arrays)
    plan = routed.placed.plan
    for net, route in zip(plan.nets, routed.nets, strict=True):
        yield from _route(net.name, route)
    for kernel, colors, reversed_groups in zip(plan.kernels, routed.internal, routed.reversed_groups, strict=True):
        if colors or reversed_groups:
            yield _kernel(kernel.name, colors, reversed_groups)


def _route(net: str, route: NetRoute) -> Iterator[str]:
    head = f"route {string(net)}{_numbers('colors', route.colors)}" + (" flipped" if route.flipped else "")
    return braces(head, (bundle(part) for part in route.bundles))


def _kernel(name: str, colors: Iterable[int], reversed_groups: Iterable[int]) -> str:
    return f"inside {string(name)}{_numbers('colors', colors)}{_numbers('reversed', sorted(reversed_groups))}"


def _numbers(word: str, numbers: Iterable[int]) -> str:
    listed = ", ".join(str(number) for number in numbers)
    return f" {word} {listed}" if listed else ""
