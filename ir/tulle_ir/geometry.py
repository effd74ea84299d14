"""The eight orientations of a rectangle on the mesh, and affine coordinates under them.

A kernel is described in *canonical* coordinates: [0, width) x [0, height), x east, y south. An orientation first
transposes (swaps x and y), then mirrors in x, then in y, each if set; then the region's origin is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_ir.program import Affine, Bundle, Grid, Leg, Port

TRANSPOSED = {
    Port.NORTH: Port.WEST,
    Port.WEST: Port.NORTH,
    Port.EAST: Port.SOUTH,
    Port.SOUTH: Port.EAST,
    Port.RAMP: Port.RAMP,
}
MIRRORED_X = {**{p: p for p in Port}, Port.EAST: Port.WEST, Port.WEST: Port.EAST}
MIRRORED_Y = {**{p: p for p in Port}, Port.NORTH: Port.SOUTH, Port.SOUTH: Port.NORTH}


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight symmetries of the square."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False


ORIENTATIONS = tuple(Orientation(t, mx, my) for t in (False, True) for mx in (False, True) for my in (False, True))


@dataclass(frozen=True, slots=True)
class Frame:
    """A canonical region of `width` x `height` placed with its north-west corner at (x, y) of the mesh."""

    x: int
    y: int
    width: int
    height: int
    orientation: Orientation = Orientation()

    @property
    def region(self) -> tuple[int, int, int, int]:
        """[x, y, width, height] on the mesh."""
        w, h = (self.height, self.width) if self.orientation.transpose else (self.width, self.height)
        return (self.x, self.y, w, h)

    def port(self, port: Port) -> Port:
        """The mesh direction of a canonical direction."""
        if self.orientation.transpose:
            port = TRANSPOSED[port]
        if self.orientation.mirror_x:
            port = MIRRORED_X[port]
        return MIRRORED_Y[port] if self.orientation.mirror_y else port

    def point(self, x: Affine, y: Affine) -> tuple[Affine, Affine]:
        """Mesh coordinates of canonical coordinates (affine in the lane)."""
        _, _, w, h = self.region
        if self.orientation.transpose:
            x, y = y, x
        if self.orientation.mirror_x:
            x = Affine(w - 1 - x.constant, -x.per_i, -x.per_j)
        if self.orientation.mirror_y:
            y = Affine(h - 1 - y.constant, -y.per_i, -y.per_j)
        return (
            Affine(x.constant + self.x, x.per_i, x.per_j),
            Affine(y.constant + self.y, y.per_i, y.per_j),
        )

    def leg(self, leg: Leg) -> Leg:
        """A canonical leg on the mesh."""
        horizontal = leg.direction in (Port.EAST, Port.WEST)
        zero = Affine(0)
        x, y = self.point(leg.to, zero) if horizontal else self.point(zero, leg.to)
        direction = self.port(leg.direction)
        return Leg(direction, x if direction in (Port.EAST, Port.WEST) else y, leg.ramp)

    def bundle(self, bundle: Bundle, color: int) -> Bundle:
        """A canonical bundle on the mesh, with its global color."""
        x, y = self.point(bundle.x, bundle.y)
        return Bundle(
            color=color,
            lanes=bundle.lanes,
            x=x,
            y=y,
            source=self.port(bundle.source),
            legs=tuple(self.leg(leg) for leg in bundle.legs),
            end=None if bundle.end is None else self.port(bundle.end),
            start_ramp=bundle.start_ramp,
        )

    def grid(self, grid: Grid) -> Grid:
        """A canonical grid on the mesh; its PEs are numbered anew, row by row of the mesh (see `arrange`)."""
        last_x = grid.x + (grid.width - 1) * grid.step_x
        last_y = grid.y + (grid.height - 1) * grid.step_y
        x0, y0 = self.point(Affine(grid.x), Affine(grid.y))
        x1, y1 = self.point(Affine(last_x), Affine(last_y))
        w, h, sx, sy = grid.width, grid.height, grid.step_x, grid.step_y
        if self.orientation.transpose:
            w, h, sx, sy = h, w, sy, sx
        return Grid(min(x0.constant, x1.constant), min(y0.constant, y1.constant), w, h, sx, sy)

    def arrange(self, per_pe: np.ndarray) -> np.ndarray:
        """Reorder [height, width, ...] values of a canonical grid into the order of the grid on the mesh."""
        if self.orientation.transpose:
            per_pe = np.swapaxes(per_pe, 0, 1)
        if self.orientation.mirror_x:
            per_pe = per_pe[:, ::-1]
        return per_pe[::-1] if self.orientation.mirror_y else per_pe
