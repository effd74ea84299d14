"""Runs tests/filetests/program/*.tlir; filetest.py says what they mean."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, util
from pathlib import Path

import filetest
import pytest

from tulle_ir.artifact import read_program_text
from tulle_ir.target import load_target
from tulle_ir.verify_program import require_valid

FILES = sorted((Path(__file__).parents[1] / "filetests" / "program").glob("*.tlir"))
ENGINES = [name for name in ("reference", "fast") if util.find_spec(f"tulle_runtime.{name}")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file(path: Path, bless: bool) -> None:
    text = path.read_text(encoding="utf-8")
    happens = filetest.with_findings(path) if filetest.mode(text) == "verify" else _run(path, text)
    if bless and happens != text:
        path.write_text(happens, encoding="utf-8")
        return
    assert happens == text


def _run(path: Path, text: str) -> str:
    program = read_program_text(path)
    target = load_target(program.target)
    require_valid(program, target)
    inputs = filetest.raw_inputs(program, text)
    outcomes = {
        name: filetest.outcome(engine(program, target, inputs, filetest.limit(text)), program)
        for name, engine in _engines().items()
    }
    if not outcomes:
        pytest.skip("there is no engine")
    first = next(iter(outcomes.values()))
    for name, lines in outcomes.items():
        assert lines == first, f"engine '{name}' differs"
    return filetest.without_expectations(text) + "".join(first)


def _engines() -> dict[str, Callable[..., object]]:
    """The engines that are installed: all must agree."""
    return {name: getattr(import_module(f"tulle_runtime.{name}"), f"run_{name}") for name in ENGINES}
