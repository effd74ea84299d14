"""What a compilation reports, and what its artifact remembers of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from tulle_compiler.accounting import account
from tulle_compiler.options import CompileOptions
from tulle_compiler.prediction import behind_last_token, prediction, tokens_per_second, turns_of
from tulle_compiler.prune import PruneReport
from tulle_ir.artifact import manifest_of
from tulle_ir.graph import Graph
from tulle_ir.graph_check import tensor_widths
from tulle_ir.memory import memory_map, memory_of, pes_used
from tulle_ir.placed import Placed
from tulle_ir.plan import Plan
from tulle_ir.program import Program
from tulle_ir.replicas import written_out
from tulle_ir.report import Accounting, Kernel, Limit, Memory, PerChunk, Report, Utilization
from tulle_ir.target import Target


def compile_report(stages: Mapping[str, Any], graph: Graph, target: Target, options: CompileOptions) -> Report:
    """The report of a compilation; cycles are predictions for one full chunk (see `prediction`)."""
    plan: Plan | None = stages.get("plan")
    placed: Placed | None = stages.get("placed")
    program: Program | None = stages.get("program")
    memory, used = Memory(), 0
    if program is not None:
        whole = written_out(program)
        held, mask = memory_map(whole, target), pes_used(whole)
        memory, used = memory_of(held, mask, target), int(mask.sum())
    facts = plan.options if plan else {}
    counted = account(graph, options.context, ignore_sparsity=options.ignore_sparsity)
    predicted = prediction(plan, placed)["latency_cycles"] if plan else None
    return Report(
        status="compiled",
        target=target.name,
        mesh=_mesh(plan, options) if plan else (target.width, target.height),
        replicas=plan.replicas if plan else 1,
        chunk=int(facts.get("chunk", 0)),
        context=int(facts.get("context", 0)),
        dtype=str(facts.get("dtype", "")),
        predicted_cycles=None if predicted is None else round(predicted),
        tokens_per_second=round(tokens_per_second(plan, target)) if plan else None,
        limit=_limit(plan) if plan else None,
        bound_cycles=round(max((k.cost.bound for k in plan.kernels), default=0)) if plan else 0,
        ideal_cycles=round(max((k.cost.ideal for k in plan.kernels), default=0)) if plan else 0,
        memory=memory,
        utilization=Utilization(pes_used=used),
        accounting=Accounting(**asdict(counted)),
        kernels=tuple(_kernel(plan, placed, k) for k in range(len(plan.kernels))) if plan else (),
    )


def _mesh(plan: Plan, options: CompileOptions) -> tuple[int, int]:
    """The whole mesh, with all copies."""
    return options.mesh or (plan.mesh[0], plan.mesh[1] * plan.replicas)


def _limit(plan: Plan) -> Limit:
    """The kernel that takes longest between two chunks."""
    once = behind_last_token(plan)
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
