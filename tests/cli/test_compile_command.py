"""`tulle compile` on a small MatMul: artifacts, reports, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tulle.__main__ import main
from tulle_ir.progress import listening

SMALL = ("--target", "generic", "--mesh", "12x12", "--dtype", "f32", "--chunk", "4")


def save_matmul(path: Path, seed: int = 0) -> Path:
    """`y = x @ w` with w [5, 7], a third of it zero."""
    rng = np.random.default_rng(seed)
    w = (rng.standard_normal((5, 7)) * (rng.random((5, 7)) < 0.67)).astype(np.float32)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["tokens", 5])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["tokens", 7])
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    graph = helper.make_graph([node], "matmul", [x], [y], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_matmul(tmp_path / "matmul.onnx")


def compile_(*arguments: str | Path) -> int:
    return main(["compile", *map(str, arguments)])


def test_an_artifact_and_a_report(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "m.tulle", tmp_path / "m.json"
    assert compile_(model, "-o", out, *SMALL, "--report", report, "--json", "--time-passes") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads(report.read_text())
    assert [line.split()[0] for line in captured.err.splitlines()][:3] == ["pass", "import", "plan"]
    assert captured.err.endswith(f"wrote {out}\nwrote {report}\n")
    found = json.loads(captured.out)
    assert (found["status"], found["target"], found["mesh"]) == ("compiled", "generic", [12, 12])
    assert "cycles" not in found
    assert found["predicted_cycles"] > 0


@pytest.mark.parametrize("pruning", [(), ("--prune", "magnitude:0.5")])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_the_artifact_runs_and_agrees_with_onnxruntime(
    pruning: tuple[str, ...], dtype: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.tulle"
    assert compile_(model, "-o", out, *SMALL, "--dtype", dtype, *pruning) == 0
    capsys.readouterr()
    assert main(["run", str(out), "--verify", str(model), "--json", "--engine", "reference"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verified"]["holds"]
    assert found["cycles"] >= found["bound_cycles"] >= found["ideal_cycles"]
    assert {kernel["origin"] for kernel in found["kernels"]} >= {"product"}


def test_another_model_is_not_verified(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, other = tmp_path / "m.tulle", save_matmul(tmp_path / "other.onnx", seed=1)
    assert compile_(model, "-o", out, *SMALL) == 0
    capsys.readouterr()
    assert main(["run", str(out), "--verify", str(other)]) == 3
    assert f"this is not the model that was compiled: its SHA-256 is another one\n  where: {other}" in (
        capsys.readouterr().err
    )


def test_a_mismatch_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.tulle"
    assert compile_(model, "-o", out, *SMALL) == 0
    monkeypatch.setattr("tulle.cli.oracle.run_onnxruntime", lambda _, feed: np.zeros((len(feed), 7), np.float32))
    assert main(["run", str(out), "--verify", str(model), "--engine", "reference"]) == 5
    error = capsys.readouterr().err
    assert "output 'y' DIFFERS from onnxruntime" in error
    assert "no kernel differs when the model is compiled up to it alone" in error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("missing.onnx",), 3, "there is no such file\n  where: missing.onnx"),
        ((__file__,), 3, "not an ONNX model"),
        (("m.onnx", "--prune", "half:0.5"), 2, "not magnitude:S, random:S or mask:FILE"),
        (("m.onnx", "--level", "final"), 2, "invalid choice: 'final'"),
        (("m.onnx", "--context", "0"), 2, "0 is not above zero"),
        (("m.onnx", "--replicas", "0"), 2, "0 is not above zero"),
    ],
)
def test_bad_requests(arguments: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_(*arguments) == code
    assert message in capsys.readouterr().err


def test_a_mesh_that_the_machine_does_not_have(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_(model, "--mesh", "2000x3") == 4
    assert "2000 x 3 PEs was asked for, wse2 has 750 x 994" in capsys.readouterr().err


def test_replicas_run_verified(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m.tulle"
    assert compile_(model, "-o", out, *SMALL, "--replicas", "2", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["replicas"], told["mesh"]) == (2, [12, 12])
    assert main(["run", str(out), "--verify", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verified"]["holds"]
    assert (found["replicas"], found["tokens"]) == (2, 20)
    assert found["tokens_per_second"] > 0


def test_more_replicas_than_the_mesh_can_hold(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_(model, *SMALL, "--replicas", "8", "-o", tmp_path / "m.tulle") == 4
    told = capsys.readouterr().err
    assert "each of 8 replicas has 12 x 1 of the 12 x 12 PEs" in told
    assert "to change: fewer --replicas" in told
    assert compile_(model, *SMALL, "--replicas", "13") == 4
    assert "a mesh of 12 x 12 PEs of generic has 12 rows" in capsys.readouterr().err
    assert not (tmp_path / "m.tulle").exists()


def test_nothing_is_written_when_compiling_fails(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.tulle"
    assert compile_(model, "-o", out, "--mesh", "2000x3") == 4
    assert not out.exists()


def test_stopping_early_writes_the_text_of_that_stage(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.plan.tlir"
    assert compile_(model, "-o", out, *SMALL, "--level", "plan") == 0
    assert out.read_text().startswith("plan ")


def test_a_pass_can_be_watched(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_(model, "-o", tmp_path / "m.tlir", *SMALL, "--level", "graph", "--print-ir-after", "import") == 0
    assert capsys.readouterr().out.startswith("graph ")


@pytest.mark.parametrize("phase", ["route", "emit", "verify", "write"])
def test_an_interrupt_leaves_what_was_there(
    phase: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "m.tulle").write_text("the one before")

    def press(told: str, *_: object) -> None:
        if told == phase:
            raise KeyboardInterrupt

    with listening(press):
        assert compile_(model, "-o", folder / "m.tulle", *SMALL) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert [path.name for path in folder.iterdir()] == ["m.tulle"]
    assert (folder / "m.tulle").read_text() == "the one before"
