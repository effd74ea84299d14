"""What a compilation reports, and what its artifact remembers of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from tulle_compiler.accounting import account
from tulle_compiler.options import CompileOptions
from tulle_compiler.prune import PruneReport
from tulle_ir.artifact import manifest_of
from tulle_ir.graph import Graph
from tulle_ir.graph_check import tensor_widths
from tulle_ir.memory import memory_map, memory_of, pes_used
from tulle_ir.placed import Placed
from tulle_ir.plan import Kernel as PlannedKernel
from tulle_ir.plan import Plan
from tulle_ir.program import Program
from tulle_ir.report import Accounting, Kernel, Limit, Memory, PerChunk, Report, Utilization
from tulle_ir.target import Target


def compile_report(stages: Mapping[str, Any], graph: Graph, target: Target, options: CompileOptions) -> Report:
    """The report of a compilation; cycles are predictions for one full chunk (see `prediction`)."""
    plan: Plan | None = stages.get("plan")
    placed: Placed | None = stages.get("placed")
    program: Program | None = stages.get("program")
    memory, used = Memory(), 0
    if program is not None:
        held, mask = memory_map(program, target), pes_used(program)
        memory, used = memory_of(held, mask, target), int(mask.sum())
    facts = plan.options if plan else {}
    counted = account(graph, options.context, ignore_sparsity=options.ignore_sparsity)
    predicted = prediction(plan, placed)["latency_cycles"] if plan else None
    return Report(
        status="compiled",
        target=target.name,
        mesh=plan.mesh if plan else (target.width, target.height),
        chunk=int(facts.get("chunk", 0)),
        context=int(facts.get("context", 0)),
        dtype=str(facts.get("dtype", "")),
        predicted_cycles=None if predicted is None else round(predicted),
        limit=_limit(plan) if plan else None,
        bound_cycles=round(max((k.cost.bound for k in plan.kernels), default=0)) if plan else 0,
        ideal_cycles=round(max((k.cost.ideal for k in plan.kernels), default=0)) if plan else 0,
        memory=memory,
        utilization=Utilization(pes_used=used),
        accounting=Accounting(**asdict(counted)),
        kernels=tuple(_kernel(plan, placed, k) for k in range(len(plan.kernels))) if plan else (),
    )


def _limit(plan: Plan) -> Limit:
    """The kernel that takes longest between two chunks."""
    once = _once(plan)
    every = [kernel for k, kernel in enumerate(plan.kernels) if k not in once]
    slowest = max(every, key=lambda kernel: kernel.cost.predicted)
    return Limit("kernel", slowest.name, round(slowest.cost.predicted))


def _kernel(plan: Plan, placed: Placed | None, k: int) -> Kernel:
    """A kernel's row: predictions per full chunk."""
    kernel = plan.kernels[k]
    region = placed.frames[k].region if placed else (0, 0, kernel.width, kernel.height)
    return Kernel(
        name=kernel.name,
        origin=kernel.origin,
        region=region,
        nonzeros=kernel.cost.nonzeros,
        turn=None if turns_of(kernel) == 1 else (int(kernel.params["turn"]), turns_of(kernel)),
        cycles=round(kernel.cost.predicted),
        bound_cycles=round(kernel.cost.bound),
        ideal_cycles=round(kernel.cost.ideal),
        max_pe_bytes=kernel.cost.max_pe_bytes,
        per_chunk=PerChunk(
            predicted=round(kernel.cost.predicted, 1),
            growth=round(kernel.cost.growth, 4) or None,
            bound=round(kernel.cost.bound, 1),
            ideal=round(kernel.cost.ideal, 1),
        ),
    )


def turns_of(kernel: PlannedKernel) -> int:
    """How many copies of a kernel take chunks in turn."""
    return int(kernel.params.get("turns", 1))


def prediction(plan: Plan, placed: Placed | None = None) -> dict[str, Any]:
    """Cycles until a full chunk has passed all kernels, and between two chunks in steady state.

    Both grow with the tokens before the chunk: the latency by `latency_growth` cycles per token, the interval where one
    of the `growing` kernels, (cycles without history, cycles per token), takes longer.
    """
    half = int(plan.options.get("context", 0)) // 2
    costs, once = [kernel.cost for kernel in plan.kernels], _once(plan)
    growth = sum(cost.growth for cost in costs)
    growing = {(round(cost.predicted - half * cost.growth, 3), round(cost.growth, 6)) for cost in costs if cost.growth}
    return {
        "latency_cycles": _latency(plan, placed) - half * growth,
        "latency_growth": growth,
        "interval_cycles": max(cost.predicted for k, cost in enumerate(costs) if not cost.growth and k not in once),
        "growing": sorted(list(pair) for pair in growing),
        "turns": max(map(turns_of, plan.kernels)),
    }


def _once(plan: Plan) -> set[int]:
    """The kernels behind one that passes on the last token of a sequence only."""
    once: set[int] = set()
    for k in range(len(plan.kernels)):
        makers = (net.source.kernel for net in plan.nets if net.sink.kernel == k and net.source.kernel >= 0)
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


def manifest(
    graph: Graph,
    options: CompileOptions,
    stages: Mapping[str, Any],
    report: Report,
    pruned: PruneReport | None,
) -> dict[str, Any]:
    """The artifact's manifest."""
    facts = report.to_json()
    if "plan" in stages:
        facts["prediction"] = prediction(stages["plan"], stages.get("placed"))
    given = asdict(options)
    more: dict[str, Any] = {"report": facts}
    tokenizer = graph.metadata.get("tulle.tokenizer")
    if tokenizer:
        more["tokenizer"] = json.loads(tokenizer)
    return manifest_of(
        tool=version("tulle"),
        target=str(given["target"]),
        options={key: list(value) if isinstance(value, tuple) else value for key, value in given.items()},
        pruning=None if pruned is None else asdict(pruned),
        seed=int(given["seed"]),
        model_sha256=graph.source_sha256,
        io=signature(graph, bool(stages["plan"].options["last_only"]) if "plan" in stages else False),
        **more,
    )


def signature(graph: Graph, last_only: bool) -> dict[str, Any]:
    """Names, types and shapes of the model's input and output, as its ONNX file has them."""
    source, result = graph.input, graph.output
    width = tensor_widths(graph)[result.tensor]
    sizes = {"features": source.width, "one": 1}
    shape = [sizes.get(axis, axis) for axis in source.axes]
    sizes["features"] = width
    out = [1 if last_only and axis == "tokens" else sizes.get(axis, axis) for axis in result.axes]
    dtype = "int64" if source.kind == "ids" else "float32"
    return {
        "inputs": [{"name": source.name, "dtype": dtype, "shape": shape, "stream": source.name}],
        "outputs": [{"name": result.name, "dtype": "float32", "shape": out, "stream": result.name}],
    }
