"""Path shapes: straight, L, Z, U and paths of up to four corners, as affine functions of the lane.

A bundle of lanes is a ribbon: a lane that is on the left of its neighbour stays on the left. A path is a sequence of
directions d1 .. dk, each perpendicular to the one before; leg m ends at coordinate q[m] on its axis and travels at
coordinate q[m-1] on the other. So q[-1], q[0] are the source's coordinates and q[k-1], q[k] those of the approach; the
coordinates between are free, with a pitch of one and the sign that keeps the ribbon flat:
sign(q[m]) = -s[m] * s[m+1] * sign(q[m-1]). Everything is affine in the lane, so lengths and bounds need to be looked at
for the first and the last lane only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tulle_ir.program import Port

NORTH, EAST, SOUTH, WEST = range(4)
PORTS = (Port.NORTH, Port.EAST, Port.SOUTH, Port.WEST)
DIRECTION = {port: d for d, port in enumerate(PORTS)}
SIGN = (-1, 1, 1, -1)
AXIS = (1, 0, 1, 0)  # the axis a direction travels on: 0 is x, 1 is y
ACROSS = ((NORTH, SOUTH), (WEST, EAST))  # by axis, the two directions perpendicular to it
ALONG = ((WEST, EAST), (NORTH, SOUTH))  # by axis, the two directions on it
UNBOUNDED = 1 << 30

Pair = tuple[int, int]  # a coordinate of the first and of the last lane


class Source(NamedTuple):
    """Where lanes begin: mesh coordinates of source position 0 and L-1, and the first directions allowed."""

    at: tuple[Pair, Pair]  # x, y
    firsts: tuple[int, ...]


class Approach(NamedTuple):
    """Where paths end: the routers just before the entry of sink position 0 and L-1 (or the host link itself), and the
    heading in which the entry is reached from there."""

    at: tuple[Pair, Pair]  # x, y
    heading: int
    entry: int = 0


class Bounds(NamedTuple):
    """Coordinates allowed, inclusive: lowest and highest x, lowest and highest y."""

    x: Pair
    y: Pair


class Around(NamedTuple):
    """Regions to go around: their extents (low, high; half-open) in x and in y."""

    x: tuple[Pair, ...] = ()
    y: tuple[Pair, ...] = ()


NOTHING = Around()


class Path(NamedTuple):
    """Legs as functions of the *sink* position i: leg m travels in dirs[m] to stops[m] (of i = 0 and of i = L-1).

    `start` are the source coordinates by sink position; `length` is the sum of the first and the last lane's hops up
    to the approach, so that all L lanes together take L * length / 2 hops.
    """

    dirs: tuple[int, ...]
    stops: tuple[Pair, ...]
    start: tuple[Pair, Pair]
    flipped: bool
    length: int
    entry: int


def sources(at: tuple[Pair, Pair], lanes: int, side: int = -1) -> Source:
    """A source line with its first directions: across the line, or any for one lane but the host's `side`."""
    if lanes == 1:
        return Source(at, tuple(d for d in (NORTH, EAST, SOUTH, WEST) if d != side))
    return Source(at, ACROSS[0] if at[0][0] != at[0][1] else ACROSS[1])


def simple_paths(source: Source, approach: Approach, lanes: int, bounds: Bounds, choices: int = 1) -> Iterator[Path]:
    """Paths of at most two corners, which never touch themselves. `choices`: positions tried per free coordinate."""
    heading = approach.heading
    for first in source.firsts:
        if AXIS[first] != AXIS[heading]:
            if _ahead(source, approach, first) and _ahead(source, approach, heading):
                yield from solve(source, approach, (first, heading), lanes, bounds, choices)
            continue
        if first == heading and not _ahead(source, approach, first):
            continue
        if first == heading:
            yield from solve(source, approach, (first,), lanes, bounds, choices)
        for turn in ACROSS[AXIS[first]]:
            if _ahead(source, approach, turn):
                yield from solve(source, approach, (first, turn, heading), lanes, bounds, choices)


def _ahead(source: Source, approach: Approach, direction: int) -> bool:
    """Whether the approach's middle is not behind the source's middle, looking in a direction."""
    (a, b), (c, d) = source.at[AXIS[direction]], approach.at[AXIS[direction]]
    return (c + d - a - b) * SIGN[direction] >= 0


def winding_paths(
    source: Source, approach: Approach, lanes: int, bounds: Bounds, around: Around = NOTHING, choices: int = 2
) -> Iterator[Path]:
    """Paths of three or four corners; they may touch themselves, which the exact check finds. Free coordinates take
    `choices` positions, of four corners the nearest, and those that just clear the regions of `around`."""
    heading = approach.heading
    for first in source.firsts:
        for turn in ACROSS[AXIS[first]]:
            for middle in ALONG[AXIS[first]]:
                if AXIS[first] != AXIS[heading]:
                    yield from solve(source, approach, (first, turn, middle, heading), lanes, bounds, choices, around)
                    continue
                for second in ACROSS[AXIS[first]]:
                    dirs = (first, turn, middle, second, heading)
                    yield from solve(source, approach, dirs, lanes, bounds, 1, around)


