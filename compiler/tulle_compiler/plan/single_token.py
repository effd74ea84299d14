"""How much sooner a single token is through than a full chunk."""

from __future__ import annotations

from dataclasses import replace

from tulle_compiler.plan.costs import StageCost
from tulle_compiler.plan.fitting import Fitting
from tulle_compiler.plan.problem import Problem
from tulle_compiler.plan.sizes import Draft, Sizes


def single_token(problem: Problem, sizes: Sizes) -> float:
    """The latency of a chunk of one token over that of a full one, in kernels of these sizes."""
    one = Fitting(replace(problem, chunk=1, filters=problem.filters and problem.chunk == 1))
    draft = Draft(list(sizes.lanes), dict(sizes.attention))
    costs = ((kind, count, _cost(one, draft, sizes, kind)) for kind, count in one.kinds.items())
    return sum(count * cost.way for _, count, cost in costs if cost) / sizes.estimate.latency


def _cost(fitting: Fitting, draft: Draft, sizes: Sizes, i: int) -> StageCost | None:
    """The cost of stage i with its finishers, or the next smaller number of them that differs."""
    if fitting.problem.stages[i].kind != "linear":
        return fitting.other(draft, i)
    return max(
        (cost for cost in fitting.linears(draft, i) if cost.finishers <= sizes.finishers[i]),
        key=lambda cost: cost.finishers,
        default=None,
    )
