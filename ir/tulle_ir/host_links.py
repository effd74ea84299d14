"""The share of the wafer's host links that a mesh has, and where they attach."""

from __future__ import annotations

from math import ceil

from tulle_ir.placed import HostLink
from tulle_ir.program import Port
from tulle_ir.target import Target


def host_links(target: Target, mesh: tuple[int, int]) -> tuple[HostLink, ...]:
    """The host links of a mesh (width, height) cut from the target's wafer.

    Their number is n = max(2, ceil(io_links * mesh height / target height)), at most one per edge router of the west
    and the east edge. They alternate west, east, west ..., and each edge's rows are evenly spread: of c links on an
    edge, link k attaches at row floor((2k + 1) * height / (2c)).
    """
    width, height = mesh
    n = min(max(2, ceil(target.io_links * height / target.height)), 2 * height)
    counts = {Port.WEST: (n + 1) // 2, Port.EAST: n // 2}
    links: list[HostLink] = []
    for index in range(n):
        side = (Port.WEST, Port.EAST)[index % 2]
        row = (2 * (index // 2) + 1) * height // (2 * counts[side])
        links.append(HostLink(0 if side is Port.WEST else width - 1, row, side))
    return tuple(links)
