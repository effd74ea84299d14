"""`tulle inspect` on hand-written programs and on machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tulle.__main__ import main

PROGRAMS = Path(__file__).parents[1] / "programs"
DOUBLE = str(PROGRAMS / "double.tlir")
AXPY = str(PROGRAMS / "axpy.tlir")
ECHOES = str(PROGRAMS / "echoes.tlir")


def inspect(*arguments: str) -> int:
    return main(["inspect", *arguments])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_summary_has_memory_and_a_map(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(DOUBLE) == 0
    shown = lines(capsys)
    assert "  mesh     3 x 1 PEs of generic, 1 used" in shown
    assert "  code             8  100.0%" in shown
    assert shown[shown.index("mesh 3 x 1") + 1] == "  A.."
    assert "  A  scale   [0, 0, 1, 1]    1" in shown


def test_one_pe_shows_queues_registers_code_and_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(AXPY, "--pe", "1,0") == 0
    shown = lines(capsys)
    assert shown[0] == "PE (1, 0): class tile (2 x 1 PEs, this is number 1); tiles (from /MatMul)"
    assert "  %x    in   0          6  0      f32" in shown
    assert "  n         8  n" in shown
    assert "  [1]  0= 7  3: -2.5" in shown
    assert any("axpy y(1), w[k], x over 1" in line for line in shown)


def test_one_pe_as_json_has_every_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(AXPY, "--pe", "1,0", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tables"]["w"] == [[], [[0, 7.0, True], [3, -2.5, False]]]
    assert found["registers"] == {"n": 8, "k": 0}


def test_one_net_shows_text_and_map(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(DOUBLE, "--net", "y") == 0
    shown = lines(capsys)
    assert shown[0] == "net y: 1 path on color 1 through 3 routers"
    assert "  s+h" in shown


def test_replicas_are_told_of_and_mapped(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(ECHOES) == 0
    shown = lines(capsys)
    assert "  mesh      1 x 5 PEs of generic, 3 used" in shown
    assert "  replicas  3, one every (0, 2) PEs; classes, nets and kernels are those of one" in shown
    map_ = shown.index("mesh 1 x 5")
    assert shown[map_ + 1 : map_ + 6] == ["  A", "  .", "  A", "  .", "  A"]
    assert inspect(ECHOES, "--json") == 0
    assert json.loads(capsys.readouterr().out)["replicas"] == {"count": 3, "step": [0, 2]}


def test_a_pe_and_a_net_of_a_replica_are_called_by_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(ECHOES, "--pe", "0,4") == 0
    assert lines(capsys)[0] == "PE (0, 4): class pe@2 (1 x 1 PEs, this is number 0); echo@2 (from /Identity)"
    assert inspect(ECHOES, "--net", "ids@1") == 0
    assert lines(capsys)[3] == "  color 0: from west at (0, 2), end ramp"


def test_the_text_of_a_stage_is_canonical(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(DOUBLE, "--level", "program") == 0
    assert capsys.readouterr().out == Path(DOUBLE).read_text().split("\n", 1)[1]  # all but its comment


def test_a_machine_shows_value_status_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("--target", "wse2") == 0
    assert any(line.split()[:4] == ["clock", "gigahertz", "0.85", "published"] for line in lines(capsys))
    assert inspect("--target", "wse2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["memory"]["sram_bytes"]["value"] == 49152


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([DOUBLE, "--pe", "7,0"], 2, "PE (7, 0) is not on the mesh\n  to change: x below 3, y below 1"),
        ([DOUBLE, "--pe", "1,0"], 2, "PE (1, 0) has no code"),
        ([DOUBLE, "--net", "z"], 2, "there is no net 'z'\n  to change: the nets are x, y"),
        ([DOUBLE, "--level", "plan"], 3, "the file holds no stage 'plan'\n  to change: it holds program"),
        (["--target", "cray"], 3, "there is no target 'cray'"),
        ([DOUBLE, "--pe", "a"], 2, "'a' is not a column and a row such as 3,4"),
        ([DOUBLE, "--pe", "0,0", "--net", "x"], 2, "--pe and --net exclude each other"),
        ([], 2, "there is nothing to inspect"),
    ],
)
def test_bad_requests(arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(*arguments) == code
    assert message in capsys.readouterr().err


def test_a_truncated_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.tulle").write_bytes(b"PK\x03\x04" + bytes(40))
    assert inspect(str(tmp_path / "cut.tulle")) == 3
    assert "cut.tulle" in capsys.readouterr().err
