"""Improving a placement: take some kernels out, put them back in better, keep what lowers the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tulle_compiler.place.cost import CostModel, PlacementCost
from tulle_compiler.place.search import Beam, build, remaining
from tulle_compiler.place.spots import Pull, Spots
from tulle_compiler.place.wires import Place3, frame_of
from tulle_ir.progress import tell

TRIALS = 40  # per unit of effort
REPAIRS = 150
RUN = 10  # most kernels taken out at once
TRAFFIC_SLACK = 1.02  # a rebuilt part with this much more traffic may still win by sharing fewer links

Places = tuple[Place3, ...]


def improve(
    spots: Spots, cost: CostModel, order: Sequence[int], places: Places, effort: int, rng: np.random.Generator
) -> tuple[Places, PlacementCost]:
    """Rebuild small groups of kernels, TRIALS * effort times; a change stays if the cost falls. As long as a net has no
    path, first around those (REPAIRS times at most)."""
    best, best_cost = places, cost(places)
    trials = TRIALS * effort if order else 0
    repairs = REPAIRS
    while trials > 0 or (best_cost.unroutable and repairs > 0):
        if best_cost.unroutable and repairs > 0:
            repairs -= 1
            lost = cost.lost(best)
            removed = _around(spots, best, order, lost[int(rng.integers(len(lost)))], rng)
        else:
            tell("place", TRIALS * effort - trials, TRIALS * effort, "trials")
            trials -= 1
            if rng.random() < 0.5:
                removed = _run(order, rng)
            else:
                removed = _around(spots, best, order, (int(rng.integers(len(best))),), rng)
        candidate = _rebuilt(spots, best, removed, rng)
        if candidate is None or candidate == best:
            continue
        if cost.around(removed, candidate) > TRAFFIC_SLACK * cost.around(removed, best):
            continue
        candidate_cost = cost(candidate)
        if (candidate_cost.unroutable, candidate_cost.total) < (best_cost.unroutable, best_cost.total):
            best, best_cost = candidate, candidate_cost
    return best, best_cost


def _run(order: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Kernels that follow one another, forwards or backwards."""
    run = int(rng.integers(1, min(RUN, len(order)) + 1))
    first = int(rng.integers(0, len(order) - run + 1))
    removed = list(order[first : first + run])
    return removed[::-1] if rng.random() < 0.3 else removed


def _around(
    spots: Spots, places: Places, order: Sequence[int], kernels: Sequence[int], rng: np.random.Generator
) -> list[int]:
    """Some kernels and those that lie around the first of them, in topological order."""
    boxes = np.array([frame_of(k, p).region for k, p in zip(spots.plan.kernels, places, strict=True)])
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    count = int(rng.integers(2, RUN + 1))
    near = np.argsort(np.abs(middle - middle[kernels[0]]).sum(axis=1), kind="stable")[:count]
    removed = {*near.tolist(), *kernels}
    return [k for k in order if k in removed]


def _rebuilt(spots: Spots, places: Places, removed: list[int], rng: np.random.Generator) -> Places | None:
    """The placement with some kernels placed anew, in the window around where they were and what they connect to."""
    out = set(removed)
    kept = {k: p for k, p in enumerate(places) if k not in out}
    window = _window(spots, places, out)
    pull = Pull(noise=float(rng.choice([0.0, 0.05, 0.3])))
    result = build(spots, remaining(spots, kept, window), removed, Beam(2, 2), pull, rng)
    return tuple(result[k] for k in range(len(places))) if isinstance(result, Mapping) else None


def _window(spots: Spots, places: Places, removed: set[int]) -> tuple[int, int, int, int]:
    """A rectangle (x0, y0, x1, y1) of the mesh around some kernels, with room on all sides."""
    regions = np.array([frame_of(spots.plan.kernels[k], places[k]).region for k in sorted(removed)])
    margin = int(regions[:, 2:].max())
    width, height = spots.plan.mesh
    x0, y0 = (regions[:, :2].min(axis=0) - margin).tolist()
    x1, y1 = ((regions[:, :2] + regions[:, 2:]).max(axis=0) + margin).tolist()
    return max(0, x0), max(0, y0), min(width, x1), min(height, y1)
