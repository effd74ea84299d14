"""Placing a model of equal blocks: one block is laid out in a slot, the slots tile the mesh as a serpentine, and every
block takes the layout in the orientation that suits its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import log

import numpy as np

from tulle_compiler.place.blocks import Blocks
from tulle_compiler.place.search import Beam, Partial, build, remaining
from tulle_compiler.place.space import Space
from tulle_compiler.place.spots import Pull, Spots
from tulle_compiler.place.turns import turned
from tulle_compiler.place.wires import NetShape, Place3, frame_of
from tulle_ir.progress import steps

SHAPES = 5  # shapes of slots tried
LAYOUTS = 3  # layouts kept to tile with
ELONGATED = 5.0  # slots are at most this many times longer than wide

Slot = tuple[int, int]  # x, y of the north-west corner


@dataclass(frozen=True, slots=True)
class Layout:
    """The kernels of one block in a slot of `size`, relative to its corner, and the wavelet-hops inside the block."""

    size: tuple[int, int]
    places: tuple[Place3, ...]
    wires: float


def tilings(spots: Spots, blocks: Blocks, effort: int, rng: np.random.Generator) -> Iterator[Mapping[int, Place3]]:
    """Complete placements made of equal blocks."""
    sizes = slot_sizes(spots, blocks)
    layouts = [*_free_layouts(spots, blocks, effort, rng)]
    for size in sizes[:SHAPES]:
        layouts += sorted(_layouts(spots, blocks, size, effort, rng), key=lambda found: found.wires)[:2]
    layouts.sort(key=lambda found: (found.wires, found.size))
    for layout in steps("place", layouts[: LAYOUTS + effort], "layouts"):
        for slots in serpentines(spots.plan.mesh, layout.size, len(blocks.blocks)):
            placed = _oriented(spots, blocks, layout, slots)
            window = (0, 0, *spots.plan.mesh)
            result = build(spots, remaining(spots, placed, window), blocks.rest, Beam(4, 3), Pull(), rng)
            if isinstance(result, Mapping):
                yield result


def slot_sizes(spots: Spots, blocks: Blocks) -> list[tuple[int, int]]:
    """Sizes of slots that tile the mesh with enough slots, the squarest first."""
    width, height = spots.plan.mesh
    kernels = [spots.plan.kernels[k] for k in blocks.blocks[0]]
    area = sum(k.width * k.height for k in kernels)
    short, long = max(min(k.width, k.height) for k in kernels), max(max(k.width, k.height) for k in kernels)
    sizes: dict[tuple[int, int], None] = {}
    for spare in (1, 0):
        for columns in range(1, len(blocks.blocks) + spare + 1):
            rows = -(-(len(blocks.blocks) + spare) // columns)
            w, h = width // columns, height // rows
            fits = min(w, h) >= short and max(w, h) >= long and w * h >= area
            if fits and max(w, h) <= ELONGATED * min(w, h):
                sizes.setdefault((w, h))
    return sorted(sizes, key=lambda s: (round(abs(log(s[0] / s[1])), 1), -s[0] * s[1]))


def serpentines(mesh: tuple[int, int], size: tuple[int, int], count: int) -> list[list[Slot]]:
    """The first `count` slots along the rows or the columns of slots, back and forth, from each of the corners."""
    columns, rows = mesh[0] // size[0], mesh[1] // size[1]
    found: dict[tuple[Slot, ...], None] = {}
    for by_rows, from_east, from_south in product((True, False), (False, True), (False, True)):
        outer, inner = (rows, columns) if by_rows else (columns, rows)
        cells = [(a, b if a % 2 == 0 else inner - 1 - b) for a in range(outer) for b in range(inner)]
        grid = [(b, a) if by_rows else (a, b) for a, b in cells][:count]
        slots = tuple(
            (
                mesh[0] - (cx + 1) * size[0] if from_east else cx * size[0],
                mesh[1] - (cy + 1) * size[1] if from_south else cy * size[1],
            )
            for cx, cy in grid
        )
        if len(slots) == count:
            found.setdefault(slots)
    return [list(slots) for slots in found]


def _layouts(
    spots: Spots, blocks: Blocks, size: tuple[int, int], effort: int, rng: np.random.Generator
) -> Iterator[Layout]:
    """Layouts of a block in a slot of a given size in the middle of the mesh, by searches with noise."""
    width, height = spots.plan.mesh
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    for trial in range(3 + 3 * effort):
        pull = (Pull(), Pull(x=0.1), Pull(y=0.1), Pull(x=0.03, y=0.03))[trial % 4]
        pull = Pull(pull.x, pull.y, noise=0.3 * (trial > 0))
        layout = _layout(spots, blocks, (x, y, x + size[0], y + size[1]), pull, rng)
        if layout is not None:
            yield Layout(size, layout.places, layout.wires)


def _free_layouts(spots: Spots, blocks: Blocks, effort: int, rng: np.random.Generator) -> Iterator[Layout]:
    """Layouts of a block on an empty mesh, in slots as large as they come out, if these tile the mesh."""
    width, height = spots.plan.mesh
    for trial in range(6 + 6 * effort):
        strength = (0.0, 0.05, 0.2, 0.5)[trial % 4]
        pull = Pull(strength, strength, noise=0.2 * (trial > 0))
        layout = _layout(spots, blocks, (0, 0, width, height), pull, rng)
        if layout is not None and (width // layout.size[0]) * (height // layout.size[1]) >= len(blocks.blocks):
            yield layout


def _layout(
    spots: Spots, blocks: Blocks, window: tuple[int, int, int, int], pull: Pull, rng: np.random.Generator
) -> Layout | None:
    """A layout of the middle block in a window (x0, y0, x1, y1), cut to its bounding box; None if a net has no path."""
    members = blocks.blocks[len(blocks.blocks) // 2]
    inner = _nets(spots, members, members)
    start = Partial(0.0, {}, Space(np.array([window], dtype=np.int64)))
    placed = build(spots, start, members, Beam(3, 2), pull, rng)
    if not isinstance(placed, Mapping):
        return None
    if any(spots.wires.reach(s, placed[s.source], placed[s.sink]).path is None for s in inner):
        return None
    wires = sum(s.weight * spots.wires.hops(s, placed[s.source], placed[s.sink]) for s in inner)
    boxes = np.array([frame_of(spots.plan.kernels[k], placed[k]).region for k in members])
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    w, h = ((boxes[:, :2] + boxes[:, 2:]).max(axis=0) - [x0, y0]).tolist()
    return Layout((w, h), tuple((o, x - x0, y - y0) for o, x, y in (placed[k] for k in members)), wires)


def _nets(spots: Spots, sources: Sequence[int], sinks: Sequence[int]) -> list[NetShape]:
    """Nets from some kernels to others."""
    inside = set(sinks)
    return [s for k in sources for s in spots.wires.by_kernel[k] if s.source == k and s.sink in inside]


def _oriented(spots: Spots, blocks: Blocks, layout: Layout, slots: Sequence[Slot]) -> dict[int, Place3]:
    """All blocks in their slots, oriented so that the nets from block to block are shortest (dynamic programming)."""
    square = layout.size[0] == layout.size[1]
    turns = [t for t in range(8) if t < 4 or square]  # the first four do not transpose
    options = [
        [_in_slot(spots, members, layout, slot, turn) for turn in turns]
        for members, slot in zip(blocks.blocks, slots, strict=True)
    ]
    cost = [0.0] * len(turns)
    choices: list[list[int]] = []
    for b in range(1, len(options)):
        nets = _nets(spots, blocks.blocks[b - 1], blocks.blocks[b])
        table = [
            [c + _wires(spots, nets, before, after) for c, before in zip(cost, options[b - 1], strict=True)]
            for after in options[b]
        ]
        choices.append([row.index(min(row)) for row in table])
        cost = [min(row) for row in table]
    turn = cost.index(min(cost))
    placed: dict[int, Place3] = {}
    for b in range(len(options) - 1, -1, -1):
        placed |= options[b][turn]
        if b:
            turn = choices[b - 1][turn]
    return placed


def _wires(spots: Spots, nets: Sequence[NetShape], before: Mapping[int, Place3], after: Mapping[int, Place3]) -> float:
    return sum(s.weight * spots.wires.hops(s, before[s.source], after[s.sink]) for s in nets)


def _in_slot(spots: Spots, members: Sequence[int], layout: Layout, slot: Slot, turn: int) -> dict[int, Place3]:
    """A block's kernels in a slot, the layout turned."""
    placed = {}
    for k, place in zip(members, layout.places, strict=True):
        region = frame_of(spots.plan.kernels[k], place).region
        o, x, y = turned(place, region, layout.size, turn)
        placed[k] = (o, slot[0] + x, slot[1] + y)
    return placed
