"""The placement pass: several constructive searches, the best one improved by rebuilding parts of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tulle_compiler.place.blocks import find_blocks
from tulle_compiler.place.cost import CostModel, overlaps, topological_order
from tulle_compiler.place.improve import improve
from tulle_compiler.place.links import HostEnds
from tulle_compiler.place.misfit import check_sizes, no_room
from tulle_compiler.place.search import Beam, Partial, build
from tulle_compiler.place.shelf import shelf
from tulle_compiler.place.side_by_side import side_by_side
from tulle_compiler.place.space import Space
from tulle_compiler.place.spots import Pull, Spots
from tulle_compiler.place.tiling import tilings
from tulle_compiler.place.wires import Place3, Wires, frame_of
from tulle_ir.placed import Placed
from tulle_ir.plan import Plan
from tulle_ir.target import Target, load_target

FEWEST_BLOCKS = 3  # fewer are placed kernel by kernel


@dataclass(frozen=True, slots=True)
class Place:
    """Give every kernel an origin and an orientation.

    seed: of every random choice. effort: how many searches and rebuilds are tried, about linear in time; 0 takes the
    first placement found. target: in place of the one that the plan names. Equal plans and options give equal
    placements.
    """

    seed: int = 0
    effort: int = 1
    target: Target | None = None

    def __call__(self, plan: Plan) -> Placed:
        """Raises DoesNotFit if the kernels do not fit on the mesh, or no placement was found."""
        check_sizes(plan)
        rng = np.random.Generator(np.random.PCG64(self.seed))
        wires = Wires(plan)
        host = HostEnds(wires, self.target or load_target(plan.target))
        order = topological_order(plan)
        spots, cost = Spots(wires, host), CostModel(wires, host, order)
        known = side_by_side(plan)
        if known is not None:
            found, total = known, cost(known)
        else:
            found = self._construct(plan, spots, cost, order, rng)
            found, total = improve(spots, cost, order, found, self.effort, rng)
        assert not overlaps(plan, found)
        return Placed(
            plan,
            tuple(frame_of(k, p) for k, p in zip(plan.kernels, found, strict=True)),
            host.assign(found),
            total.total,
            cost.by_distance(shelf(plan, order)).total,
        )

    def _construct(
        self, plan: Plan, spots: Spots, cost: CostModel, order: Sequence[int], rng: np.random.Generator
    ) -> tuple[Place3, ...]:
        """The best of several constructions; more and tighter ones until one fits."""
        best: tuple[tuple[int, float], tuple[Place3, ...]] | None = None
        most = 0

        def consider(result: Mapping[int, Place3] | int) -> None:
            nonlocal best, most
            if not isinstance(result, Mapping):
                most = max(most, result)
                return
            places = tuple(result[k] for k in range(len(plan.kernels)))
            total = cost(places)
            key = (total.unroutable, total.total)
            if best is None or key < best[0]:
                best = (key, places)

        blocks = find_blocks(plan, order)
        if blocks is not None and len(blocks.blocks) >= FEWEST_BLOCKS:
            for result in tilings(spots, blocks, self.effort, rng):
                consider(result)
        empty = Partial(0.0, {}, Space.empty(plan.mesh))
        for tried, (beam, pull) in enumerate(self._settings(len(plan.kernels))):
            if tried > self.effort and best is not None and best[0][0] == 0:
                break
            consider(build(spots, empty, order, beam, pull, rng))
        if best is None:
            raise no_room(plan, most)
        return best[1]

    def _settings(self, kernels: int) -> Iterator[tuple[Beam, Pull]]:
        """Searches to try in order: free ones first, then with growing pull to a corner, then with noise."""
        wide = Beam(6, 3) if kernels <= 60 else Beam(3, 2)
        yield wide, Pull()
        for strength in (0.02, 0.1, 0.3, 1.0):
            yield wide, Pull(x=strength, y=strength / 10)
            yield wide, Pull(x=strength / 10, y=strength)
        for strength in (0.1, 0.3, 1.0, 3.0):
            for noise in (0.1, 0.3):
                yield Beam(4, 2), Pull(x=strength, y=strength / 20, noise=noise)
                yield Beam(4, 2), Pull(x=strength / 20, y=strength, noise=noise)
