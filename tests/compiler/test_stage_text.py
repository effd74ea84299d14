"""The text of the stages before the program: print and parse are inverses, errors have places, findings too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import gpt, matmul, mlp

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.artifact import read_stage_with_places, write_stage_text
from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Graph
from tulle_ir.plan import Plan
from tulle_ir.text import (
    Stage,
    parse_stage,
    parse_stage_with_places,
    print_stage,
    print_stage_with_tensors,
    print_stages,
)
from tulle_ir.verify_plan import require_valid_stage, verify_stage

LEVELS = ("graph", "plan", "placed", "routed")
MODELS = {
    "gpt": gpt(width=12, heads=2, blocks=1, vocabulary=11, context=7, hidden=13),
    "mlp": mlp((11, 23, 5), "gelu"),
    "matmul": matmul(13, 17, bias=True),
}
Stages = Mapping[str, Any]


def stages_of(graph: Graph, level: str = "routed") -> Stages:
    options = CompileOptions(target="generic", mesh=(32, 32), replicas=1, dtype="f32", chunk=3)
    return compile_graph(graph, replace(options, level=level)).stages  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=sorted(MODELS))
def stages(request: pytest.FixtureRequest) -> Stages:
    """Every stage of each model."""
    return stages_of(MODELS[request.param])


@pytest.fixture(scope="module")
def compiled() -> Stages:
    """The stages of the smallest model."""
    return stages_of(MODELS["matmul"])


def reread(stage: Stage) -> Stage:
    return parse_stage(*print_stage_with_tensors(stage))


def plan_of(stages: Stages) -> Plan:
    return stages["plan"]


@pytest.mark.parametrize("level", LEVELS)
def test_text_is_read_back_without_loss(stages: Stages, level: str) -> None:
    text, tensors = print_stage_with_tensors(stages[level])
    again = parse_stage(text, tensors)
    assert again == stages[level]
    assert print_stage_with_tensors(again)[0] == text
    assert sorted(print_stage_with_tensors(again)[1]) == sorted(tensors)


@pytest.mark.parametrize("level", LEVELS)
def test_text_is_read_back_from_files(compiled: Stages, level: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{level}.tlir"
    write_stage_text(path, compiled[level])
    assert path.with_suffix(".safetensors").exists()
    again, places = read_stage_with_places(path)
    assert again == compiled[level]
    assert places.of(again) == f"{path}:1:1"


def test_names_and_origins_are_read_back() -> None:
    graph = MODELS["gpt"]
    named = replace(graph, ops=tuple(replace(op, origin=f'/{op.name} "x"\n') for op in graph.ops), source_sha256="ab")
    again = reread(named)
    assert isinstance(again, Graph)
    assert [(op.name, op.origin) for op in again.ops] == [(op.name, op.origin) for op in named.ops]
    assert again.source_sha256 == "ab"


def test_graphs_differ_by_a_single_weight(compiled: Stages) -> None:
    graph = compiled["graph"]
    weight = graph.ops[0].weight.copy()
    weight[0, 0] += 1
    other = replace(graph, ops=(replace(graph.ops[0], weight=weight),))
    assert other != graph
    assert print_stage(other) != print_stage(graph)


def test_plans_are_equal_by_value(compiled: Stages) -> None:
    plan = plan_of(compiled)
    first, *rest = plan.kernels
    copied = replace(first, tensors={name: array.copy() for name, array in first.tensors.items()})
    assert replace(plan, kernels=(copied, *rest)) == plan
    changed = {name: array + 1 for name, array in first.tensors.items()}
    assert replace(plan, kernels=(replace(first, tensors=changed), *rest)) != plan


def test_odd_names_and_values_are_read_back(compiled: Stages) -> None:
    plan = plan_of(compiled)
    params = {"rows": 3, "an odd one": -1.5, "inside": 'a "b"\\', "nonzero": float("inf"), "zero": 0}
    tensors = {"and": np.array(7, np.int32), "t.u": np.arange(40, dtype=np.float16), "": np.zeros((0, 3), np.float32)}
    kernel = replace(plan.kernels[1], name='odd "name"', kind="sink", params=params, tensors=tensors)
    odd = replace(plan, kernels=(plan.kernels[0], kernel, plan.kernels[2]), options={"plan": 1})
    assert reread(odd) == odd


def test_equal_arrays_are_stored_once(compiled: Stages) -> None:
    plan = plan_of(compiled)
    _, weights = print_stage_with_tensors(compiled["graph"])
    _, tensors = print_stage_with_tensors(plan)
    assert weights.keys() <= tensors.keys(), "the plan names the weights as the graph does"
    copied = replace(plan, tensors={name: array.copy() for name, array in tensors.items()})
    assert print_stage_with_tensors(copied)[1].keys() == tensors.keys()


def test_text_depends_on_the_model_alone(compiled: Stages) -> None:
    assert print_stages(stages_of(MODELS["matmul"])) == print_stages(compiled)


# ---- errors of the text ----


@pytest.mark.parametrize(
    ("level", "old", "new", "message"),
    [
        ("graph", "linear %in", "linear in", "unexpected 'in'"),
        ("graph", "axes tokens", "axes time", "'time' is not an axis: batch, tokens, features, one"),
        ("plan", "params", "parameters", "unexpected 'parameters'"),
        ("plan", 'kernel "linear.0"', 'kernel "input"', "there are two kernels named 'input'"),
        ("plan", 'to "linear.0".x', 'to "linear.9".x', "there is no kernel 'linear.9'"),
        ("plan", 'to "linear.0".x', 'to "linear.0".z', "there is no terminal of 'linear.0' named 'z'"),
        ("placed", 'place "linear.0"', 'place "linear.1"', "there is no kernel 'linear.1'"),
        ("routed", "flipped", "flopped", "unexpected 'flopped'"),
        ("routed", 'route "linear.0.x"', 'route "output.x"', "net 'output.x' stands here a second time"),
    ],
)
def test_broken_text_names_line_and_column(compiled: Stages, level: str, old: str, new: str, message: str) -> None:
    text, tensors = print_stage_with_tensors(compiled[level])
    if old == "flipped":
        text = re.sub(r'(route "linear.0.x" colors \d+)( flipped)?', r"\1 flipped", text)
    assert old in text
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        parse_stage(text.replace(old, new, 1), tensors, "m.tlir")
    assert re.fullmatch(r"m\.tlir:\d+:\d+", caught.value.where)


def test_a_tensor_that_is_nowhere(compiled: Stages) -> None:
    with pytest.raises(BadInput, match="has no values"):
        parse_stage(print_stage(compiled["graph"]))


def test_text_that_is_no_stage() -> None:
    with pytest.raises(BadInput) as caught:
        parse_stage("// a comment\nplam", file="m.tlir")
    expected = "'graph', 'placed', 'plan', 'program' or 'routed'"
    assert str(caught.value) == f"m.tlir:2:1: unexpected 'plam': expected {expected}"


# ---- the verifier ----


def test_what_the_compiler_makes_is_sound(stages: Stages) -> None:
    for level in LEVELS:
        assert verify_stage(stages[level]) == []


@pytest.mark.parametrize(
    ("level", "pattern", "new", "message"),
    [
        ("plan", r'(net "linear.0.x" : f32 lanes) \d+', r"\1 1", "the net has 1 lanes, its source 'y' has"),
        ("plan", r'to "linear.0".x', 'to "output".x', "terminal 'x' has 0 nets instead of one"),
        ("plan", r'from "linear.0".y', 'from "linear.0".x', "its source 'x' is not a source"),
        ("plan", r"bytes \d+", "bytes 9999999", "its fullest PE needs 9999999 bytes, generic has"),
        ("plan", r"mesh 32x32", "mesh 4x4", "PEs do not fit on the mesh of 4 x 4"),
        ("plan", r"start : i32\[(\d+)\] = \[0,", r"start : i32[\1] = [1,", "is not a permutation"),
        ("plan", r"inside 0( lanes \w+)?: from ramp at \(i\*2", r"inside 0\1: from ramp at (i*9", "a bundle leaves"),
        ("placed", r'(place "linear.0" at) \[\d+, \d+', r"\1 [31, 31", "leaves the mesh"),
        ("placed", r'(place "output" at) \[\d+, \d+', r"\1 [LINEAR", "overlaps another"),
        ("placed", r'link "input.in0" at .*', "", "the net with the host has no link"),
        ("routed", r'(route "linear.0.x" colors \d+)( flipped)?', r"\1 FLIP", "flipped, its ends are"),
        ("routed", r'(inside "linear.0" colors) .*', r"\1 0, 0", "different ones of 21"),
        ("routed", r'(route "linear.0.x" .*\n.* from) ramp', r"\1 north", "a lane does not leave its source"),
        ("routed", r'(route "linear.0.x" .*\n.*) ramp each', r"\1", "a lane does not reach its sink"),
    ],
)
def test_the_verifier_finds_what_is_wrong(compiled: Stages, level: str, pattern: str, new: str, message: str) -> None:
    text, tensors = print_stage_with_tensors(compiled[level])
    found = re.search(pattern, text)
    assert found, f"{pattern} is not in\n{text}"
    wrong = text[: found.start()] + re.sub(pattern, new, found[0]) + text[found.end() :]
    wrong = wrong.replace("FLIP", "" if "flipped" in found[0] else "flipped")
    if "LINEAR" in wrong:  # the place of another kernel
        wrong = wrong.replace("LINEAR", re.findall(r'place "linear.0" at \[(\d+, \d+)', text)[0])
    stage, places = parse_stage_with_places(wrong, tensors, "m.tlir")
    findings = verify_stage(stage, None, places)  # type: ignore[arg-type]
    assert any(message in finding.message for finding in findings), [str(finding) for finding in findings]
    assert all(re.match(r"m\.tlir:\d+:\d+", finding.where) for finding in findings)


def test_two_nets_of_one_color_do_not_meet(compiled: Stages) -> None:
    routed = compiled["routed"]
    again = replace(routed.nets[0], colors=routed.nets[1].colors, bundles=routed.nets[1].bundles)
    broken = replace(routed, nets=(again, *routed.nets[1:]))
    with pytest.raises(BadInput, match="has another owner"):
        require_valid_stage(broken)
