"""Building a placement: kernels in topological order, a beam of partial placements; and rebuilding parts of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tulle_compiler.place.space import Space
from tulle_compiler.place.spots import Pull, Spots
from tulle_compiler.place.wires import Place3, frame_of


@dataclass(frozen=True, slots=True)
class Beam:
    """How many partial placements are kept, and how many continuations of each are looked at."""

    width: int
    branch: int


@dataclass(frozen=True, slots=True)
class Partial:
    """A placement of some kernels: the sum of their spots' scores, and the room left."""

    score: float
    placed: Mapping[int, Place3]
    space: Space


def build(
    spots: Spots, start: Partial, order: Sequence[int], beam: Beam, pull: Pull, rng: np.random.Generator
) -> Mapping[int, Place3] | int:
    """Place the kernels of `order` after those of `start`. How many were placed, if room ran out."""
    states = [start]
    for done, k in enumerate(order):
        following: list[tuple[float, int, Place3]] = []
        for index, state in enumerate(states):
            for spot in spots.best(k, state.placed, state.space, pull, beam.branch, rng):
                following.append((state.score + spot.score, index, spot.place))
        if not following:
            return done
        following.sort()
        states = [_extended(spots, states[index], score, k, place) for score, index, place in following[: beam.width]]
    return states[0].placed


def remaining(spots: Spots, places: Mapping[int, Place3], window: tuple[int, int, int, int]) -> Partial:
    """The partial placement of the kernels in `places`, with the room left inside a window (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = window
    space = Space(np.array([window], dtype=np.int64))
    for k in sorted(places):
        x, y, w, h = frame_of(spots.plan.kernels[k], places[k]).region
        if x < x1 and x0 < x + w and y < y1 and y0 < y + h:
            space = space.without((x, y, w, h))
    return Partial(0.0, dict(places), space)


def _extended(spots: Spots, state: Partial, score: float, k: int, place: Place3) -> Partial:
    region = frame_of(spots.plan.kernels[k], place).region
    return Partial(score, {**state.placed, k: place}, state.space.without(region))
