"""How many lanes, rows and finishers each stage gets.

For a number of base lanes and a target period (cycles per chunk), every other size is the smallest that keeps its
kernels within the period and within SRAM. The search takes the (lanes, period) whose total area fits the mesh and that
runs a sequence in the fewest cycles: the first chunk through the whole pipeline, then a period for each further one.
Stages that cost the same (the blocks of a GPT) are judged once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache

import numpy as np

from tulle_compiler.plan.costs import attention_fits, io_period, linear_fits, stage_cost
from tulle_compiler.plan.lanes import is_free
from tulle_compiler.plan.sizes import Problem, Sizes
from tulle_ir import graph
from tulle_ir.diagnostics import DoesNotFit

COARSE, FINE = 1.26, 1.04  # ratios of the periods tried: of all, then around the best
SLOWEST, FASTEST = 2.0**27, 32.0  # cycles per chunk
APART = 1.08  # ratio of neighbouring sizes tried
REMEDY = "a larger --mesh, a smaller --chunk or --context, more pruning"


def search(problem: Problem) -> Sizes:
    """The best sizes, or DoesNotFit with the smallest demand met."""
    found = _Search(problem)
    choices = steps(problem.classes.width[found.base], problem.limits.sides[0])
    for lanes in choices:
        found.look(lanes, SLOWEST, FASTEST, COARSE)
    if found.best is None:
        raise found.misfit()
    near, period = choices.index(found.lanes), found.best.period
    for lanes in choices[max(0, near - 1) : near + 2]:
        found.look(lanes, period * COARSE, period / COARSE, FINE)
    return found.best


@cache
def steps(features: int, limit: int) -> list[int]:
    """Numbers of lanes worth trying: the fewest for each size of block, neighbours not too close to each other."""
    found: list[int] = []
    for block in range(features, 0, -1):
        lanes = -(-features // block)
        if lanes <= limit and (not found or lanes >= max(found[-1] + 1, found[-1] * APART)):
            found.append(lanes)
    return found


def score(problem: Problem, sizes: Sizes) -> tuple[float, float]:
    """Cycles of the sequence, whose first chunk has no history, then PEs: less is better."""
    chunks = -(-problem.tokens // problem.chunk)
    past = problem.tokens - problem.chunk - problem.context // 2
    interval = max(sizes.period, io_period(problem))
    return sizes.latency + past * sizes.growth + (chunks - 1) * interval, sizes.area


def spread(problem: Problem, sizes: Sizes) -> None:
    """Give every stage the finishers and embedding groups that fit it, the search having looked at one of each kind."""
    for i in range(len(problem.stages)):
        period = sizes.period * 1.02
        while stage_cost(problem, sizes, i, period) is None:
            period *= 1.1


class _Search:
    """The sizes of one problem: the best so far, those with the smallest area."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.alike = problem, problem.alike()
        self.base = _base_class(problem)
        self.best: Sizes | None = None
        self.smallest: Sizes | None = None
        self.lanes = 0  # of the base class in `best`

    def look(self, lanes: int, slowest: float, fastest: float, ratio: float) -> None:
        """Try falling periods until something does not fit."""
        for period in _falling(slowest, fastest, ratio):
            sizes = self._sizes(lanes, period)
            if sizes is None:
                return
            if self.smallest is None or sizes.area < self.smallest.area:
                self.smallest = sizes
            if sizes.area > self.problem.limits.area:
                return
            if self.best is None or score(self.problem, sizes) < score(self.problem, self.best):
                self.best, self.lanes = sizes, lanes

    def misfit(self) -> DoesNotFit:
        """Why nothing fits."""
        limits, smallest = self.problem.limits, self.smallest
        width, height = limits.mesh
        if smallest is None:
            what = f"no region sizes keep every PE within {limits.bytes} bytes on a mesh of {width} x {height} PEs"
            return DoesNotFit(what, remedy=REMEDY)
        return DoesNotFit(
            f"the smallest mapping needs about {smallest.area:.0f} PEs; {limits.area:.0f} of the "
            f"{width * height} on the mesh of {width} x {height} can be covered by regions "
            f"(short by {smallest.area - limits.area:.0f})",
            remedy=REMEDY,
        )

    def _sizes(self, base_lanes: int, period: float) -> Sizes | None:
        """Smallest sizes with every kernel within the period, or None."""
        classes = self.problem.classes
        lanes = [0] * len(classes.width)
        for c, width in enumerate(classes.width):
            if width == classes.width[self.base] and is_free(classes, c):
                lanes[c] = base_lanes
        sizes = Sizes(lanes)
        if not self._fit_attention(sizes, period):
            return None
        for width in sorted({classes.width[c] for c in range(len(lanes)) if lanes[c] == 0}, reverse=True):
            members = [c for c in range(len(lanes)) if lanes[c] == 0 and classes.width[c] == width]
            if not self._fit_lanes(sizes, members, width, period):
                return None
        return sizes if self._complete(sizes, period) else None

    def _fit_lanes(self, sizes: Sizes, members: list[int], width: int, period: float) -> bool:
        """Give some classes the fewest lanes that keep the linears on them within the period."""
        problem, classes = self.problem, self.problem.classes
        touched = [i for i in self.alike if problem.stages[i].kind == "linear"]
        touched = [i for i in touched if classes.output[i] in members or classes.source[i] in members]

        def fits(candidate: int) -> bool:
            for c in members:
                sizes.lanes[c] = candidate
            return all(linear_fits(problem, sizes, i, period) for i in touched)

        choices = steps(width, problem.limits.sides[0])
        first = bisect_left(choices, True, key=fits)
        return first < len(choices) and fits(choices[first])

    def _fit_attention(self, sizes: Sizes, period: float) -> bool:
        """Columns and rows per head, hence the lanes of the classes around each attention."""
        problem = self.problem
        known: dict[tuple[int, int, float], tuple[int, int]] = {}
        for i, stage in enumerate(problem.stages):
            if stage.kind == "attention":
                op = stage.op
                assert isinstance(op, graph.Attention)
                key = (op.heads, op.head_dim, round(problem.density[stage.inputs[0][1].producer], 2))
                block = known.get(key) or self._block(sizes, i, op, period)
                if block is None:
                    return False
                known[key] = block
                self._dictate(sizes, i, op, *block)
        return True

    def _block(self, sizes: Sizes, i: int, op: graph.Attention, period: float) -> tuple[int, int] | None:
        """The smallest block (columns, rows) of workers per head that keeps within the period and SRAM."""
        problem, longest = self.problem, self.problem.limits.sides[0]
        for columns in (1, 3):
            self._dictate(sizes, i, op, columns, 1)
            producer = problem.stages[i].inputs[0][1].producer
            if op.heads * columns > longest or not linear_fits(problem, sizes, producer, period):
                continue
            choices = steps(-(-problem.context // columns), longest)
            first = bisect_left(choices, True, key=lambda rows: attention_fits(problem, i, columns, rows, period))
            if first < len(choices):
                return columns, choices[first]
        return None

    def _dictate(self, sizes: Sizes, i: int, op: graph.Attention, columns: int, rows: int) -> None:
        """Set the block of attention stage i, and the lanes around it."""
        sizes.attention[i] = columns, rows
        sizes.lanes[self.problem.classes.source[i]] = op.heads * columns
        sizes.lanes[self.problem.classes.output[i]] = op.heads

    def _complete(self, sizes: Sizes, period: float) -> bool:
        """Totals; False if a kernel exceeds the period, SRAM or the mesh."""
        long, short = self.problem.limits.sides
        for i, count in self.alike.items():
            cost = stage_cost(self.problem, sizes, i, period)
            if cost is None or (cost.period > period and i not in self.problem.once):
                return False
            if max(cost.width, cost.height) > long or min(cost.width, cost.height) > short:
                return False
            if i not in self.problem.once:
                sizes.period = max(sizes.period, cost.period)
            sizes.latency += count * (cost.latency + 2 * (cost.width + cost.height))
            sizes.growth += count * cost.growth
            sizes.area += count * cost.width * cost.height
        return True


def _falling(slowest: float, fastest: float, ratio: float) -> Iterator[float]:
    """Periods from slow to fast."""
    period = slowest
    while period >= fastest:
        yield period
        period /= ratio


def _base_class(problem: Problem) -> int:
    """The free class that most stages touch: the residual stream of a GPT."""
    classes = problem.classes
    touched = [c for c in (*classes.output, *classes.source) if c >= 0 and is_free(classes, c)]
    return int(np.bincount(touched, minlength=len(classes.width)).argmax())
