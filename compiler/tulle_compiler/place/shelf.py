"""The plain shelf packing that every placement is measured against: rows of kernels in topological order."""

from __future__ import annotations

from collections.abc import Sequence

from tulle_compiler.place.wires import Place3
from tulle_ir.plan import Plan


def shelf(plan: Plan, order: Sequence[int]) -> tuple[Place3, ...]:
    """Kernels unturned, from left to right; a row that is full is followed by one below its tallest kernel.

    The last rows may reach below the mesh: the packing is a yardstick, not a result.
    """
    places: list[Place3] = [(0, 0, 0)] * len(plan.kernels)
    x = y = tallest = 0
    for k in order:
        kernel = plan.kernels[k]
        if x and x + kernel.width > plan.mesh[0]:
            x, y, tallest = 0, y + tallest, 0
        places[k] = (0, x, y)
        x, tallest = x + kernel.width, max(tallest, kernel.height)
    return tuple(places)
