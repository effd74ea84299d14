"""The line of PEs of a scatter or a gather: its segments, one per host link, and what each PE has of the lanes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder
from tulle_compiler.kernels.view import View
from tulle_ir.code import Reg
from tulle_ir.program import Grid


def segments(lanes: int, links: int, even: bool) -> np.ndarray:
    """Bounds of the segments of positions, one per link: [links + 1].

    Evenly spread like the links along an edge, so that a line there leads straight to them; or the longer ones first,
    so that segments of one length lie side by side and share their classes.
    """
    link = np.arange(links + 1)
    if even:
        return link * lanes // links
    shortest, longer = divmod(lanes, links)
    return link * shortest + np.minimum(link, longer)


def position_lanes(view: View) -> np.ndarray:
    """The lane at each position of the line."""
    return view.ports["y" if view.kernel.kind == "scatter" else "x"].lanes()


@dataclass(frozen=True, slots=True)
class Look:
    """What the code of a PE depends on: colors of its queues; -1: it has no such queue."""

    source: int
    out: int
    neighbour: int  # to the next PE of a scatter, from the one before in a gather
    is_last: bool


class Line:
    """The line of PEs: per position the lane, and the bounds of its segment."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.dtype = view.precision.stream
        self.lanes = position_lanes(view)
        self.bounds = segments(len(self.lanes), view.number("links"), bool(view.number("even")))
        self.segment = np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))
        self.partition = view.partition("lanes")
        self.sizes = self.partition.sizes[self.lanes].astype(np.int64)
        groups = self.partition.grouped(view.groups())
        self.groups = np.stack([rows.sizes[self.lanes].astype(np.int64) for rows in groups])

    def _ends(self, p: int) -> tuple[int, int, int]:
        """The segment of position p, its first position and the one behind its last."""
        s = int(self.segment[p])
        return s, int(self.bounds[s]), int(self.bounds[s + 1])

    def scatter(self, p: int) -> Look:
        """A PE of a scatter: from the link or the PE before, to its lane and the PE behind."""
        s, a, z = self._ends(p)
        view, is_last = self.view, p == z - 1
        source = view.ports[f"in{s}"].colors[0] if p == a else view.colors[(p - 1 - a) % 2]
        return Look(source, view.ports["y"].colors[p], -1 if is_last else view.colors[(p - a) % 2], is_last)

    def gather(self, p: int) -> Look:
        """A PE of a gather: from its lane and the PE before, to the PE behind or the link."""
        s, a, z = self._ends(p)
        view, is_last = self.view, p == z - 1
        out = view.ports[f"out{s}"].colors[0] if is_last else view.colors[(p - a) % 2]
        return Look(view.ports["x"].colors[p], out, -1 if p == a else view.colors[(p - 1 - a) % 2], is_last)

    def builder(self, grid: Grid) -> tuple[ClassBuilder, Reg, Reg]:
        """A class at these positions with the registers that both kinds have."""
        b = ClassBuilder(f"p{grid.x}", grid, self.view.target)
        return b, b.register("header"), b.register("n")

    def later(self, grid: Grid) -> np.ndarray:
        """Lanes behind each PE in its segment."""
        return self._of(grid, self.bounds[self.segment + 1] - 1 - np.arange(len(self.lanes)))

    def padding(self, grid: Grid) -> np.ndarray:
        """Rows that a scatter's PE drops: those by which the largest lane of its segment is larger than its own."""
        return self._of(grid, np.maximum.reduceat(self.sizes, self.bounds[:-1])[self.segment] - self.sizes)

    def lane_sizes(self, grid: Grid) -> np.ndarray:
        """Features of each PE's lane."""
        return self._of(grid, self.sizes)

    def own(self, grid: Grid, group: int) -> np.ndarray:
        """Features of each PE's lane in a group."""
        return self._of(grid, self.groups[group])

    def until(self, grid: Grid, group: int) -> np.ndarray:
        """Features of each PE's lane in the groups up to this one."""
        return self._of(grid, self.groups[: group + 1].sum(axis=0))

    def earlier(self, grid: Grid, group: int) -> np.ndarray:
        """Features of the lanes before each PE in its segment, in a group."""
        before = np.concatenate([[0], np.cumsum(self.groups[group])])
        return self._of(grid, before[:-1] - before[self.bounds[self.segment]])

    def _of(self, grid: Grid, values: np.ndarray) -> np.ndarray:
        return values[grid.x + grid.step_x * np.arange(grid.width)][None, :]
