"""The Routed stage: every net has a route and colors, every kernel its internal colors and lane orders."""

from __future__ import annotations

from dataclasses import dataclass

from tulle_ir.placed import Placed
from tulle_ir.program import Bundle


@dataclass(frozen=True, slots=True)
class NetRoute:
    """`colors[g]` serves the sink positions i with i % len(colors) == g; `bundles` are on the mesh, branches included.

    `flipped`: source position L-1-i leads to sink position i (else i to i).
    """

    colors: tuple[int, ...]
    flipped: bool
    bundles: tuple[Bundle, ...]


@dataclass(frozen=True)
class Routed:
    """`nets[n]` routes net n. `internal[k][c]` is the color of kernel k's local color c. `reversed_groups[k]` holds the
    order groups of kernel k whose lanes run in reverse: there, position i of the terminal carries lane L-1-i."""

    placed: Placed
    nets: tuple[NetRoute, ...]
    internal: tuple[tuple[int, ...], ...]
    reversed_groups: tuple[frozenset[int], ...]
