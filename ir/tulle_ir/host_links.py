"""The host links that a mesh has, and where they attach."""

from __future__ import annotations

from dataclasses import replace

from tulle_ir.placed import HostLink
from tulle_ir.program import Port
from tulle_ir.target import Target


def share_of(target: Target, replicas: int) -> Target:
    """The target as one of so many equal copies sees it that stand one below the other and work at the same time: a
    share of its rows and of its host links, rounded down."""
    return replace(target, height=target.height // replicas, io_links=target.io_links // replicas)


def host_links(target: Target, mesh: tuple[int, int]) -> tuple[HostLink, ...]:
    """The host links of a mesh (width, height) cut from the target's wafer.

    Their number is n = min(io_links, 2 * height): the links belong to the wafer, and a program that runs alone on a
    part of it has all that its edges can take, one per router of the west and the east edge. They alternate west, east,
    west ..., and each edge's rows are evenly spread: of c links on an edge, link k attaches at row
    floor((2k + 1) * height / (2c)).
    """
    width, height = mesh
    n = min(target.io_links, 2 * height)
    counts = {Port.WEST: (n + 1) // 2, Port.EAST: n // 2}
    links: list[HostLink] = []
    for index in range(n):
        side = (Port.WEST, Port.EAST)[index % 2]
        row = (2 * (index // 2) + 1) * height // (2 * counts[side])
        links.append(HostLink(0 if side is Port.WEST else width - 1, row, side))
    return tuple(links)
