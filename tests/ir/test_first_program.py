"""The tutorial docs/first_program.md is true: its program verifies, runs, and prints what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tulle_ir.artifact import read_program_text, read_program_with_places
from tulle_ir.diagnostics import BadInput, MachineFault
from tulle_ir.target import load_target
from tulle_ir.text import print_program
from tulle_ir.verify_program import require_valid, verify_program

PAGE = (Path(__file__).parents[2] / "docs" / "first_program.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def program_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """first.tlir in the current folder."""
    (text,) = blocks("tlir")
    monkeypatch.chdir(tmp_path)
    file = Path("first.tlir")
    file.write_text(text, encoding="utf-8")
    yield file


def test_the_program_is_canonical_and_valid(program_file: Path) -> None:
    program, places = read_program_with_places(program_file)
    assert print_program(program) == program_file.read_text(encoding="utf-8")
    assert verify_program(program, load_target(program.target), places) == []


def test_it_prints_what_the_page_says(program_file: Path) -> None:
    (script,) = blocks("python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(script, {})
    assert printed.getvalue() == blocks("text")[0]


def test_results_arrive_when_the_page_says(program_file: Path) -> None:
    reference = pytest.importorskip("tulle_runtime.reference")
    program = read_program_text(program_file)
    wavelets = np.array([1, 2, 3, 4], np.float32).view(np.uint32)
    result = reference.run_reference(program, load_target(program.target), [[wavelets]], None)
    assert result.outputs[0][0].cycles.tolist() == [59, 60, 61, 62]
    assert "| 59 - 62 | the results arrive" in PAGE


def test_the_mistake_is_reported_as_the_page_says(program_file: Path) -> None:
    (change,) = blocks("diff")
    before, after = (line[1:] for line in change.splitlines())
    text = program_file.read_text(encoding="utf-8")
    assert before in text
    program_file.write_text(text.replace(before, after), encoding="utf-8")
    program, places = read_program_with_places(program_file)
    with pytest.raises(BadInput) as caught:
        require_valid(program, load_target(program.target), places)
    assert f"{caught.value}\n" == blocks("text")[1]


def test_a_fifth_wavelet_is_a_deadlock(program_file: Path) -> None:
    session = pytest.importorskip("tulle_runtime.session")
    text = program_file.read_text(encoding="utf-8").replace("bias over 4", "bias over 1, 5")
    program_file.write_text(text, encoding="utf-8")
    with pytest.raises(MachineFault, match=r"deadlock(.|\n)*\(1, 0\) +task main"):
        session.Session(read_program_text(program_file)).run(None, {"x": np.ones(4, np.float32)})
