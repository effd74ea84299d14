"""Prints any stage: the one place that knows which printer belongs to which type."""

from __future__ import annotations

from typing import assert_never

from tulle_ir.program import Program
from tulle_ir.text.program_printer import print_program

Stage = Program  # a union, as stages get their printers


def print_stage(stage: Stage) -> str:
    """The canonical text of a stage."""
    match stage:
        case Program():
            return print_program(stage)
        case _:
            assert_never(stage)
