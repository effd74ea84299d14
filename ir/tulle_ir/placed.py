"""The Placed stage: every kernel of the Plan has an origin and one of eight orientations."""

from __future__ import annotations

from dataclasses import dataclass

from tulle_ir.geometry import Frame
from tulle_ir.plan import Plan
from tulle_ir.program import Port


@dataclass(frozen=True, slots=True)
class HostLink:
    """An edge router and its side: one host link (one wavelet per cycle and direction)."""

    x: int
    y: int
    side: Port


@dataclass(frozen=True)
class Placed:
    """`frames[k]` is kernel k's place; `links[n]` the host link of each net n that touches the host (None for others).

    `cost` is the placement's cost in its stated unit, `shelf_cost` that of the plain shelf packing.
    """

    plan: Plan
    frames: tuple[Frame, ...]
    links: tuple[HostLink | None, ...]
    cost: float
    shelf_cost: float
