"""What to say when kernels do not fit on the mesh."""

from __future__ import annotations

from math import ceil

from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.plan import Plan

LEVERS = "a larger --mesh, fewer lanes or cache rows (smaller regions), --objective latency, a smaller --context"


def largest(plan: Plan, count: int = 5) -> str:
    """The largest kernels with their regions."""
    kernels = sorted(plan.kernels, key=lambda k: (-k.width * k.height, k.name))[:count]
    return ", ".join(f"{k.name} {k.width}x{k.height}" for k in kernels)


def check_sizes(plan: Plan) -> None:
    """Raise DoesNotFit if a kernel is larger than the mesh, or all together are."""
    width, height = plan.mesh
    for k in plan.kernels:
        if min(k.width, k.height) > min(width, height) or max(k.width, k.height) > max(width, height):
            raise DoesNotFit(
                f"kernel '{k.name}' takes {k.width}x{k.height} PEs, the mesh has {width}x{height}, "
                f"{_shortfall(k.width, k.height, width, height)}",
                where=k.origin,
                remedy=LEVERS,
            )
    demand = sum(k.width * k.height for k in plan.kernels)
    if demand > width * height:
        raise DoesNotFit(
            f"the kernels take {demand:,} PEs, the mesh of {width}x{height} has {width * height:,}, "
            f"{demand - width * height:,} too few; largest: {largest(plan)}",
            remedy=LEVERS,
        )


def no_room(plan: Plan, most: int) -> DoesNotFit:
    """No placement was found although the sum of areas would fit."""
    width, height = plan.mesh
    demand = sum(k.width * k.height for k in plan.kernels)
    side = ceil((demand / 0.7) ** 0.5)
    return DoesNotFit(
        f"the kernels take {demand:,} of the {width * height:,} PEs of the {width}x{height} mesh "
        f"({demand / (width * height):.0%}), but no arrangement of the rectangles was found: at most {most} of "
        f"{len(plan.kernels)} kernels were placed, {len(plan.kernels) - most} too few; largest: {largest(plan)}",
        remedy=f"{LEVERS}; about {side}x{side} should do",
    )


def _shortfall(w: int, h: int, width: int, height: int) -> str:
    long, short = max(w, h) - max(width, height), min(w, h) - min(width, height)
    return f"{long} too few along its long side" if long > 0 else f"{short} too few along its short side"
