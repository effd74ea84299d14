"""The examples of docs/text.md are text in canonical form, its instructions are instructions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tulle_ir.text import parse_program, parse_stage, print_program, print_stage
from tulle_ir.text.array_text import digest

PAGE = (Path(__file__).parents[2] / "docs" / "text.md").read_text(encoding="utf-8")
TEXTS = re.findall(r"^```tlir\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WEIGHT = (np.arange(768 * 2304).reshape(768, 2304) % 4 == 0).astype(np.float32)  # three quarters are zero
STORE = {"w.row": np.zeros(4480, np.uint16), digest(WEIGHT): WEIGHT}
ROWS = re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE)
INSTRUCTIONS = [code.replace("...", "stop") for row in ROWS for code in re.findall("`([^`]+)`", row)]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_canonical(text: str) -> None:
    assert print_stage(parse_stage(text, STORE)) == text


@pytest.mark.parametrize("code", INSTRUCTIONS)
def test_instructions_are_instructions(code: str) -> None:
    head = 'program "" target "generic" mesh 1x1 { class "c" at [0, 0, 1, 1] sram 0 { task t {'
    program = parse_program(f"{head} {code} }} }} }}")
    line = print_program(program).splitlines()[3].strip()
    assert code.startswith(line)
