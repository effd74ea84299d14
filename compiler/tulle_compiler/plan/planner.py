"""The planning pass: Graph -> Plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np

from tulle_compiler.options import CompileOptions, Precision
from tulle_compiler.plan.alone import is_alone, plan_alone
from tulle_compiler.plan.kernels import Kernels
from tulle_compiler.plan.layouts import Alone, best_layout
from tulle_compiler.plan.lower import lower
from tulle_compiler.plan.nets import Nets
from tulle_compiler.plan.parts import in_parts, parts_worth_trying
from tulle_compiler.plan.problem import DENSE_ABOVE, Problem, context_of, problem_of
from tulle_compiler.plan.quickest import Quickest
from tulle_compiler.plan.search import search
from tulle_compiler.plan.single_token import single_token
from tulle_compiler.plan.sizes import Sizes
from tulle_compiler.plan.smallest import Smallest
from tulle_compiler.prediction import TOKENS
from tulle_ir import graph as ops
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.plan import Plan
from tulle_ir.progress import steps
from tulle_ir.target import Target

CHUNKS = {"throughput": (4, 8, 16, 32), "latency": (1,)}  # tokens per chunk that are tried
FITTINGS = {"throughput": Smallest, "latency": Quickest}
LONGEST_CHUNK = 255  # tokens
LONGEST_ALONE = {"throughput": LONGEST_CHUNK, "latency": 4}  # tokens per chunk of a linear by itself
FILLS = (0.8, 0.7, 0.62, 0.55, 0.45, 0.36, 0.28, 0.18)  # shares of a given mesh that regions may cover, tried in turn


@dataclass(frozen=True)
class PlanModel:
    """Plan a Graph for a target. `fill`: share of the mesh that regions may cover; None gives a linear by itself all of
    it (see `fills_of`)."""

    options: CompileOptions
    target: Target
    fill: float | None = FILLS[0]

    def __call__(self, graph: ops.Graph) -> Plan:
        if self.fill is None:
            return _alone(graph, self.options, self.target)
        problem, sizes = _sizes(graph, self.options, self.target, self.fill)
        mesh = self.options.mesh or _own_mesh(problem, sizes, self.fill)
        made = Kernels(problem, sizes, mesh)
        kernels = tuple(made.make(i) for i in steps("plan", range(len(problem.stages)), "kernels"))
        nets, host = Nets(made, kernels).make(graph)
        facts = plan_facts(graph, self.options, problem.chunk, problem.sequence or 0)
        facts["single_token"] = round(single_token(problem, sizes), 4)
        return Plan("model", mesh, self.target.name, kernels, nets, host, facts)


def fills_of(graph: ops.Graph, options: CompileOptions) -> tuple[float | None, ...]:
    """Shares of the mesh that regions may cover, in the order to try them."""
    return (None, *FILLS) if options.mesh is not None and is_alone(lower(graph)) else FILLS


def _sizes(graph: ops.Graph, options: CompileOptions, target: Target, fill: float) -> tuple[Problem, Sizes]:
    """The chunk and the sizes that suit the objective."""
    mesh = options.mesh or (target.width, target.height)
    problem = problem_of(graph, options, target, mesh, fill)
    longest = problem.sequence or LONGEST_CHUNK
    given = (options.chunk,) if options.chunk else CHUNKS[options.objective]
    chunks = sorted({min(chunk, longest) for chunk in given})
    forms = [in_parts(problem, parts) for parts in parts_worth_trying(problem)]
    return search([FITTINGS[options.objective](replace(form, chunk=chunk)) for form in forms for chunk in chunks])


def _own_mesh(problem: Problem, sizes: Sizes, fill: float) -> tuple[int, int]:
    """A nearly square mesh for the chosen sizes when none was asked for; bundles have room beside every region."""
    target, stages = problem.limits.target, problem.stages
    rows = [rows + 1 for _, rows in sizes.attention.values()]
    longest = max([*sizes.lanes, *rows]) + max([0, *sizes.finishers.values()])
    widest = max(sizes.lanes[problem.classes.output[i]] for i, s in enumerate(stages) if s.kind != "linear")
    covered = sizes.estimate.area / fill
    width = min(target.width, max(ceil(sqrt(covered)), longest + 2 * widest) + 4)
    return width, min(target.height, max(width, ceil(covered / width), longest + 2 * widest + 4))


def _alone(graph: ops.Graph, options: CompileOptions, target: Target) -> Plan:
    """The plan of a linear by itself on the mesh asked for."""
    stages, precision = lower(graph), Precision.of(options)
    op, mesh = stages[1].op, options.mesh
    assert isinstance(op, ops.Linear) and mesh is not None
    context_of(graph, options)
    dense = options.ignore_sparsity or bool(np.count_nonzero(op.weight) >= DENSE_ABOVE * op.weight.size)
    longest = LONGEST_ALONE[options.objective]
    tokens = longest if options.objective == "latency" else options.context or TOKENS
    alone = Alone(op, stages[1].activation, dense, precision, target, mesh, tokens)
    layout = best_layout(alone, options.chunk, longest)
    if layout is None:
        raise DoesNotFit(
            f"no tiles of {op.weight.shape[0]} x {op.weight.shape[1]} weights keep every PE within "
            f"{target.sram_bytes} bytes on a mesh of {mesh[0]} x {mesh[1]} PEs",
            where=stages[1].origin,
            remedy="a larger --mesh, a smaller --chunk, more pruning",
        )
    kernels, nets, host = plan_alone(alone, stages, layout, graph.input.name, graph.output.name)
    facts = plan_facts(graph, options, layout.chunk, 0)
    return Plan("model", mesh, target.name, kernels, nets, host, facts)


def plan_facts(graph: ops.Graph, options: CompileOptions, chunk: int, context: int) -> dict[str, int | float | str]:
    """What later passes need to know of the options."""
    precision = Precision.of(options)
    return {
        "chunk": chunk,
        "context": context,
        "dtype": options.dtype,
        "accumulate": precision.accumulate.value,
        "reduce": precision.reduce.value,
        "seed": options.seed,
        "objective": options.objective,
        "last_only": int(options.logits == "last" or graph.output.rows == "last"),
        "vocab": graph.input.width if graph.input.kind == "ids" else 0,
    }
