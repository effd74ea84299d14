"""Sizes for throughput: the smallest that keep every kernel within a period."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from tulle_compiler.plan.costs import StageCost, mean_interval
from tulle_compiler.plan.fitting import FINE, Choice, Fitting, steps
from tulle_compiler.plan.sizes import Draft, Sizes
from tulle_compiler.prediction import TOKENS
from tulle_ir import graph

SLOWEST, FASTEST = 2.0**27, 32.0  # cycles per chunk
RATIO = 1.02  # of neighbouring periods
ONCE = 8  # periods that a stage may take which works once per sequence
SEQUENCES = 8  # that follow each other without a pause


class Smallest(Fitting):
    """Settings are periods in cycles per chunk."""

    settings = tuple(SLOWEST / RATIO**n for n in range(770))
    slowed = 1.02, 1.1, 1.25

    def cycles(self, sizes: Sizes) -> float:
        """Of some sequences as long as the context: the first chunk's way, and an interval for each further one."""
        problem, expected = self.problem, sizes.estimate
        tokens = problem.sequence or TOKENS
        intervals = [mean_interval(expected.period, *pair, problem.context) for pair in expected.growing]
        chunks = SEQUENCES * -(-tokens // problem.chunk)
        return expected.latency + (chunks - 1) * max([expected.period, *intervals])

    def fit(self, choice: Choice, setting: float) -> Sizes | None:
        """The smallest sizes for a period."""
        draft = self.draft(choice.lanes)
        if not self._fit_attention(draft, setting, choice.slowed):
            return None
        if not all(self._fit_lanes(draft, members, setting) for members in self.open_groups(draft)):
            return None
        return self.sizes(draft, {i: self._within(draft, i, setting) for i in self.kinds})

    def _within(self, draft: Draft, i: int, period: float) -> StageCost | None:
        """The cost of stage i within the period, with the fewest finishers."""
        limit = period * ONCE if i in self.problem.once else period
        if self.problem.stages[i].kind == "linear":
            return next((cost for cost in self.linears(draft, i) if cost.period <= limit), None)
        cost = self.other(draft, i)
        return cost if cost and (cost.growth or cost.period <= limit) else None

    def _fit_lanes(self, draft: Draft, members: list[int], period: float) -> bool:
        """Give some classes the fewest lanes that keep the linears on them, and the gather, within the period."""
        touched = self.on(members)
        linears = [i for i in touched if self.problem.stages[i].kind == "linear"]

        def fits(lanes: int, stages: list[int]) -> bool:
            for c in members:
                draft.lanes[c] = lanes
            return all(self._fits(draft, i, period) for i in stages)

        choices = steps(self.problem.classes.width[members[0]], self.problem.limits.sides[0], FINE)
        first = bisect_left(choices, True, key=lambda lanes: fits(lanes, linears))
        return any(fits(lanes, touched) for lanes in choices[first:])

    def _fits(self, draft: Draft, i: int, period: float) -> bool:
        """Whether a stage stays within the period; one with a side without lanes yet counts as fitting."""
        return not self.known(draft, i) or self._within(draft, i, period) is not None

    def _fit_attention(self, draft: Draft, period: float, slowed: float) -> bool:
        """Columns and rows per head, hence the lanes of the classes around each attention."""
        for i, op in self.attentions():
            alike = self.problem.alike[i]
            block = self._block(draft, i, op, period, slowed) if alike == i else draft.attention[alike]
            if block is None:
                return False
            self.dictate(draft, i, op, *block)
        return True

    def _block(self, draft: Draft, i: int, op: graph.Attention, period: float, slowed: float) -> tuple[int, int] | None:
        """The block (columns, rows) of tiles per head that takes the fewest PEs, with the linears beside it."""
        best: tuple[float, tuple[int, int]] | None = None
        columns, choices = self.blocks(op)
        for c in columns:
            rows = self._fewest_rows(i, c, choices, period, slowed)
            if rows is None:
                continue
            self.dictate(draft, i, op, c, rows)
            costs = [self._within(draft, n, period) for n in self.beside(i) if self.known(draft, n)]
            area = sum(cost.area for cost in costs if cost)
            if all(costs) and (best is None or area < best[0]):
                best = area, (c, rows)
        return best[1] if best else None

    def _fewest_rows(self, i: int, columns: int, choices: Sequence[int], period: float, slowed: float) -> int | None:
        """The fewest rows that keep attention stage i within SRAM and, on the mean over a sequence, nearly within the
        period."""
        context = self.problem.context

        def keeps_up(rows: int) -> bool:
            cost = self.attention(i, columns, rows)
            return cost is not None and mean_interval(period, cost.period, cost.growth, context) <= slowed * period

        first = bisect_left(choices, True, key=keeps_up)
        return choices[first] if first < len(choices) else None
