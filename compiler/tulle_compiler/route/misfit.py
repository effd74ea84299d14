"""What to say when nets cannot be routed."""

from __future__ import annotations

import numpy as np

from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.placed import Placed
from tulle_ir.plan import HOST, End

LEVERS = "a larger --mesh (more room between regions), fewer lanes (smaller regions), another --seed"


def no_path(placed: Placed, index: int) -> DoesNotFit:
    """No path for a net, given where its kernels are."""
    plan = placed.plan
    net = plan.nets[index]
    ends = f"{_end(placed, net.source, index)} to {_end(placed, net.sink, index)}"
    return DoesNotFit(
        f"net '{net.name}' of {net.lanes} lanes has no path from {ends} on the {plan.mesh[0]}x{plan.mesh[1]} mesh: "
        f"its lanes need a strip of {net.lanes} free columns or rows to turn in, and there is none",
        remedy=LEVERS,
    )


def too_many_colors(placed: Placed, usable: int, used: int) -> DoesNotFit:
    """More colors needed than the target has."""
    kernels = sorted(placed.plan.kernels, key=lambda k: (-k.internal_colors, -k.width * k.height, k.name))[:5]
    names = ", ".join(f"{k.name} {k.internal_colors}" for k in kernels)
    nets = sorted(placed.plan.nets, key=lambda n: (-n.lanes, n.name))[:3]
    return DoesNotFit(
        f"the routes need {used} colors, {used - usable} more than the {usable} that target "
        f"'{placed.plan.target}' leaves to a program; most local colors: {names}; widest nets: "
        + ", ".join(f"'{n.name}' {n.lanes} lanes" for n in nets),
        remedy=LEVERS,
    )


def _end(placed: Placed, end: End, index: int) -> str:
    """A net's end with its place."""
    if end.kernel == HOST:
        link = placed.links[index]
        return f"the host link at ({link.x}, {link.y})" if link else "the host"
    region = list(np.array(placed.frames[end.kernel].region).tolist())
    return f"'{placed.plan.kernels[end.kernel].name}' at {region}"
