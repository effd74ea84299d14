"""The last linear of a model in parts that stand by themselves, each with its own gather.

A logits layer has far more outputs than a mesh has rows. In one region each of its rows takes many of them, and its
tiles are small only if the residual stream has many lanes, so many that the rows of all other linears grow long, too:
what a row adds up costs a wavelet per tile and output. With parts, the stream has few lanes and rows are short.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tulle_compiler.kernels.tiles import columns_of
from tulle_compiler.partition_tiles import deal
from tulle_compiler.plan.lanes import lane_classes
from tulle_compiler.plan.lower import Stage, Wire
from tulle_compiler.plan.problem import Problem
from tulle_ir import graph as ops

PARTS = (1, 2, 4)  # tried
SMALLEST_LANE = 4  # features that a lane of a part carries at least, on the average, where it is as long as can be


def parts_worth_trying(problem: Problem) -> list[int]:
    """Numbers of parts for the last linear."""
    last = problem.stages[-2]
    most = last.width // (SMALLEST_LANE * problem.limits.sides[0]) if last.kind == "linear" else 1
    return [parts for parts in PARTS if parts == 1 or parts <= min(most, problem.limits.links)]


def in_parts(problem: Problem, parts: int) -> Problem:
    """The problem with its last linear dealt to parts."""
    if parts == 1:
        return problem
    *stages, linear, gather = problem.stages
    head, op = len(stages), linear.op
    assert isinstance(op, ops.Linear)
    wires = _forked(stages, linear, parts)
    is_dense = problem.dense[head]
    used = np.zeros(linear.width) if is_dense else np.count_nonzero(op.weight, axis=0)
    density, dense = dict(problem.density), dict(problem.dense)
    dealt = np.array_split(np.arange(linear.width), parts) if is_dense else deal(used, parts)
    for part, features in enumerate(dealt):
        i, size = len(stages), len(op.weight) * len(features)
        density[i], dense[i] = 1.0 if is_dense else int(used[features].sum()) / size, is_dense
        wire = Wire(gather.inputs[0][1].tensor, i, "y")
        stages.append(_part(linear, op, wires[part], features, part))
        stages.append(replace(_named(gather, part, features), inputs=[("x", wire)]))
    return replace(problem, stages=stages, classes=lane_classes(stages), density=density, dense=dense)


def _forked(stages: list[Stage], linear: Stage, parts: int) -> list[Wire]:
    """The input of a linear for each of its parts, by strips that fork it, appended to `stages`."""
    wires = [linear.inputs[0][1]]
    while len(wires) < parts:
        wire = wires.pop(0)
        name = f"{linear.name}.fork{parts - len(wires)}"
        stages.append(Stage("strip", name, linear.origin, stages[wire.producer].width, [("x", wire)], keep=True))
        wires += [replace(wire, producer=len(stages) - 1, port=port) for port in ("y", "keep")]
    return wires


def _part(linear: Stage, op: ops.Linear, wire: Wire, features: np.ndarray, part: int) -> Stage:
    """Some output features of a linear."""
    first, last = features[[0, -1]]
    follow = last - first + 1 == len(features)  # no copy then
    weight = op.weight[:, first : last + 1] if follow else columns_of(op.weight, features)
    of = replace(op, weight=weight, bias=None if op.bias is None else op.bias[features])
    return replace(_named(linear, part, features), op=of, inputs=[("x", wire)])


def _named(stage: Stage, part: int, features: np.ndarray) -> Stage:
    return replace(stage, name=f"{stage.name}.{part}", width=len(features), features=features)
