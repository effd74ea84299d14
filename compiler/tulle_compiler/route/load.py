"""What the mesh carries so far: colors per router, wavelets per directed link."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.route.footprint import Footprint
from tulle_compiler.route.trace import RAMP, Trace


class Load:
    """Color counts [H, W] and wavelets per chunk on the links *into* each router [4 input sides, H, W]."""

    def __init__(self, mesh: tuple[int, int]) -> None:
        width, height = mesh
        self.colors = np.zeros((height, width), np.int32)
        self.links = np.zeros((4, height, width), np.int32)

    def add_region(self, region: tuple[int, int, int, int], colors: int) -> None:
        """A kernel's own colors, counted in all its routers."""
        x, y, w, h = region
        self.colors[y : y + h, x : x + w] += colors

    def add(self, traces: Sequence[Trace], wavelets: int) -> None:
        """A net's paths of one color, in which no router is entered twice."""
        footprint = Footprint.of(traces)
        h, w = footprint.taken.shape
        self.colors[footprint.y : footprint.y + h, footprint.x : footprint.x + w] += footprint.taken
        self.carry(traces, wavelets)

    def carry(self, traces: Sequence[Trace], wavelets: int) -> None:
        """The wavelets of some paths; by itself for routes inside a kernel, whose colors its region counts."""
        for t in traces:
            moved = (t.port != RAMP) & ~t.start
            self.links[t.port[moved], t.y[moved], t.x[moved]] += wavelets

    def crowding(self, trace: Trace, comfortable: int) -> int:
        """Sum over the path's routers of the colors beyond what is comfortable."""
        return int(np.maximum(self.colors[trace.y, trace.x] + 1 - comfortable, 0).sum())

    def sharing(self, trace: Trace, wavelets: int) -> tuple[int, int]:
        """Sum over the path's links of the wavelets that two nets compete with (the lighter one's), and the wavelets of
        the fullest link."""
        moved = (trace.port != RAMP) & ~trace.start
        there = self.links[trace.port[moved], trace.y[moved], trace.x[moved]]
        return int(np.minimum(there, wavelets).sum()), int(there.max(initial=0)) + wavelets
