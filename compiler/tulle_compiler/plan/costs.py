"""What a stage costs at given sizes, before partitions and places are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.attention_cost import attention_cost
from tulle_compiler.kernels.attention_tile import Block
from tulle_compiler.kernels.embed import embed_cost
from tulle_compiler.kernels.strip import Strip, strip_cost
from tulle_compiler.partition import contiguous
from tulle_compiler.plan.problem import Problem
from tulle_ir import graph
from tulle_ir.plan import KernelCost


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


def mean_interval(period: float, cost: float, growth: float, context: int) -> float:
    """The mean over a sequence of the longer of `period` and a cost that grows by `growth` per token of history and is
    `cost` half-way through the context."""
    whole = growth * context
    over = cost + whole / 2 - period
    if over <= 0:
        return period
    return cost if over >= whole else period + over**2 / (2 * whole)


def attention_costs(problem: Problem, i: int, columns: int, rows: int) -> StageCost | None:
    """Attention stage i with a block of tiles per head; None if they exceed SRAM."""
    op = problem.stages[i].op
    assert isinstance(op, graph.Attention)
    cost = _sized_attention(problem, i, columns, rows)
    if cost.max_pe_bytes > problem.limits.bytes:
        return None
    return StageCost(cost.predicted, cost.latency, op.heads * columns, rows + 1, cost.growth)


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
