"""Prints a `Placed` canonically: its plan as a block inside, then a line per kernel and per host link."""

from __future__ import annotations

from collections.abc import Iterator

from tulle_ir.geometry import Frame
from tulle_ir.placed import HostLink, Placed
from tulle_ir.text.array_text import Arrays
from tulle_ir.text.lexical import string
from tulle_ir.text.path_printer import braces
from tulle_ir.text.plan_printer import plan_lines, quantity


def placed_lines(placed: Placed, arrays: Arrays) -> Iterator[str]:
    """The lines of a placement; large arrays of its plan go to `arrays`."""
    return braces(f"placed cost {quantity(placed.cost)} shelf {quantity(placed.shelf_cost)}", _items(placed, arrays))


def _items(placed: Placed, arrays: Arrays) -> Iterator[str]:
    yield from plan_lines(placed.plan, arrays)
    for kernel, frame in zip(placed.plan.kernels, placed.frames, strict=True):
        yield _place(kernel.name, frame)
    for net, link in zip(placed.plan.nets, placed.links, strict=True):
        if link is not None:
            yield _link(net.name, link)


def _place(kernel: str, frame: Frame) -> str:
    """The region is the one on the mesh; a transposed kernel is as wide there as it was high in the plan."""
    turn = frame.orientation
    words = ((turn.transpose, "transpose"), (turn.mirror_x, "mirror x"), (turn.mirror_y, "mirror y"))
    return f"place {string(kernel)} at {list(frame.region)}" + "".join(f" {word}" for is_set, word in words if is_set)


def _link(net: str, link: HostLink) -> str:
    return f"link {string(net)} at ({link.x}, {link.y}) {link.side}"
