"""Sizes for latency: every kernel those that bring a lone chunk through soonest, at a price per PE."""

from __future__ import annotations

from itertools import product

from tulle_compiler.plan.costs import StageCost
from tulle_compiler.plan.fitting import Choice, Fitting, steps
from tulle_compiler.plan.sizes import Draft, Sizes
from tulle_ir import graph

DEAREST, CHEAPEST = 64.0, 2.0**-14  # cycles that a PE must save
RATIO = 2.0**0.25


class Quickest(Fitting):
    """Settings are prices: cycles that a PE must save."""

    settings = (*(DEAREST / RATIO**n for n in range(81)), 0.0)

    def cycles(self, sizes: Sizes) -> float:
        """Of a lone chunk half-way through the context."""
        return sizes.estimate.latency

    def fit(self, choice: Choice, setting: float) -> Sizes | None:
        """The sizes of least latency at a price per PE."""
        draft = self.draft(choice.lanes)
        for i, op in self.attentions():
            if not self._fit_attention(draft, i, op, setting):
                return None
        if not all(self._fit_lanes(draft, members, setting) for members in self.open_groups(draft)):
            return None
        return self.sizes(draft, {i: self._best(draft, i, setting) for i in self.kinds})

    def _best(self, draft: Draft, i: int, price: float) -> StageCost | None:
        """The cost of stage i with the best number of finishers."""
        if self.problem.stages[i].kind != "linear":
            return self.other(draft, i)
        return min(self.linears(draft, i), key=lambda cost: _total(cost, price), default=None)

    def _fit_lanes(self, draft: Draft, members: list[int], price: float) -> bool:
        """Give some classes the lanes that are best for the stages on them."""
        touched, best = self.on(members), None
        for lanes in steps(self.problem.classes.width[members[0]], self.problem.limits.sides[0]):
            for c in members:
                draft.lanes[c] = lanes
            total = self._sum(draft, touched, price)
            if total is not None and (best is None or total < best[0]):
                best = total, lanes
        for c in members:
            draft.lanes[c] = best[1] if best else 0
        return best is not None

    def _fit_attention(self, draft: Draft, i: int, op: graph.Attention, price: float) -> bool:
        """The block of attention stage i that is best for it and the linears beside it."""
        alike, touched = self.problem.alike[i], self.beside(i)
        if alike != i:
            self.dictate(draft, i, op, *draft.attention[alike])
            return True
        best: tuple[float, tuple[int, int]] | None = None
        for columns, rows in product(*self.blocks(op)):
            self.dictate(draft, i, op, columns, rows)
            total = self._sum(draft, touched, price)
            if total is not None and (best is None or total < best[0]):
                best = total, (columns, rows)
        if best is not None:
            self.dictate(draft, i, op, *best[1])
        return best is not None

    def _sum(self, draft: Draft, stages: list[int], price: float) -> float | None:
        """What some stages cost; None if one does not fit. Those with a side without lanes yet do not count."""
        total = 0.0
        for i in stages:
            if not self.known(draft, i):
                continue
            cost = self._best(draft, i, price)
            if cost is None:
                return None
            total += self.kinds[i] * _total(cost, price)
        return total


def _total(cost: StageCost, price: float) -> float:
    """Latency, and PEs at their price."""
    return cost.way + price * cost.area
