"""What the two objectives choose, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from small_models import gpt

from tulle_compiler.frontend import import_onnx
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import Compiled, compile_graph
from tulle_compiler.plan.costs import mean_interval
from tulle_compiler.plan.fitting import Choice, Fitting
from tulle_compiler.plan.problem import problem_of
from tulle_compiler.plan.search import search
from tulle_compiler.plan.sizes import Estimate, Sizes
from tulle_ir.graph import Graph
from tulle_ir.plan import Plan
from tulle_ir.target import load_target
from tulle_runtime.session import Session

DEMO = Path(__file__).parents[2] / "examples" / "gpt2_topics" / "gpt2_topics_sparse.onnx"
WAFER = CompileOptions(level="plan")
PART = CompileOptions(mesh=(64, 64), replicas=1)


def small_gpt() -> Graph:
    return gpt(width=48, heads=4, blocks=2, vocabulary=200, context=64, hidden=192, sparsity=0.75)


@cache
def many_logits() -> Graph:
    """A GPT whose results take the host links longer than its kernels need."""
    return gpt(width=32, heads=2, blocks=1, vocabulary=20000, context=64, hidden=64)


def plan_of(graph: Graph, options: CompileOptions) -> Plan:
    return compile_graph(graph, replace(options, level="plan")).stages["plan"]


def pes(plan: Plan) -> int:
    return sum(kernel.width * kernel.height for kernel in plan.kernels)


def first_token(compiled: Compiled) -> tuple[int, float]:
    """Cycles until the results of a sequence's first token are out, and what the plan foretells for a full chunk."""
    session = Session(compiled.artifact)
    session.run(None, {session.inputs[0].name: np.zeros((1, 1), np.int64)})
    report = session.report
    assert report is not None and report.first_token_cycles is not None and report.predicted_cycles is not None
    return report.first_token_cycles, report.predicted_cycles


@pytest.mark.parametrize("model", ["demo", "small"])
def test_latency_brings_the_first_token_out_sooner(model: str) -> None:
    graph = import_onnx(DEMO) if model == "demo" else small_gpt()
    soon, later = (
        first_token(compile_graph(graph, replace(PART, objective=objective))) for objective in ("latency", "throughput")
    )
    assert soon[0] < 0.9 * later[0]
    assert soon[1] < 0.9 * later[1]
    assert abs(soon[1] / soon[0] - 1) < 0.15


def test_throughput_takes_no_more_pes_than_keep_up_with_the_host_links() -> None:
    small, large = (plan_of(many_logits(), replace(WAFER, mesh=mesh)) for mesh in ((250, 400), (750, 994)))
    assert pes(small) == pes(large) < 0.05 * 250 * 400
    slowest = max(kernel.cost.predicted for kernel in small.kernels)
    assert slowest < 1.1 * small.kernels[-1].cost.ideal  # the gather's: what the links take per chunk


def test_a_kernel_with_less_work_gets_fewer_pes() -> None:
    linears = [kernel for kernel in plan_of(many_logits(), WAFER).kernels if kernel.kind == "linear"]
    *blocks, head = (kernel.width * kernel.height for kernel in linears)
    assert all(head > 10 * block for block in blocks)


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_a_plan_is_the_same_every_time(objective: str) -> None:
    plans = [plan_of(small_gpt(), replace(PART, objective=objective)) for _ in range(2)]  # type: ignore[arg-type]
    assert plans[0].kernels == plans[1].kernels


class Table(Fitting):
    """Sizes from a table: by base lanes, the cycles and PEs of each setting."""

    settings = (0, 1, 2, 3)

    def __init__(self, table: Mapping[int, list[tuple[float, float]]]) -> None:
        super().__init__(replace(problem_of(small_gpt(), PART, load_target("wse2"), (64, 64), 0.5), chunk=4))
        self.table, self.choices = table, tuple(map(Choice, table))

    def fit(self, choice: Choice, setting: float) -> Sizes | None:
        cycles, area = self.table[choice.lanes][int(setting)]
        return Sizes((choice.lanes,), {}, {}, {}, Estimate(cycles, cycles, 0.0, frozenset(), area))

    def cycles(self, sizes: Sizes) -> float:
        return sizes.estimate.period


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        ({1: [(400, 10), (104, 100), (101, 200), (100, 1000)]}, (104, 100)),  # within 5 % of the fewest cycles
        ({1: [(400, 10), (106, 100), (101, 200), (100, 1000)]}, (101, 200)),  # 6 % is too slow
        ({1: [(104, 100)] * 4, 2: [(102, 101)] * 4}, (102, 101)),  # 1 % more PEs are as good, and sooner done
        ({1: [(104, 100)] * 4, 2: [(102, 103)] * 4}, (104, 100)),
        ({1: [(400, 10), (200, 100), (150, 2000), (50, 4000)]}, (150, 2000)),  # what does not fit does not count
    ],
)
def test_of_plans_nearly_as_fast_the_smallest_is_taken(
    table: dict[int, list[tuple[float, float]]], chosen: tuple[float, float]
) -> None:
    _, sizes = search([Table(table)])
    assert (sizes.estimate.period, sizes.estimate.area) == chosen


@pytest.mark.parametrize("cost", [10.0, 60.0, 100.0, 130.0, 300.0])
def test_the_mean_interval_is_that_of_every_position(cost: float) -> None:
    positions = np.arange(0, 1000, 0.25)
    growing = cost + 0.1 * (positions - 500)
    assert mean_interval(100.0, cost, 0.1, 1000) == pytest.approx(np.maximum(100.0, growing).mean(), rel=1e-3)


def test_a_mesh_that_the_plan_chooses_grows_taller_where_the_wafer_is_narrow() -> None:
    narrow = replace(load_target("wse2"), width=60)
    plan = compile_graph(many_logits(), WAFER, target=narrow).stages["plan"]
    width, height = plan.mesh
    assert width == 60 < height
    assert pes(plan) <= 0.8 * width * height
