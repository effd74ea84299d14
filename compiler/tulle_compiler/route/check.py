"""The invariants of Routed that colors are about: no two items of one color share a router."""

from __future__ import annotations

import numpy as np

from tulle_compiler.route.trace import fault, trace
from tulle_ir.routed import Routed


def conflicts(routed: Routed) -> list[str]:
    """What is wrong, one sentence each: a color that two nets, or a net and a kernel it passes, use in one router; a
    net whose own paths of one color meet."""
    plan = routed.placed.plan
    width, height = plan.mesh
    taken = np.zeros((height, width), np.int64)  # bit c: color c is used here
    found: list[str] = []
    for k, (frame, colors) in enumerate(zip(routed.placed.frames, routed.internal, strict=True)):
        x, y, w, h = frame.region
        mask = sum(1 << c for c in colors)
        if len(set(colors)) != len(colors):
            found.append(f"kernel '{plan.kernels[k].name}' has one color twice")
        taken[y : y + h, x : x + w] |= mask
    for net, route in zip(plan.nets, routed.nets, strict=True):
        if len(set(route.colors)) != len(route.colors):
            found.append(f"net '{net.name}' has one color twice")
        for color in route.colors:
            bundles = tuple(b for b in route.bundles if b.color == color)
            reason = fault(bundles, plan.mesh)
            if reason:
                found.append(f"net '{net.name}', color {color}: {reason}")
                continue
            traces = [trace(b) for b in bundles]
            xs, ys = np.concatenate([t.x for t in traces]), np.concatenate([t.y for t in traces])
            met = np.flatnonzero(taken[ys, xs] >> color & 1)
            if len(met):
                found.append(f"net '{net.name}' meets another use of color {color} at ({xs[met[0]]}, {ys[met[0]]})")
            taken[ys, xs] |= 1 << color
    return found
