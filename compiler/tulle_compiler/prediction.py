"""What a plan promises: cycles of a chunk through all kernels and between two of them, tokens per second of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tulle_ir.host_links import host_links
from tulle_ir.placed import Placed
from tulle_ir.plan import HOST, Kernel, Plan
from tulle_ir.target import Target

TOKENS = 512  # length of the sequences where the model sets no context


def prediction(plan: Plan, placed: Placed | None = None) -> dict[str, Any]:
    """Cycles until a full chunk has passed all kernels, and between two chunks in steady state.

    Both grow with the tokens before the chunk: the latency by `latency_growth` cycles per token, the interval where one
    of the `growing` kernels, (cycles without history, cycles per token), takes longer. A chunk of one token takes
    `single_token` of the latency. A sequence takes `sequence_cycles` at least, what the slowest kernel needs that sees
    its last token only.
    """
    half = int(plan.options.get("context", 0)) // 2
    costs, once = [kernel.cost for kernel in plan.kernels], behind_last_token(plan)
    growth = sum(cost.growth for cost in costs)
    growing = {(round(cost.predicted - half * cost.growth, 3), round(cost.growth, 6)) for cost in costs if cost.growth}
    return {
        "latency_cycles": _latency(plan, placed) - half * growth,
        "latency_growth": growth,
        "single_token": plan.options.get("single_token", 1.0),
        "interval_cycles": max(cost.predicted for k, cost in enumerate(costs) if not cost.growth and k not in once),
        "sequence_cycles": max((costs[k].predicted for k in once), default=0.0),
        "growing": sorted(list(pair) for pair in growing),
        "turns": max(map(turns_of, plan.kernels)),
    }


def turns_of(kernel: Kernel) -> int:
    """How many copies of a kernel take chunks in turn."""
    return int(kernel.params.get("turns", 1))


def behind_last_token(plan: Plan) -> set[int]:
    """The kernels behind one that passes on the last token of a sequence only."""
    once: set[int] = set()
    for k in range(len(plan.kernels)):
        makers = (net.source.kernel for net in plan.nets if net.sink.kernel == k and net.source.kernel != HOST)
        if any(maker in once or plan.kernels[maker].params.get("last_only") for maker in makers):
            once.add(k)
    return once


def _latency(plan: Plan, placed: Placed | None) -> float:
    """Cycles of a lone chunk on its slowest way through the kernels, and from each to the next."""
    arrived = [0.0] * len(plan.kernels)
    left: list[float] = []
    for k, kernel in enumerate(plan.kernels):
        left.append(arrived[k] + kernel.cost.latency)
        for net in plan.nets:
            if net.source.kernel == k and net.sink.kernel > k:
                to = net.sink.kernel
                arrived[to] = max(arrived[to], left[k] + _hops(plan, placed, k, to))
    return max(left)


def _hops(plan: Plan, placed: Placed | None, a: int, b: int) -> float:
    """Between the centers of two kernels; before they are placed, half their sides."""
    if placed is None:
        return sum(plan.kernels[k].width + plan.kernels[k].height for k in (a, b)) / 2
    (ax, ay, aw, ah), (bx, by, bw, bh) = (placed.frames[k].region for k in (a, b))
    return abs(ax + aw / 2 - bx - bw / 2) + abs(ay + ah / 2 - by - bh / 2)


def tokens_per_second(plan: Plan, target: Target) -> float:
    """Of all copies, on sequences as long as the context."""
    tokens, chunk = _tokens(plan), int(plan.options["chunk"])
    foretold = prediction(plan)
    past = np.arange(0, tokens, chunk)
    grown = [cycles + growth * past for cycles, growth in foretold["growing"]]
    cycles = float(np.maximum.reduce([np.full(len(past), foretold["interval_cycles"]), *grown]).sum())
    at_once = plan.replicas * foretold["turns"]
    return at_once * tokens / max(cycles, foretold["sequence_cycles"]) * target.gigahertz * 1e9


def link_rate(plan: Plan, target: Target) -> float:
    """What all host links of the whole mesh could carry; infinite where only last tokens leave."""
    if plan.options.get("last_only"):
        return float("inf")
    width, height = plan.mesh
    links = len(host_links(target, (width, height * plan.replicas)))
    wavelets = max(
        sum(net.wavelets for net in plan.nets if net.sink.kernel == HOST),
        sum(net.wavelets for net in plan.nets if net.source.kernel == HOST),
    )
    return links * int(plan.options["chunk"]) / wavelets * target.gigahertz * 1e9


def _tokens(plan: Plan) -> int:
    return int(plan.options["context"]) or TOKENS
