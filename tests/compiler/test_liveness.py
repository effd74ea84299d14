"""A plan whose chunks could not all get through is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_models import gpt

from tulle_compiler.options import CompileOptions
from tulle_compiler.plan.planner import PlanModel
from tulle_ir.plan import Plan
from tulle_ir.target import Target, load_target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.flow import check_flow


@pytest.fixture(scope="module")
def target() -> Target:
    return load_target("generic")


@pytest.fixture(scope="module")
def plan(target: Target) -> Plan:
    options = CompileOptions(target="generic", mesh=(40, 40), replicas=1, dtype="f32", chunk=4)
    return PlanModel(options, target)(gpt(blocks=1))


def findings_of(plan: Plan) -> list[str]:
    findings = Findings(plan)
    check_flow(plan, findings)
    return [finding.message for finding in findings.found]


def test_a_planned_gpt_is_live(plan: Plan) -> None:
    assert findings_of(plan) == []


def test_kernels_that_wait_for_each_other_are_found(plan: Plan) -> None:
    last = next(net for net in plan.nets if net.source.kernel > 2 and net.sink.kernel > net.source.kernel)
    back = replace(last, name="back", source=last.sink, sink=last.source)
    (message,) = findings_of(replace(plan, nets=(*plan.nets, back)))
    assert "in a circle" in message


def test_a_join_without_room_is_found(plan: Plan) -> None:
    joins = [k for k, kernel in enumerate(plan.kernels) if kernel.params.get("join")]
    full = replace(plan.kernels[joins[0]], params={**plan.kernels[joins[0]].params, "slots": 0})
    kernels = (*plan.kernels[: joins[0]], full, *plan.kernels[joins[0] + 1 :])
    (message,) = findings_of(replace(plan, kernels=kernels))
    assert "no room" in message


def test_a_kernel_that_nothing_reaches_is_found(plan: Plan) -> None:
    nets = tuple(net for net in plan.nets if net.sink.kernel != 0)
    assert any("nothing from the host" in message for message in findings_of(replace(plan, nets=nets)))
