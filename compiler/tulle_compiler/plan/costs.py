"""What a stage costs at given sizes, before partitions and places are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.attention import Attention, attention_cost
from tulle_compiler.kernels.embed import embed_cost
from tulle_compiler.kernels.filtered import SHARE
from tulle_compiler.kernels.finish import finish_latency, finish_slots
from tulle_compiler.kernels.linear import tile_bytes, tile_slots
from tulle_compiler.kernels.strip import Strip, strip_cost
from tulle_compiler.partition import contiguous
from tulle_compiler.plan.sizes import Problem, Sizes
from tulle_ir import graph
from tulle_ir.plan import KernelCost

IMBALANCE = 1.1  # heaviest tile over the mean one, before the partition is known
MAX_FINISHERS = 12
ONCE = 8  # periods that a stage may take which works once per sequence


@dataclass(frozen=True, slots=True)
class StageCost:
    """Cycles between two chunks, cycles of a lone chunk, and the size of the region. `growth`: as in KernelCost."""

    period: float
    latency: float
    width: int
    height: int
    growth: float = 0.0


def stage_cost(problem: Problem, sizes: Sizes, i: int, period: float) -> StageCost | None:
    """Stage i within the period, its finishers and embedding groups put into `sizes`; None if it does not fit."""
    match problem.stages[i].kind:
        case "linear":
            return _linear(problem, sizes, i, period)
        case "attention":
            return _attention(problem, i, *sizes.attention[i])
        case "strip":
            return _strip(problem, i, sizes.lanes[problem.classes.output[i]])
        case "embed":
            return _embed(problem, sizes, i)
        case "scatter":
            return _host_lanes(problem, i, sizes.lanes[problem.classes.output[i]])
        case _:
            return _host_lanes(problem, i, sizes.lanes[problem.classes.source[i]])


def linear_fits(problem: Problem, sizes: Sizes, i: int, period: float) -> bool:
    """Whether a linear's PEs stay within the period and SRAM; a side without lanes yet counts as fitting."""
    lanes = sizes.lanes[problem.classes.source[i]], sizes.lanes[problem.classes.output[i]]
    return 0 in lanes or _linear(problem, sizes, i, period) is not None


def attention_fits(problem: Problem, i: int, columns: int, rows: int, period: float) -> bool:
    """Whether the workers of attention stage i stay within the period and SRAM."""
    cost = _sized_attention(problem, i, columns, rows)
    return cost.predicted <= period and cost.max_pe_bytes <= problem.limits.bytes


def io_period(problem: Problem) -> float:
    """Cycles per chunk of the busiest host link when the results of all tokens leave."""
    if len(problem.stages) - 1 in problem.once:
        return 0.0
    return problem.stages[-1].width * problem.wavelets / problem.limits.links


def _linear(problem: Problem, sizes: Sizes, i: int, period: float) -> StageCost | None:
    classes, precision, target, chunk = problem.classes, problem.precision, problem.limits.target, problem.chunk
    into, out = sizes.lanes[classes.source[i]], sizes.lanes[classes.output[i]]
    k, r = -(-classes.width[classes.source[i]] // into), -(-classes.width[classes.output[i]] // out)
    dense, activation = problem.dense[i], problem.stages[i].activation
    nonzeros = k * r * problem.density[i] * (1 if dense else IMBALANCE)
    shares = (None, SHARE) if i in problem.behind_relu else (None,)
    if tile_bytes(int(nonzeros), k, r, dense, precision, chunk) > problem.limits.bytes:
        return None
    if i in problem.once:
        chunk, period = 1, ONCE * period
    slots = min(float(tile_slots(nonzeros, k, r, dense, precision, target, chunk, share)) for share in shares)
    if slots > period:
        return None
    for m in range(1, min(MAX_FINISHERS, r) + 1):
        finish = max(finish_slots(r, m, s, activation, precision, target, chunk) for s in (0, m - 1))
        if finish <= period:
            sizes.finishers[i] = m
            latency = slots + finish_latency(r, m, activation, precision, target, chunk)
            return StageCost(max(slots, finish), latency + chain_latency(into + m, problem), into + m, out)
    return None


def chain_latency(length: int, problem: Problem) -> float:
    """Cycles along a chain of PEs."""
    return length * (2 * problem.limits.target.ramp_cycles + 2)


def _attention(problem: Problem, i: int, columns: int, rows: int) -> StageCost:
    cost, op = _sized_attention(problem, i, columns, rows), problem.stages[i].op
    assert isinstance(op, graph.Attention)
    return StageCost(cost.predicted, cost.latency, op.heads * columns, rows, cost.growth)


def _sized_attention(problem: Problem, i: int, columns: int, rows: int) -> KernelCost:
    op = problem.stages[i].op
    assert isinstance(op, graph.Attention)
    sized = Attention("", "", op.heads, op.head_dim, op.scale, columns, rows, problem.context)
    return attention_cost(sized, problem.precision, problem.limits.target, problem.chunk)


def _strip(problem: Problem, i: int, out: int) -> StageCost:
    stage = problem.stages[i]
    gamma = None if stage.norm is None or np.all(stage.norm.gamma == 1) else stage.norm.gamma
    beta, kind = (stage.norm.beta, stage.norm.kind) if stage.norm else (None, "none")
    strip = Strip("", "", contiguous(stage.width, out), stage.join, stage.keep, kind, gamma, beta)
    cost = strip_cost(strip, problem.precision, problem.limits.target, problem.chunk)
    return StageCost(cost.predicted, cost.latency, out, 1)


def _embed(problem: Problem, sizes: Sizes, i: int) -> StageCost | None:
    op, precision, chunk = problem.stages[i].op, problem.precision, problem.chunk
    assert isinstance(op, graph.Embed)
    out = sizes.lanes[problem.classes.output[i]]
    largest = -(-problem.stages[i].width // out)
    room = problem.limits.bytes - largest * chunk * precision.stream.size - 4 * chunk
    rows = min(len(op.table), room // (largest * precision.stream.size))
    if rows < 1:
        return None
    sizes.embed_rows[i] = rows
    groups = -(-len(op.table) // rows) + (0 if op.positions is None else -(-problem.context // rows))
    cost = embed_cost(largest, rows, groups, out, precision, problem.limits.target, chunk)
    return StageCost(cost.predicted, cost.latency, out, groups)


def _host_lanes(problem: Problem, i: int, lanes: int) -> StageCost:
    """Bound by the host links; a link drains its share of a lone chunk."""
    links = min(lanes, problem.limits.links)
    wavelets = 1 if i in problem.once else problem.wavelets
    return StageCost(1.0, problem.stages[i].width * wavelets / links, lanes, 1)
