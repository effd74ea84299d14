"""What each assumed number of wse2 moves: cycles with that number changed, against those of the target as shipped.

    python examples/validation/sensitivity.py [PARAMETER ...]

Three works: the demo model (the sparse GPT-2 of gpt2_topics), a row of the published SpMM table as Tulle compiles it,
and the same row as the hand-written CSC program. The first two are planned and compiled anew for every variation, as
the plan depends on the numbers (so a change includes that of the plan, for better or worse; the demo model's chunk is
fixed, as a plan for another length of chunk says more about the length of the prompt); the program of the third is the
same in all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from os import cpu_count
from pathlib import Path

import numpy as np
from running import run, wse2
from spmm_program import Problem, build, problem

from tulle_compiler.frontend import import_onnx
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.graph import Graph
from tulle_ir.graph_build import GraphBuilder
from tulle_ir.target import Target
from tulle_runtime.session import Session

MODEL = Path(__file__).parents[1] / "gpt2_topics" / "gpt2_topics_sparse.onnx"
DEMO = CompileOptions(mesh=(64, 64), chunk=4)  # as `make demo` compiles it
TOKENS = 64
MESH, SHAPE, DENSITY = (64, 12), (768, 768, 132), 10  # N, K, M; percent
PRODUCT = CompileOptions(mesh=MESH, dtype="f32")

VALUES = {
    "router_depth": (2, 8),
    "dispatch_cycles": (20, 30),
    "ramp_cycles": (1, 3),
    "axpy_overhead": (4, 16, 48),
    "axpy_issue": (0, 4),
    "load_cycles": (5, 20),
    "branch_cycles": (5, 22),
    "row_overhead": (0, 2),
    "divide_cycles": (12, 48),
    "launch_cycles": (0, 36),
    "io_links": (22, 88),
}
FACTORS = (0.5, 2.0)  # for the costs of the written-out functions
NO_CYCLES = {"registers", "instruction_bytes"}  # they decide what fits, not how long it takes


def variations(names: list[str]) -> Iterator[tuple[str, str, Target]]:
    """(parameter, value, target), the target as shipped first."""
    shipped = wse2()
    yield "as shipped", "", shipped
    for name, values in VALUES.items():
        if name in names or not names:
            for value in values:
                yield name, f"{getattr(shipped, name)} -> {value}", replace(shipped, **{name: value})
    for op, cost in shipped.cost:
        if op.value in names or not names:
            for value in (round(cost * factor) for factor in FACTORS):
                changed = tuple((o, value if o == op else c) for o, c in shipped.cost)
                yield op.value, f"{cost} -> {value}", replace(shipped, cost=changed)


@cache
def works() -> tuple[Graph, Graph, Problem]:
    """The demo model; y = x @ A^T; and A with B = x^T as tiles."""
    given = problem("csc", MESH, SHAPE, DENSITY, seed=0)
    builder = GraphBuilder.features(given.a.shape[1])
    return import_onnx(MODEL), builder.build(builder.linear("in", np.ascontiguousarray(given.a.T))), given


def cycles(target: Target) -> tuple[int, int, int]:
    """Of the three works on a target."""
    demo, product, given = works()
    ids = np.random.default_rng(0).integers(0, demo.input.width, (1, TOKENS))
    by_hand = run(build(given), "fast", target=target).counts.slots.max() - target.dispatch_cycles
    return _compiled(demo, DEMO, ids, target), _compiled(product, PRODUCT, given.b.T, target), int(by_hand)


def _compiled(graph: Graph, options: CompileOptions, x: np.ndarray, target: Target) -> int:
    session = Session(compile_graph(graph, options, target=target).artifact, target=target)
    session.run(None, {graph.input.name: np.ascontiguousarray(x)})
    assert session.report is not None and session.report.cycles is not None
    return session.report.cycles


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*VALUES, *(op.value for op, _ in wse2().cost)]
    parser.add_argument("parameters", nargs="*", metavar="PARAMETER", help=f"of {', '.join(names)} (all)")
    options = parser.parse_args()
    if unknown := sorted(set(options.parameters) - set(names)):
        parser.error(f"no such parameter: {', '.join(unknown)}")
    status = {parameter.name: parameter.status for parameter in wse2().parameters}
    cases = list(variations(options.parameters))
    print(
        f"cycles: the demo model, {TOKENS} tokens on {DEMO.mesh} PEs; a sparse product (N, K, M = {SHAPE}, {DENSITY} %)"
    )
    print(f"compiled for {MESH} PEs, end to end, and by hand (slowest PE, compute loop only)")
    print(f"{'parameter':18}{'status':10}{'value':14}{'demo model':>19}{'product compiled':>19}{'by hand':>19}")
    with ProcessPoolExecutor(cpu_count()) as pool:
        base: tuple[int, ...] = ()
        for (name, value, _), found in zip(cases, pool.map(cycles, [target for *_, target in cases]), strict=True):
            base = base or found
            shown = "".join(f"{c:>10}{c / b - 1:>+9.1%}" for c, b in zip(found, base, strict=True))
            print(f"{name:18}{status.get(name, ''):10}{value:14}{shown}", flush=True)


if __name__ == "__main__":
    main()
