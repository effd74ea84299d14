"""Reports from results made by hand: bounds, utilization, kernels, times."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tulle_ir.artifact import read_program_text
from tulle_ir.program import Program
from tulle_ir.routes import expand_routes
from tulle_ir.target import load_target
from tulle_runtime.arrival import first_token_cycles
from tulle_runtime.host.chunking import Chunking
from tulle_runtime.host.dealing import deal
from tulle_runtime.metrics import Run, predicted_cycles, run_report
from tulle_runtime.result import Arrivals, PeCounts, RunResult

PROGRAMS = Path(__file__).parents[1] / "programs"


@pytest.fixture
def double() -> Program:
    return read_program_text(PROGRAMS / "double.tlir")


def result_of(program: Program, *, slots: int, cycles: int, wavelets: int, status: str = "ok") -> RunResult:
    """A run whose PE (0, 0) used `slots` slots; one output port with `wavelets` arrivals, one per cycle from 10."""
    width, height = program.mesh
    zero = np.zeros((height, width), np.int64)
    used = zero.copy()
    used[0, 0] = slots
    given = {
        "slots": used,
        "waited": np.stack([used] + 8 * [zero]),
        "sent": used,
        "last_slot": np.where(used > 0, cycles - 2, -1),
    }
    counts = PeCounts(**{field.name: given.get(field.name, zero) for field in fields(PeCounts)})
    arrivals = Arrivals(np.zeros(wavelets, np.uint32), 10 + np.arange(wavelets))
    return RunResult(
        status,
        cycles,
        [[arrivals]],
        counts,
        hops=8,
        crossings=16,
        contended=np.zeros(len(expand_routes(program)[0].router), np.int64),
    )


def run_of(program: Program, result: RunResult, chunking: Chunking | None = None) -> Run:
    inputs = [[np.zeros(4, np.uint32)]]
    entries, _ = expand_routes(program)
    return Run(result, program, program, entries, load_target(program.target), deal(chunking, program), inputs, {}, 0.5)


def test_report_of_a_run(double: Program) -> None:
    report = run_report(run_of(double, result_of(double, slots=20, cycles=40, wavelets=4)))
    assert (report.cycles, report.time_us, report.first_token_cycles) == (40, 0.04, 13)
    assert (report.bound_cycles, report.ideal_cycles) == (20, 20)
    assert (report.utilization.pes_used, report.utilization.datapath) == (1, 0.5)
    (kernel,) = report.kernels
    assert (kernel.name, kernel.origin, kernel.cycles) == ("scale", "/scale/Mul", 39)
    assert (kernel.busy, kernel.waiting, kernel.blocked) == (0.5, 0.5, 0.0)
    assert report.wall is not None
    assert report.wall.crossings_per_second == 32


def test_host_links_bound_a_run_that_computes_little(double: Program) -> None:
    report = run_report(run_of(double, result_of(double, slots=1, cycles=40, wavelets=4)))
    assert (report.bound_cycles, report.ideal_cycles) == (4, 4)


def test_a_run_that_did_nothing_has_a_report(double: Program) -> None:
    report = run_report(run_of(double, result_of(double, slots=0, cycles=0, wavelets=0, status="deadlock")))
    assert (report.status, report.first_token_cycles) == ("deadlock", 0)
    assert report.utilization.imbalance == 1.0


def test_the_first_token_is_there_when_its_chunk_is() -> None:
    program = read_program_text(PROGRAMS / "echo.tlir")
    result = result_of(program, slots=1, cycles=40, wavelets=9)
    assert first_token_cycles(program, result, Chunking(1, 7, 4)) == 10 + 4  # a header and four ids


def test_prediction_is_a_latency_and_an_interval_per_further_chunk_by_its_tokens() -> None:
    facts = {"prediction": {"latency_cycles": 1000, "interval_cycles": 10}}
    assert predicted_cycles(facts, Chunking(2, 8, 4)) == 1030
    assert predicted_cycles(facts, Chunking(2, 5, 4)) == 1000 + 2.5 * 10 - 10
    assert predicted_cycles({}, Chunking(1, 1, 1)) is None


def test_sequences_follow_each_other_no_faster_than_their_last_tokens_are_worked_on() -> None:
    facts = {"prediction": {"latency_cycles": 1000, "interval_cycles": 10, "sequence_cycles": 50}}
    assert predicted_cycles(facts, Chunking(1, 8, 4)) == 1010
    assert predicted_cycles(facts, Chunking(3, 8, 4)) == 1010 + 2 * 50
    assert predicted_cycles(facts, Chunking(3, 24, 4)) == 1000 + 17 * 10


def test_copies_that_take_turns_have_fewer_chunks_each() -> None:
    facts = {"prediction": {"latency_cycles": 1000, "interval_cycles": 10, "turns": 3}}
    assert [predicted_cycles(facts, Chunking(1, 4 * chunks, 4)) for chunks in (3, 4, 7)] == [1000, 1010, 1020]
