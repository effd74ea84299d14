"""A placement: regions and host links. The invariants are numbered in verify_plan.py."""

from __future__ import annotations

import numpy as np

from tulle_ir.host_links import host_links
from tulle_ir.placed import HostLink, Placed
from tulle_ir.plan import HOST
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.plan import kernel_path, net_path

FREE = -1


def check_placed(placed: Placed, target: Target, findings: Findings) -> None:
    """What a placement adds to its plan."""
    plan = placed.plan
    if len(placed.frames) != len(plan.kernels) or len(placed.links) != len(plan.nets):
        findings.error("there is not one frame per kernel and one link or none per net", placed, "placement")
        return
    _check_regions(placed, findings)
    _check_links(placed, target, findings)


def _check_regions(placed: Placed, findings: Findings) -> None:
    """Paints the regions one after the other."""
    width, height = placed.plan.mesh
    owner = np.full((height, width), FREE, np.int32)
    for k, (kernel, frame) in enumerate(zip(placed.plan.kernels, placed.frames, strict=True)):
        if (frame.width, frame.height) != (kernel.width, kernel.height):
            what = f"it is placed with {frame.width} x {frame.height} PEs, not {kernel.width} x {kernel.height}"
            findings.error(what, frame, kernel_path(kernel))
        x, y, w, h = frame.region
        if x < 0 or y < 0 or x + w > width or y + h > height:
            findings.error(f"the region {list(frame.region)} leaves the mesh", frame, kernel_path(kernel))
            continue
        region = owner[y : y + h, x : x + w]
        taken = region[region != FREE]
        if taken.size:
            other = placed.plan.kernels[int(taken[0])]
            see = findings.site(placed.frames[int(taken[0])], kernel_path(other))
            findings.error(f"the region {list(frame.region)} overlaps another", frame, kernel_path(kernel), see)
        region[...] = k


def _check_links(placed: Placed, target: Target, findings: Findings) -> None:
    existing = frozenset(host_links(target, placed.plan.mesh))
    seen: dict[tuple[bool, HostLink], HostLink] = {}
    for net, link in zip(placed.plan.nets, placed.links, strict=True):
        touches = HOST in (net.source.kernel, net.sink.kernel)
        if (link is not None) != touches:
            what = "the net with the host has no link" if touches else "the net between kernels has a host link"
            findings.error(what, link or net, net_path(net))
        if link is None:
            continue
        if link not in existing:
            findings.error(f"the mesh has no host link at ({link.x}, {link.y}) {link.side}", link, net_path(net))
        other = seen.setdefault((net.source.kernel == HOST, link), link)
        if other is not link:
            findings.error(f"the host link at ({link.x}, {link.y}) is taken", link, net_path(net))
