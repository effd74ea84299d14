"""Prints any stage: the one place that knows which printer belongs to which type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import assert_never

import numpy as np

from tulle_ir.graph import Graph
from tulle_ir.placed import Placed
from tulle_ir.plan import Plan
from tulle_ir.program import Program
from tulle_ir.routed import Routed
from tulle_ir.text.array_text import Arrays
from tulle_ir.text.graph_printer import graph_lines
from tulle_ir.text.placed_printer import placed_lines
from tulle_ir.text.plan_printer import plan_lines
from tulle_ir.text.program_printer import print_program
from tulle_ir.text.routed_printer import routed_lines
from tulle_ir.text.tensor_text import stored_tensors

Stage = Graph | Plan | Placed | Routed | Program


def print_stage(stage: Stage) -> str:
    """The canonical text of a stage."""
    return _text(stage, Arrays())


def print_stages(stages: Mapping[str, Stage]) -> dict[str, str]:
    """The canonical texts of stages by level. The arrays that they share are hashed once."""
    arrays = Arrays()
    for stage in stages.values():
        arrays.name_all(_arrays(stage))
    return {level: _text(stage, arrays) for level, stage in stages.items()}


def print_stage_with_tensors(stage: Stage) -> tuple[str, dict[str, np.ndarray]]:
    """The canonical text, and what goes into the store beside it: `parse_stage(text, tensors) == stage`."""
    arrays = Arrays()
    text = _text(stage, arrays)
    return text, stored_tensors(stage.tensors) if isinstance(stage, Program) else arrays.stored


def _text(stage: Stage, arrays: Arrays) -> str:
    match stage:
        case Program():
            return print_program(stage)
        case Graph():
            lines = graph_lines(stage, arrays)
        case Plan():
            lines = plan_lines(stage, arrays)
        case Placed():
            lines = placed_lines(stage, arrays)
        case Routed():
            lines = routed_lines(stage, arrays)
        case _:
            assert_never(stage)
    return "\n".join(lines) + "\n"


def _arrays(stage: Stage) -> Iterator[np.ndarray]:
    """The arrays that a stage holds itself, not those of the stage before."""
    match stage:
        case Graph():
            values = (getattr(op, field.name) for op in stage.ops for field in fields(op))
        case Plan():
            values = (tensor for kernel in stage.kernels for tensor in kernel.tensors.values())
        case _:
            values = ()
    yield from (value for value in values if isinstance(value, np.ndarray))
