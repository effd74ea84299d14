"""Sessions on hand-written programs: arrays in, arrays out, reports, failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tulle_ir.artifact import read_program_text
from tulle_ir.diagnostics import BadInput, LimitReached, MachineFault, UsageError
from tulle_ir.progress import listening
from tulle_runtime.session import Session

PROGRAMS = Path(__file__).parents[1] / "programs"
X = np.array([1, -2, 3.5, 0], np.float32)


Open = Callable[..., Session]


@pytest.fixture(params=["reference", "fast"])
def session(request: pytest.FixtureRequest) -> Open:
    """Opens a program of tests/programs on one engine after the other."""

    def open_(name: str, max_cycles: int | None = None) -> Session:
        return Session(read_program_text(PROGRAMS / f"{name}.tlir"), request.param, max_cycles=max_cycles)

    return open_


def test_raw_streams_by_name(session: Open) -> None:
    double = session("double")
    (y,) = double.run(None, {"x": X})
    np.testing.assert_array_equal(y, 2 * X)
    assert y.dtype == np.float32
    assert [str(v) for v in (*double.inputs, *double.outputs)] == ["x: float32[4]", "y: float32[4]"]


def test_the_report_describes_the_last_run(session: Open) -> None:
    double = session("double")
    assert double.report is None
    double.run(["y"], {"x": X})
    assert double.report is not None
    report = double.report.to_json()
    assert report["status"] == "ok"
    assert report["cycles"] >= report["bound_cycles"] >= report["ideal_cycles"] > 0
    assert report["wavelets"]["sent"] == 4
    assert [kernel["name"] for kernel in report["kernels"]] == ["scale"]


def test_axpys_are_counted(session: Open) -> None:
    tiles = session("axpy")
    (y,) = tiles.run(None, {"x": np.array([2, 3], np.float32)})
    assert y.tolist() == [0, 0, 6, 0, 21, 0, 0, -7.5]
    assert tiles.report is not None
    assert tiles.report.axpy is not None
    assert (tiles.report.axpy.executed, tiles.report.axpy.macs) == (3, 3)


@pytest.mark.parametrize(("batch", "tokens"), [(1, 1), (1, 4), (1, 7), (3, 5)])
def test_chunks_of_ids_come_back(session: Open, batch: int, tokens: int) -> None:
    echo = session("echo")
    ids = np.random.default_rng(tokens).integers(0, 10, (batch, tokens))
    (echoed,) = echo.run(None, {"input_ids": ids})
    np.testing.assert_array_equal(echoed, ids)
    assert echoed.dtype == np.int64
    assert echo.report is not None
    assert (echo.report.tokens, echo.report.chunk) == (batch * tokens, 4)


def test_a_deadlock_gives_no_outputs_but_a_report(session: Open) -> None:
    stuck = session("stuck")
    with pytest.raises(MachineFault, match=r"task go +input +0 .* scale"):
        stuck.run(None, {"x": X})
    assert stuck.report is not None
    assert stuck.report.status == "deadlock"


def test_a_deadlock_shows_the_circle_of_waits(session: Open) -> None:
    with pytest.raises(MachineFault) as caught:
        session("circle").run(None, {})
    shown = caught.value.what.splitlines()
    assert shown[shown.index("in a circle:") + 1 :] == [
        "  (0, 0) task go of left (/left) waits for input on color 3, so for (2, 0)",
        "  (2, 0) task go of right waits for input on color 2, so for (0, 0)",
    ]


def test_a_fault_names_place_and_cycle(session: Open) -> None:
    with pytest.raises(MachineFault, match=r"PE \(0, 0\) of scale .*out of bounds in cycle \d+"):
        session("out_of_bounds").run(None, {"x": X})


def test_the_limit_ends_an_endless_run(session: Open) -> None:
    with pytest.raises(LimitReached, match="cycle 200"):
        session("endless", max_cycles=200).run(None, {"x": X})


def test_unknown_outputs_and_engines(session: Open) -> None:
    with pytest.raises(BadInput, match="no output 'z'\n  to change: the outputs are y"):
        session("double").run(["z"], {"x": X})
    with pytest.raises(UsageError, match="no engine 'slow'"):
        Session(read_program_text(PROGRAMS / "double.tlir"), "slow")


def test_a_run_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int, str]] = []
    session = Session(read_program_text(PROGRAMS / "double.tlir"))
    with listening(lambda *step: told.append(step)):
        session.run(None, {"x": X})
    assert session.result is not None
    phase, cycle, expected, unit = told[-1]
    assert (phase, expected, unit) == ("run", 0, "cycles")
    assert 0 < cycle <= session.result.cycles + 1
