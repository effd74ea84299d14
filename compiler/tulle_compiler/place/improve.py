"""Improving a placement: take some kernels out, put them back in better, keep what lowers the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tulle_compiler.place.cost import CostModel, PlacementCost
from tulle_compiler.place.search import Beam, build, remaining
from tulle_compiler.place.spots import Pull, Spots
from tulle_compiler.place.wires import Place3

TRIALS = 40  # per unit of effort


def improve(
    spots: Spots,
    cost: CostModel,
    order: Sequence[int],
    places: tuple[Place3, ...],
    effort: int,
    rng: np.random.Generator,
) -> tuple[tuple[Place3, ...], PlacementCost]:
    """Rebuild runs of 1 to 8 kernels that follow one another in the order; a change stays if the cost falls."""
    best, best_cost = places, cost(places)
    n = len(order)
    for _ in range(TRIALS * effort if n else 0):
        run = int(rng.integers(1, min(8, n) + 1))
        first = int(rng.integers(0, n - run + 1))
        removed = list(order[first : first + run])
        if rng.random() < 0.3:
            removed.reverse()
        kept = {k: p for k, p in enumerate(best) if k not in removed}
        start = remaining(spots, kept, spots.plan.mesh)
        pull = Pull(noise=float(rng.choice([0.0, 0.05, 0.3])))
        result = build(spots, start, removed, Beam(2, 2), pull, rng)
        if not isinstance(result, Mapping):
            continue
        candidate = tuple(result[k] for k in range(n))
        if candidate == best:
            continue
        candidate_cost = cost(candidate)
        if (candidate_cost.unroutable, candidate_cost.total) < (best_cost.unroutable, best_cost.total):
            best, best_cost = candidate, candidate_cost
    return best, best_cost
