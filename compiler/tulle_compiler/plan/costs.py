"""What a stage costs at given sizes, before partitions and places are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from tulle_compiler.kernels.attention_cost import attention_cost
from tulle_compiler.kernels.attention_tile import Block
from tulle_compiler.kernels.embed import embed_cost
from tulle_compiler.kernels.filtered import SHARE
from tulle_compiler.kernels.finish import finish_bytes, finish_latency, finish_slots
from tulle_compiler.kernels.linear import tile_bytes, tile_slots
from tulle_compiler.kernels.strip import Strip, strip_cost
from tulle_compiler.partition import contiguous
from tulle_compiler.plan.problem import Problem
from tulle_ir import graph
from tulle_ir.plan import KernelCost

IMBALANCE = 1.1  # heaviest tile over the mean one, before the partition is known
MAX_FINISHERS = 12
SLOWED = 1.02  # share of a period by which history may lengthen its mean


@dataclass(frozen=True, slots=True)
class StageCost:
    """Cycles between two chunks, cycles of a lone chunk, and the size of the region. `growth`: as in KernelCost;
    `finishers` of a linear; `rows` per group of an embedding."""

    period: float
    latency: float
    width: int
    height: int
    growth: float = 0.0
    finishers: int = 0
    rows: int = 0

    @property
    def area(self) -> int:
        """PEs of the region."""
        return self.width * self.height

    @property
    def way(self) -> float:
        """The latency, and the way to the region and from it."""
        return self.latency + 2 * (self.width + self.height)


class Costs:
    """The costs of a problem's stages, each computed once. `linear`: `linear_costs`; `attention`: `attention_costs`;
    `line`: `line_costs`."""

    def __init__(self, problem: Problem) -> None:
        self.linear = cache(partial(linear_costs, problem))
        self.attention = cache(partial(attention_costs, problem))
        self.line = cache(partial(line_costs, problem))


def mean_interval(period: float, cost: float, growth: float, context: int) -> float:
    """The mean over a sequence of the longer of `period` and a cost that grows by `growth` per token of history and is
    `cost` half-way through the context."""
    whole = growth * context
    over = cost + whole / 2 - period
    if over <= 0:
        return period
    return cost if over >= whole else period + over**2 / (2 * whole)


def linear_costs(problem: Problem, i: int, into: int, out: int) -> tuple[StageCost, ...]:
    """Linear stage i on `into` x `out` lanes with one finisher, two ...; nothing if its tiles exceed SRAM. One that
    works once per sequence costs what a token does."""
    classes, precision, target = problem.classes, problem.precision, problem.limits.target
    k, r = -(-classes.width[classes.source[i]] // into), -(-classes.width[classes.output[i]] // out)
    dense, activation = problem.dense[i], problem.stages[i].activation
    nonzeros = k * r * problem.density[i] * (1 if dense else IMBALANCE)
    if tile_bytes(int(nonzeros), k, r, dense, precision, problem.chunk) > problem.limits.bytes:
        return ()
    shares = (None, SHARE) if i in problem.behind_relu else (None,)
    chunk = 1 if i in problem.once else problem.chunk
    slots = min(float(tile_slots(nonzeros, k, r, dense, precision, target, chunk, share)) for share in shares)
    found: list[StageCost] = []
    for m in range(1, min(MAX_FINISHERS, r) + 1):
        if finish_bytes(r, m, activation, precision, problem.chunk) > problem.limits.bytes:
            continue
        finish = max(finish_slots(r, m, s, activation, precision, target, chunk) for s in (0, m - 1))
        behind = finish_latency(r, m, activation, precision, target, chunk)
        latency = slots + chain_latency(into + m, problem) + behind
        found.append(StageCost(max(slots, finish), latency, into + m, out, finishers=m))
    return tuple(found)


def chain_latency(length: int, problem: Problem) -> float:
    """Cycles along a chain of PEs."""
    return length * (2 * problem.limits.target.ramp_cycles + 2)


def attention_costs(problem: Problem, i: int, columns: int, rows: int) -> StageCost | None:
    """Attention stage i with a block of tiles per head; None if they exceed SRAM."""
    op = problem.stages[i].op
    assert isinstance(op, graph.Attention)
    cost = _sized_attention(problem, i, columns, rows)
    if cost.max_pe_bytes > problem.limits.bytes:
        return None
    return StageCost(cost.predicted, cost.latency, op.heads * columns, rows + 1, cost.growth)


def attention_fits(problem: Problem, i: int, columns: int, rows: int, period: float) -> bool:
    """Whether attention stage i stays within SRAM and, but for a little at the end of a sequence, the period."""
    cost = attention_costs(problem, i, columns, rows)
    if cost is None:
        return False
    return mean_interval(period, cost.period, cost.growth, problem.context) <= SLOWED * period


def _sized_attention(problem: Problem, i: int, columns: int, rows: int) -> KernelCost:
    op = problem.stages[i].op
    assert isinstance(op, graph.Attention)
    block = Block(op.head_dim, columns, rows, problem.context)
    return attention_cost(block, op.heads, problem.precision, problem.limits.target, problem.chunk)


def line_costs(problem: Problem, i: int, lanes: int) -> StageCost | None:
    """A strip, scatter, gather or embedding of that many lanes; None if it exceeds SRAM."""
    match problem.stages[i].kind:
        case "strip":
            return _strip(problem, i, lanes)
        case "embed":
            return _embed(problem, i, lanes)
        case _:
            return _host_lanes(problem, i, lanes)


def _strip(problem: Problem, i: int, out: int) -> StageCost | None:
    stage = problem.stages[i]
    gamma = None if stage.norm is None or np.all(stage.norm.gamma == 1) else stage.norm.gamma
    beta, kind = (stage.norm.beta, stage.norm.kind) if stage.norm else (None, "none")
    strip = Strip("", "", contiguous(stage.width, out), stage.join, stage.keep, kind, gamma, beta)
    cost = strip_cost(strip, problem.precision, problem.limits.target, problem.chunk)
    return StageCost(cost.predicted, cost.latency, out, 1) if cost.max_pe_bytes <= problem.limits.bytes else None


def _embed(problem: Problem, i: int, out: int) -> StageCost | None:
    op, precision, chunk = problem.stages[i].op, problem.precision, problem.chunk
    assert isinstance(op, graph.Embed)
    largest = -(-problem.stages[i].width // out)
    room = problem.limits.bytes - largest * chunk * precision.stream.size - 4 * chunk
    rows = min(len(op.table), room // (largest * precision.stream.size))
    if rows < 1:
        return None
    groups = -(-len(op.table) // rows) + (0 if op.positions is None else -(-problem.context // rows))
    cost = embed_cost(largest, rows, groups, out, precision, problem.limits.target, chunk)
    return StageCost(cost.predicted, cost.latency, out, groups, rows=rows)


def _host_lanes(problem: Problem, i: int, lanes: int) -> StageCost | None:
    """Bound by the host link with most lanes; a link drains its share of a lone chunk."""
    stage = problem.stages[i]
    links = min(lanes, problem.limits.links // (problem.gathers if stage.kind == "gather" else 1))
    wavelets = 1 if i in problem.once else problem.wavelets
    largest = -(-stage.width // lanes)
    if largest * problem.chunk * problem.precision.stream.size > problem.limits.bytes:
        return None
    busiest = -(-lanes // links) * largest * wavelets
    return StageCost(busiest, stage.width * wavelets / links, lanes, 1)
