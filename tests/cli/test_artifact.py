"""`tulle run` and `inspect` on an artifact: manifest, tokenizer, truncation, tampering, the wrong model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import tulle
from tulle.__main__ import main
from tulle.cli.verify import compare, tolerance, verify
from tulle_ir.artifact import Artifact, manifest_of, read_program_text, write_artifact
from tulle_ir.diagnostics import Mismatch
from tulle_runtime.session import Session

PROGRAMS = Path(__file__).parents[1] / "programs"
IO = {
    "inputs": [{"name": "tokens", "dtype": "int64", "shape": ["tokens"], "stream": "input_ids"}],
    "outputs": [{"name": "scores", "dtype": "float64", "shape": ["tokens", 3], "stream": "logits"}],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The program `onehot` as an artifact of a model that is not there, with a tokenizer of three characters."""
    manifest = manifest_of(
        tool="0",
        target="generic",
        options={"chunk": 4, "prune": None},
        pruning=None,
        seed=0,
        model_sha256="00",
        io=IO,
        tokenizer={"kind": "characters", "characters": "abc"},
        report={"dtype": "f32", "prediction": {"latency_cycles": 100, "interval_cycles": 50}},
    )
    program = read_program_text(PROGRAMS / "onehot.tlir")
    write_artifact(tmp_path / "onehot.tulle", Artifact(manifest, {"plan": "the plan\n"}, program))
    return tmp_path / "onehot.tulle"


def run(path: Path, *arguments: str) -> int:
    return main(["run", str(path), "--engine", "reference", *arguments])


def test_names_types_and_ranks_are_those_of_the_model(path: Path) -> None:
    session = Session(tulle.load(path), engine="reference")
    (scores,) = session.run(["scores"], {"tokens": np.array([0, 2, 1, 1, 0], np.int32)})
    assert scores.dtype == np.float64
    assert scores.tolist() == np.eye(3)[[0, 2, 1, 1, 0]].tolist()
    assert session.report is not None
    assert (session.report.dtype, session.report.predicted_cycles) == ("f32", 112)


def test_a_prompt_is_continued(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--prompt", "abca") == 0
    assert "  continued  'abcaa'" in capsys.readouterr().out.splitlines()
    assert run(path, "--prompt", "cab", "--json") == 0
    prediction = json.loads(capsys.readouterr().out)["prediction"]
    assert prediction == {"prompt": "cab", "predicted": "cab", "next": "b", "next_token": 1}


def test_a_prompt_with_an_unknown_character(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--prompt", "abx") == 3
    assert "no character 'x'\n  where: --prompt at 2\n  to change: its characters are 'abc'" in capsys.readouterr().err


def test_stages_kept_are_printed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(path), "--level", "plan"]) == 0
    assert capsys.readouterr().out == "the plan\n"
    assert main(["inspect", str(path), "--level", "routed"]) == 3
    assert "it holds plan, program" in capsys.readouterr().err


def test_a_truncated_artifact(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    assert run(path, "--tokens", "1") == 3
    assert str(path) in capsys.readouterr().err


def test_an_artifact_that_was_tampered_with(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = path.read_bytes()
    assert data.count(b"register feature") == 1
    path.write_bytes(data.replace(b"register feature", b"register featurf"))
    assert run(path, "--tokens", "1") == 3
    assert "was changed" in capsys.readouterr().err


def test_the_wrong_model(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "--tokens", "1", "--verify", str(tmp_path / "missing.onnx")) == 3
    assert "there is no such file" in capsys.readouterr().err


def test_comparison_of_f32() -> None:
    wanted = np.array([[1.0, 2.0], [4.0, 3.0]], np.float32)
    assert compare("y", wanted + 1e-4, wanted, tolerance(wanted, None)).holds
    worse = compare("y", wanted + 1e-3, wanted, tolerance(wanted, None))
    assert not worse.holds
    assert "DIFFERS" in str(worse)


def test_comparison_of_f16_allows_twice_the_error_of_rounding() -> None:
    wanted, rounded = np.array([[1.0, 2.0]]), np.array([[1.1, 2.0]])
    allowed = tolerance(wanted, rounded)
    assert compare("y", wanted + 0.19, wanted, allowed).holds
    assert not compare("y", wanted + 0.21, wanted, allowed).holds


def test_the_last_logits_alone_are_allowed_what_all_logits_are() -> None:
    wanted, rounded = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.1, 2.0], [3.0, 5.001]])
    oracle = SimpleNamespace(exact=lambda _: wanted, rounded=lambda _: rounded, blame=lambda *_: "", path="model.onnx")
    last = verify(cast(Any, oracle), {"ids": np.arange(2)}, {"logits": wanted[-1:] + 0.19}, "fast")
    assert (last.rows, last.allowed) == (1, pytest.approx(0.2))
    with pytest.raises(Mismatch, match="DIFFERS"):
        verify(cast(Any, oracle), {"ids": np.arange(2)}, {"logits": wanted[-1:] + 0.21}, "fast")


def test_another_top_1_counts_where_the_margin_is_wide() -> None:
    wanted, rounded = np.array([[0.0, 1.0], [0.0, 0.1]]), np.array([[0.3, 1.0], [0.0, 0.1]])
    allowed = tolerance(wanted, rounded)
    assert compare("y", np.array([[0.0, 1.0], [0.2, 0.1]]), wanted, allowed).other_top == 0
    found = compare("y", np.array([[0.55, 0.45], [0.0, 0.1]]), wanted, allowed)
    assert (found.error <= found.allowed, found.other_top, found.holds) == (True, 1, False)


def test_nans_and_shapes_never_agree() -> None:
    nan = np.array([[np.nan, 1.0]])
    assert not compare("y", nan, np.ones((1, 2)), 1.0).holds
    assert not compare("y", np.ones((1, 2)), np.ones((1, 2)), tolerance(np.ones((1, 2)), nan)).holds
    with pytest.raises(Mismatch, match="shape"):
        compare("y", nan, np.ones((2, 2)), 1.0)
