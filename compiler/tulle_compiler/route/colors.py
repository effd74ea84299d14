"""Colors for items that share routers: every net's color groups and every kernel's local colors."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from tulle_compiler.route.footprint import Footprint, meetings

NetItem = tuple[int, int]  # net, color group


@dataclass(frozen=True, slots=True)
class Coloring:
    """Colors by kernel and local color, and by net and color group; `used` is their number."""

    internal: tuple[tuple[int, ...], ...]
    nets: dict[NetItem, int]
    used: int


def assign_colors(regions: Sequence[Footprint], local: Sequence[int], nets: dict[NetItem, Footprint]) -> Coloring:
    """Color all items with few colors. `local[k]` counts the local colors of kernel k, which take its whole region."""
    keys = list(nets)
    blocks = [*regions, *nets.values()]
    items: list[list[int]] = []  # block -> item numbers
    count = 0
    for size in [*local, *([1] * len(keys))]:
        items.append(list(range(count, count + size)))
        count += size
    neighbours: list[set[int]] = [set() for _ in range(count)]

    def conflict(a: int, b: int) -> None:
        for i in items[a]:
            neighbours[i].update(items[b])
            for j in items[b]:
                neighbours[j].add(i)

    for a, b in meetings(blocks):
        conflict(a, b)
    groups: dict[int, list[int]] = {}
    for position, (net, _) in enumerate(keys):
        groups.setdefault(net, []).append(len(regions) + position)
    for members in groups.values():
        for index, a in enumerate(members):
            for b in members[index + 1 :]:
                conflict(a, b)
    for k in range(len(regions)):
        conflict(k, k)
    for i in range(count):
        neighbours[i].discard(i)
    color = saturation_coloring(neighbours)
    return Coloring(
        tuple(tuple(color[i] for i in items[k]) for k in range(len(regions))),
        {key: color[items[len(regions) + position][0]] for position, key in enumerate(keys)},
        max(color, default=-1) + 1,
    )


def saturation_coloring(neighbours: Sequence[set[int]]) -> list[int]:
    """DSATUR: always color the item with the most colors around it (then most neighbours, then lowest number) with the
    lowest color it can have."""
    n = len(neighbours)
    color = [-1] * n
    around: list[set[int]] = [set() for _ in range(n)]
    heap = [(0, -len(neighbours[i]), i) for i in range(n)]
    heapq.heapify(heap)
    while heap:
        saturation, _, i = heapq.heappop(heap)
        if color[i] >= 0 or -saturation != len(around[i]):
            continue
        lowest = 0
        while lowest in around[i]:
            lowest += 1
        color[i] = lowest
        for j in neighbours[i]:
            if color[j] < 0 and lowest not in around[j]:
                around[j].add(lowest)
                heapq.heappush(heap, (-len(around[j]), -len(neighbours[j]), j))
    return color
