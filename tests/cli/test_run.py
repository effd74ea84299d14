"""`tulle run` on hand-written programs: outputs, reports, exit codes and messages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tulle.__main__ import main

PROGRAMS = Path(__file__).parents[1] / "programs"
ECHO, DOUBLE = str(PROGRAMS / "echo.tlir"), str(PROGRAMS / "double.tlir")


@pytest.fixture
def x(tmp_path: Path) -> str:
    """An .npz with the input of `double`."""
    np.savez(tmp_path / "x.npz", x=np.array([1, 2, 3, 4], np.float32))
    return str(tmp_path / "x.npz")


def tulle(*arguments: str | Path) -> int:
    """The exit code of `tulle run` on the reference engine."""
    return main(["run", *map(str, arguments), "--engine", "reference"])


def test_arrays_in_arrays_out(x: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "y.npz", tmp_path / "report.json"
    assert tulle(DOUBLE, "--inputs", x, "--outputs", out, "--report", report) == 0
    with np.load(out) as arrays:
        assert arrays["y"].tolist() == [2, 4, 6, 8]
    assert json.loads(report.read_text())["status"] == "ok"
    captured = capsys.readouterr()
    assert "scale" in captured.out
    assert "\x1b" not in captured.out
    assert captured.err.splitlines() == [f"wrote {report}", f"wrote {out}"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.json", "x.npz", "y.npz"]


def test_json_is_the_only_thing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert tulle(ECHO, "--tokens", "1,2,3", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["tokens"]) == (1, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([ECHO, "--tokens", "1,10"], 3, "token id 10 is out of range: the ids are 0 to 9"),
        ([ECHO, "--tokens", "-1,2"], 3, "token id -1 is out of range"),
        ([ECHO, "--tokens", ""], 3, "holds no tokens"),
        ([ECHO, "--tokens", ",".join("1" * 9)], 3, "9 tokens is 1 longer than the context of 8"),
        ([ECHO, "--tokens", "1,b"], 2, "'b' is not a whole number"),
        ([ECHO, "--prompt", "hi"], 3, "holds no tokenizer"),
        ([ECHO], 2, "give --inputs, --tokens or --prompt"),
        ([ECHO, "--tokens", "1", "--prompt", "hi"], 2, "--tokens and --prompt exclude each other"),
        ([ECHO, "--tokens", "1", "--verify", "m.onnx"], 2, "a program text has no model"),
        ([DOUBLE, "--tokens", "1"], 2, "takes no token ids but x: float32[4]"),
        (["missing.tulle"], 3, "there is no such file\n  where: missing.tulle"),
        ([DOUBLE, "--inputs", "missing.npz"], 3, "there is no such file\n  where: missing.npz"),
        ([DOUBLE, "--inputs", DOUBLE], 3, "not an .npz of plain arrays"),
        ([DOUBLE, "--unknown"], 2, "unrecognized arguments: --unknown"),
        ([DOUBLE, "--max-cycles", "0"], 2, "0 is not above zero"),
    ],
)
def test_bad_input(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tulle(*arguments) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.out == ""


def test_wrong_input_names_are_told_the_right_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "z.npz", z=np.zeros(4, np.float32))
    assert tulle(DOUBLE, "--inputs", tmp_path / "z.npz") == 3
    assert "there is no input 'z'\n  to change: the inputs are x: float32[4]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        ("stuck", 6, "task go     input"),
        ("out_of_bounds", 6, "out of bounds in cycle"),
        ("endless", 7, "still going at cycle 300"),
    ],
)
def test_failed_runs_write_no_outputs(
    program: str, code: int, message: str, x: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "y.npz", tmp_path / "report.json"
    path = PROGRAMS / f"{program}.tlir"
    assert tulle(path, "--inputs", x, "--max-cycles", "300", "--outputs", out, "--report", report) == code
    assert message in capsys.readouterr().err
    assert not out.exists()
    assert json.loads(report.read_text())["status"] != "ok"


def test_illegal_text_has_line_and_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(DOUBLE).read_text().replace("mul %y", "mull %y")
    (tmp_path / "bad.tlir").write_text(text)
    assert tulle(tmp_path / "bad.tlir") == 3
    line = next(i for i, found in enumerate(text.splitlines(), 1) if "mull" in found)
    assert f"bad.tlir:{line}:12" in capsys.readouterr().err


def test_an_invalid_program_has_line_and_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(DOUBLE).read_text().replace("color 1: from", "color 9: from")
    (tmp_path / "bad.tlir").write_text(text)
    assert tulle(tmp_path / "bad.tlir") == 3
    error = capsys.readouterr().err
    assert error.startswith("error: the program is not valid")
    assert "bad.tlir:8:5: error: no route hands color 1 over" in error


def test_a_bug_is_called_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def explode(_: Path) -> None:
        raise KeyError("boom")

    monkeypatch.setattr("tulle.cli.run_command.open_source", explode)
    monkeypatch.delenv("TULLE_DEBUG", raising=False)
    assert tulle(DOUBLE) == 1
    error = capsys.readouterr().err
    assert "internal error (a bug): KeyError: 'boom'" in error
    assert "Traceback" not in error
    monkeypatch.setenv("TULLE_DEBUG", "1")
    assert tulle(DOUBLE) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interruption(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tulle.cli.run_command.open_source", interrupt)
    assert tulle(DOUBLE) == 130
    assert capsys.readouterr().err == "interrupted\n"
