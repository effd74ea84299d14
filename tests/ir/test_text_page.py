"""The examples of docs/text.md are text in canonical form, its instructions are instructions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tulle_ir.text import parse_program, print_program

PAGE = (Path(__file__).parents[2] / "docs" / "text.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```tlir\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE)
INSTRUCTIONS = [code.replace("...", "stop") for row in ROWS for code in re.findall("`([^`]+)`", row)]


@pytest.mark.parametrize("text", PROGRAMS)
def test_programs_are_canonical(text: str) -> None:
    assert print_program(parse_program(text, {"w.row": np.zeros(4480, np.uint16)})) == text


@pytest.mark.parametrize("code", INSTRUCTIONS)
def test_instructions_are_instructions(code: str) -> None:
    head = 'program "" target "generic" mesh 1x1 { class "c" at [0, 0, 1, 1] sram 0 { task t {'
    program = parse_program(f"{head} {code} }} }} }}")
    line = print_program(program).splitlines()[3].strip()
    assert code.startswith(line)
