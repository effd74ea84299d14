"""What the two ways to fit sizes (smallest.py, quickest.py) have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np

from tulle_compiler.kernels.attention_tile import MOST_COLUMNS
from tulle_compiler.plan.costs import StageCost, attention_costs, line_costs
from tulle_compiler.plan.lanes import LaneClasses, is_free
from tulle_compiler.plan.linear_costs import LinearCosts
from tulle_compiler.plan.problem import Problem
from tulle_compiler.plan.sizes import Draft, Estimate, Sizes
from tulle_ir import graph

APART = 1.08  # ratio of neighbouring numbers of lanes tried
FINE = 1.01  # the same where the first that fits is taken


@dataclass(frozen=True, slots=True)
class Choice:
    """Lanes of the base class (the residual stream), and by which factor attention may lengthen the mean interval of a
    sequence, its period growing with history."""

    lanes: int
    slowed: float = 1.0


class Fitting:
    """A problem and its costs: sizes for a choice, and a setting that decides between area and speed. `kinds`: how many
    stages there are like each of those that are looked at."""

    settings: tuple[float, ...]  # from the one that takes fewest PEs to the fastest
    slowed: tuple[float, ...] = (1.0,)

    def __init__(self, problem: Problem) -> None:
        self.problem, self.costs = problem, LinearCosts(problem)
        self.attention = cache(partial(attention_costs, problem))
        self.line = cache(partial(line_costs, problem))
        self.kinds = Counter(problem.alike)
        self.base = base_class(problem)
        lanes = steps(problem.classes.width[self.base], problem.limits.sides[0])
        self.choices = tuple(Choice(*each) for each in product(lanes, self.slowed if self.attentions() else (1.0,)))

    def fit(self, choice: Choice, setting: float) -> Sizes | None:
        """Sizes, or None if nothing fits."""
        raise NotImplementedError

    def cycles(self, sizes: Sizes) -> float:
        """What is to be few."""
        raise NotImplementedError

    def draft(self, base_lanes: int) -> Draft:
        """Sizes of which only the base lanes are known."""
        classes = self.problem.classes
        width = classes.width[self.base]
        same = (classes.width[c] == width and is_free(classes, c) for c in range(len(classes.width)))
        return Draft([base_lanes if each else 0 for each in same])

    def open_groups(self, draft: Draft) -> list[list[int]]:
        """Classes without lanes yet, those of one width together, the widest first."""
        width = self.problem.classes.width
        unknown = [c for c, lanes in enumerate(draft.lanes) if lanes == 0]
        return [[c for c in unknown if width[c] == w] for w in sorted({width[c] for c in unknown}, reverse=True)]

    def on(self, members: list[int]) -> list[int]:
        """The stages to be looked at that touch some classes."""
        classes = self.problem.classes
        return [i for i in self.kinds if classes.output[i] in members or classes.source[i] in members]

    def known(self, draft: Draft, i: int) -> bool:
        """Whether the lanes on both sides of stage i are known."""
        classes = self.problem.classes
        return all(draft.lanes[c] for c in (classes.source[i], classes.output[i]) if c >= 0)

    def attentions(self) -> list[tuple[int, graph.Attention]]:
        """The attention stages."""
        ops = ((i, stage.op) for i, stage in enumerate(self.problem.stages))
        return [(i, op) for i, op in ops if isinstance(op, graph.Attention)]

    def dictate(self, draft: Draft, i: int, op: graph.Attention, columns: int, rows: int) -> None:
        """Set the block of attention stage i, and the lanes around it."""
        draft.attention[i] = columns, rows
        draft.lanes[self.problem.classes.source[i]] = op.heads * columns
        draft.lanes[self.problem.classes.output[i]] = op.heads * columns

    def blocks(self, op: graph.Attention) -> tuple[range, tuple[int, ...]]:
        """Numbers of columns and of rows per head that are worth trying."""
        long, _ = self.problem.limits.sides
        most = min(MOST_COLUMNS, op.head_dim, long // op.heads)
        return range(1, most + 1), steps(self.problem.context, long - 1)

    def beside(self, i: int) -> list[int]:
        """The stages to be looked at that share lanes with attention stage i, itself included."""
        return self.on([self.problem.classes.source[i], self.problem.classes.output[i]])

    def linears(self, draft: Draft, i: int) -> tuple[StageCost, ...]:
        """The costs of linear stage i by its number of finishers."""
        classes = self.problem.classes
        return self.costs.of(self.problem.alike[i], draft.lanes[classes.source[i]], draft.lanes[classes.output[i]])

    def other(self, draft: Draft, i: int) -> StageCost | None:
        """The cost of a stage that is no linear."""
        classes, kind = self.problem.classes, self.problem.stages[i].kind
        if kind == "attention":
            return self.attention(i, *draft.attention[i])
        return self.line(i, draft.lanes[classes.source[i] if kind == "gather" else classes.output[i]])

    def sizes(self, draft: Draft, found: Mapping[int, StageCost | None]) -> Sizes | None:
        """The sizes with their estimate; None if a stage does not fit, or its region is too long for the mesh. found:
        the cost of a stage of each kind."""
        problem, costs = self.problem, {i: cost for i, cost in found.items() if cost}
        if len(costs) < len(found):
            return None
        long, short = problem.limits.sides
        if any(max(c.width, c.height) > long or min(c.width, c.height) > short for c in costs.values()):
            return None
        always = [cost for i, cost in costs.items() if i not in problem.once]
        estimate = Estimate(
            period=max((cost.period for cost in always if not cost.growth), default=0.0),
            latency=sum(self.kinds[i] * cost.way for i, cost in costs.items()),
            growth=sum(self.kinds[i] * cost.growth for i, cost in costs.items()),
            growing=frozenset((cost.period, cost.growth) for cost in always if cost.growth),
            area=sum(self.kinds[i] * cost.area for i, cost in costs.items()),
        )
        of = [costs[first] for first in problem.alike]
        return Sizes(
            tuple(draft.lanes),
            draft.attention,
            {i: cost.finishers for i, cost in enumerate(of) if cost.finishers},
            {i: cost.rows for i, cost in enumerate(of) if cost.rows},
            estimate,
        )


@cache
def steps(features: int, limit: int, apart: float = APART) -> tuple[int, ...]:
    """Numbers of lanes worth trying: the fewest for each size of block, neighbours not too close to each other."""
    found: list[int] = []
    for block in range(features, 0, -1):
        lanes = -(-features // block)
        if lanes <= limit and (not found or lanes >= max(found[-1] + 1, found[-1] * apart)):
            found.append(lanes)
    return tuple(found)


def base_class(problem: Problem) -> int:
    """The free class that most stages touch: the residual stream of a GPT."""
    classes: LaneClasses = problem.classes
    touched = [c for c in (*classes.output, *classes.source) if c >= 0 and is_free(classes, c)]
    return int(np.bincount(touched, minlength=len(classes.width)).argmax())