def solve(
    source: Source,
    approach: Approach,
    dirs: tuple[int, ...],
    lanes: int,
    bounds: Bounds,
    choices: int,
    around: Around = NOTHING,
) -> Iterator[Path]:
    """All paths along `dirs`: `choices` positions of each free coordinate (nearest, farthest, middle), and those that
    clear the regions of `around`."""
    k = len(dirs)
    signs = [SIGN[d] for d in dirs]
    for (a, b), (low, high) in zip(approach.at, bounds, strict=True):
        if a < low or b < low or a > high or b > high:
            return
    last_axis = AXIS[dirs[-1]]
    sink_line = approach.at[1 - last_axis]
    slope = [0] * k  # slope[m]: sign of q[m] over the sink position, for legs' travelling coordinates q[0] .. q[k-1]
    slope[k - 1] = _sign(sink_line)
    for m in range(k - 2, -1, -1):
        slope[m] = -signs[m] * signs[m + 1] * slope[m + 1]
    source_line = source.at[1 - AXIS[dirs[0]]]
    flipped = lanes > 1 and slope[0] != _sign(source_line)
    start = tuple((b, a) for a, b in source.at) if flipped else source.at
    along, line = start[AXIS[dirs[0]]], start[1 - AXIS[dirs[0]]]
    if k == 1 and line != sink_line:
        return
    coordinates = [along, line] + [(0, 0)] * (k - 2) + ([sink_line] if k > 1 else []) + [approach.at[last_axis]]
    least = [1 if 0 < m < k - 1 and signs[m - 1] != signs[m + 1] else 0 for m in range(k)]
    for q in _fill(coordinates, 2, signs, slope, least, dirs, lanes, bounds, choices, around):
        length = 0
        for m in range(k):
            (a0, a1), (b0, b1) = q[m], q[m + 2]
            step0, step1 = signs[m] * (b0 - a0), signs[m] * (b1 - a1)
            if step0 < least[m] or step1 < least[m]:
                break
            length += step0 + step1
        else:
            yield Path(dirs, tuple(q[2:]), (start[0], start[1]), flipped, length, approach.entry)


def _fill(
    q: list[Pair],
    index: int,
    signs: list[int],
    slope: list[int],
    least: list[int],
    dirs: tuple[int, ...],
    lanes: int,
    bounds: Bounds,
    choices: int,
    around: Around,
) -> Iterator[list[Pair]]:
    """Fill the free coordinates q[index] .. (q is shifted by 2 against the legs' numbers: leg m ends at q[m + 2])."""
    k = len(dirs)
    if index >= k:  # the last two are the approach's
        yield q
        return
    m = index - 2
    run = slope[m + 1] * (lanes - 1)
    low, high = bounds[AXIS[dirs[m]]]
    low, high = max(low, low - run), min(high, high - run)
    floor, ceiling = -UNBOUNDED, UNBOUNDED
    constraints = [(signs[m], q[m], least[m])]
    if index + 2 >= k:
        constraints.append((-signs[m + 2], q[index + 2], least[m + 2]))
    for sign, (a, b), minimum in constraints:
        if sign > 0:
            floor = max(floor, a + minimum, b - run + minimum)
        else:
            ceiling = min(ceiling, a - minimum, b - run - minimum)
    low, high = max(low, floor), min(high, ceiling)
    values = _positions(low, high, floor, ceiling, signs[m], lanes, choices)
    for a, b in around[AXIS[dirs[m]]]:
        values += [v for v in (a - 1 - max(run, 0), b - min(run, 0)) if low <= v <= high]
    for value in dict.fromkeys(values):
        yield from _fill(
            [*q[:index], (value, value + run), *q[index + 1 :]],
            index + 1, signs, slope, least, dirs, lanes, bounds, choices, around,
        )  # fmt: skip


def _positions(low: int, high: int, floor: int, ceiling: int, sign: int, lanes: int, choices: int) -> list[int]:
    """Positions for a free coordinate in [low, high]: the nearest first; farther ones only if `choices` > 1."""
    if low > high:
        return []
    near, step = (low, 1) if sign > 0 else (high, -1)
    if choices == 1:
        return [near]
    if floor > -UNBOUNDED and ceiling < UNBOUNDED:
        far = high if sign > 0 else low
        wanted = [near, far, (low + high) // 2]
    else:
        wanted = [near + step * extra for extra in (0, 1, 2, lanes, 2 * lanes, 3 * lanes)]
    kept = [v for v in dict.fromkeys(wanted) if low <= v <= high]
    return kept[:choices]


def _sign(pair: Pair) -> int:
    """-1, 0 or 1: how a coordinate runs over the lanes."""
    return (pair[1] > pair[0]) - (pair[1] < pair[0])
