"""The text form of the stages (`*.tlir`): one grammar, a canonical printer, a parser. By example: docs/text.md."""

from tulle_ir.text.parse import level_of, parse_program, parse_stage, parse_stage_with_places, parse_with_places
from tulle_ir.text.places import Places
from tulle_ir.text.program_printer import print_program
from tulle_ir.text.repeated import parse_repeated
from tulle_ir.text.stage import Stage, print_stage, print_stage_with_tensors, print_stages
from tulle_ir.text.tensor_text import stored_tensors

__all__ = [
    "Places",
    "Stage",
    "level_of",
    "parse_program",
    "parse_repeated",
    "parse_stage",
    "parse_stage_with_places",
    "parse_with_places",
    "print_program",
    "print_stage",
    "print_stage_with_tensors",
    "print_stages",
    "stored_tensors",
]
