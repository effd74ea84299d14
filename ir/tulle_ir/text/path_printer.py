"""Prints paths of lanes and blocks: what the printers of the stages share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tulle_ir.program import Affine, Bundle, Leg
from tulle_ir.text.lexical import linear

INDENT = "  "


def braces(head: str, lines: Iterable[str]) -> Iterator[str]:
    """`head {`, the lines indented, `}`."""
    yield f"{head} {{"
    for line in lines:
        yield INDENT + line
    yield "}"


def bundle(of: Bundle) -> str:
    """`color 3 lanes 4: from north at (i, 0), south to 1 ramp each, end ramp`."""
    return f"color {of.color}{path(of)}"


def path(of: Bundle) -> str:
    """A bundle without its color: ` lanes 4: from north at (i, 0), ...`, or `: from ...` for a single lane."""
    across, down = of.lanes
    lanes = "" if of.lanes == (1, 1) else f" lanes {across}" if down == 1 else f" lanes {across}x{down}"
    start = f"from {of.source} at {affine_point(of.x, of.y)}"
    end = [] if of.end is None else [f"end {of.end}"]
    steps = [start + (" ramp" if of.start_ramp else ""), *(leg(step) for step in of.legs), *end]
    return f"{lanes}: {', '.join(steps)}"


def leg(of: Leg) -> str:
    """`south to 1 ramp each`."""
    return f"{of.direction} to {affine(of.to)}" + (" ramp each" if of.ramp else "")


def affine_point(x: Affine, y: Affine) -> str:
    """`(i, 2*j + 1)`, as sums are written."""
    return f"({affine(x)}, {affine(y)})"


def affine(of: Affine) -> str:
    """A coordinate as a sum in the lane i, j."""
    factors = (("i", of.per_i), ("j", of.per_j))
    return linear([(lane, factor) for lane, factor in factors if factor], of.constant)
