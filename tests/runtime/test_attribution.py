"""Where a kernel's cycles went: hand-written programs with one known reason each, and every kernel of a real model."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_model
from tulle_ir.report import Attribution, Kernel, Report
from tulle_ir.text import parse_program
from tulle_runtime.session import Session

MODEL = Path(__file__).parents[2] / "examples" / "gpt2_topics" / "gpt2_topics_sparse.onnx"
LAUNCH, DISPATCH = 18, 10  # of the target "generic"

PAIR = """
program "pair" target "generic" mesh 4x1 {
  symbol "pair" at [0, 0, 2, 1]
  route "over" { color 0: from ramp at (0, 0), east to 1, end ramp }
  route "away" { color 1: from ramp at (1, 0), east to 2, end ramp }
  class "left" at [0, 0, 1, 1] sram 256 {
    register k, j
    buffer x : f32[16] at 0
    output %over : f32 color 0 queue 0
    task go on start { LEFT }
  }
  class "right" at [1, 0, 1, 1] sram 256 {
    register k, j
    buffer x : f32[16] at 0
    input %over : f32 color 0 queue 0
    output %away : f32 color 1 queue 0
    task go on start { RIGHT }
  }
  class "outside" at [2, 0, 1, 1] sram 256 {
    register k, j
    buffer x : f32[64] at 0
    input %away : f32 color 1 queue 0
    task go on start { OUTSIDE }
  }
}"""


def kernels_of(text: str, feeds: dict[str, np.ndarray] | None = None) -> dict[str, Kernel]:
    session = Session(parse_program(text))
    session.run(None, feeds or {})
    assert session.report is not None
    return {kernel.name: kernel for kernel in session.report.kernels}


def pair(left: str, right: str, outside: str = "k = 1") -> Kernel:
    text = PAIR.replace("LEFT", left).replace("RIGHT", right).replace("OUTSIDE", outside)
    return kernels_of(text)["pair"]


def where(kernel: Kernel) -> Attribution:
    """The attribution, which adds up to the kernel's cycles."""
    assert kernel.attribution is not None
    assert sum(astuple(kernel.attribution)) == kernel.cycles
    return kernel.attribution


def test_vectors_of_the_straggler_beyond_the_mean() -> None:
    """The right PE copies five times 16 elements, the left one once: the mean is three, the excess two."""
    kernel = pair("mov x, 1.0 over 16", "mov x, 1.0 over 16 " * 5)
    one = where(pair("mov x, 1.0 over 16", "mov x, 1.0 over 16")).ideal - DISPATCH
    went = where(kernel)
    assert went.vectors == 2 * one
    assert (went.ideal, went.fill, went.remainder) == (DISPATCH + 3 * one, LAUNCH, 0)
    assert (went.skew, went.receiving, went.reducing, went.distance, went.waiting_for_input) == (0, 0, 0, 0, 0)
    assert kernel.straggler is not None
    assert (kernel.straggler.pe, kernel.straggler.code) == ((1, 0), "right")
    assert kernel.straggler.slots == DISPATCH + 5 * one


def test_waiting_for_another_pe_of_the_kernel_is_distance() -> None:
    """What the left PE sends in its first slot is visible to the right one six cycles later."""
    kernel = pair("push %over = 1", "pop k = %over j = 1 j = 2")
    went = where(kernel)
    assert (went.distance, went.waiting_for_input, went.blocked_by_output) == (6, 0, 0)
    assert kernel.own_cycles == DISPATCH + 3 + 6


def test_a_full_queue_is_blocking() -> None:
    """21 wavelets are one more than there is room for; the taker starts 100 slots later."""
    kernel = pair("j = 1", "mov %away, x over 21", "loop k < 100 { j = k } mov x, %away over 21")
    went = where(kernel)
    assert went.blocked_by_output == 1 + 100 + 3 - 20
    assert (went.distance, went.waiting_for_input, went.link_contention) == (0, 0, 0)


SHARED = """
program "shared" target "generic" mesh 3x1 {
  symbol "sink" at [1, 0, 1, 1]
  input "a" : raw f32[40] { port (0, 0) west color 0 }
  input "b" : raw f32[WIDTH] { port (0, 0) north color 1 }
  output "c" : raw f32[WIDTH] { port (2, 0) east color 1 }
  route "a" { color 0: from west at (0, 0), east to 1, end ramp }
  route "b" { color 1: from north at (0, 0), east to 2, end east }
  class "sink" at [1, 0, 1, 1] sram 256 {
    buffer x : f32[64] at 0
    input %a : f32 color 0 queue 0
    task go on %a { mov x, %a over 40 }
  }
}"""


def shared_with(others: int) -> Attribution:
    """40 wavelets for the sink, and `others` of another color that share a link with them."""
    feeds = {"a": np.ones(40, np.float32), "b": np.ones(others, np.float32)}
    return where(kernels_of(SHARED.replace("WIDTH", str(others)), feeds)["sink"])


def test_links_lost_to_another_color_are_contention() -> None:
    """Alone a wavelet comes every cycle; in turns with the other color the sink waits, and for nothing else."""
    alone, shared = shared_with(1), shared_with(40)
    assert (alone.link_contention, alone.waiting_for_input) == (0, 0)
    assert shared.waiting_for_input == 0
    assert shared.link_contention == sum(astuple(shared)) - sum(astuple(alone)) > 20


def test_waiting_for_a_pe_outside_is_waiting_for_input() -> None:
    """The sender counts to 100 first; its wavelet takes six cycles."""
    text = PAIR.replace("[0, 0, 2, 1]", "[1, 0, 1, 1]").replace("LEFT", "loop k < 100 { j = k } push %over = 1")
    kernel = kernels_of(text.replace("RIGHT", "pop k = %over").replace("OUTSIDE", "k = 1"))["pair"]
    went = where(kernel)
    assert (went.waiting_for_input, went.distance) == (101 + 6, 0)
    assert kernel.own_cycles == DISPATCH + 1


def test_a_run_that_failed_has_no_attribution() -> None:
    text = PAIR.replace("LEFT", "k = 1").replace("RIGHT", "pop k = %over").replace("OUTSIDE", "k = 1")
    session = Session(parse_program(text))
    with pytest.raises(Exception, match="deadlock"):
        session.run(None, {})
    assert session.report is not None
    (kernel,) = session.report.kernels
    assert (kernel.attribution, kernel.straggler, kernel.own_cycles, session.report.limit) == (None, None, None, None)
    assert "attribution" not in session.report.to_json()["kernels"][0]


@pytest.fixture(scope="module")
def session() -> Session:
    compiled = compile_model(MODEL, CompileOptions(mesh=(64, 64), replicas=1, chunk=4))
    session = Session(compiled.artifact, verified=True)
    session.run(None, {"input_ids": np.arange(32)[None] % 60})
    return session


@pytest.fixture(scope="module")
def report(session: Session) -> Report:
    assert session.report is not None
    return session.report


def test_every_kernel_of_a_gpt_is_accounted_for(report: Report) -> None:
    """All terms add up, and what is left over is below 5 % of the cycles between fill and drain."""
    for kernel in report.kernels:
        went = where(kernel)
        active = kernel.cycles - went.fill - went.drain
        assert abs(went.remainder) < 0.05 * active, kernel.name
        assert min(went.ideal, went.distance, went.link_contention, went.waiting_for_input, went.fill, went.drain) >= 0


def test_a_linear_kernel_takes_per_chunk_what_was_predicted(report: Report) -> None:
    chunks = report.tokens / report.chunk
    for kernel in report.kernels:
        per = kernel.per_chunk
        assert per is not None
        assert per.predicted is not None
        assert per.simulated is not None
        assert per.ideal <= per.bound <= per.simulated
        assert per.bound == pytest.approx(kernel.bound_cycles / chunks, abs=0.1)
        if kernel.nonzeros:
            assert per.bound == pytest.approx(per.predicted, rel=0.05), kernel.name


def test_the_limit_is_what_takes_most_by_itself(report: Report) -> None:
    assert report.limit is not None
    assert report.limit.cycles >= max(kernel.own_cycles or 0 for kernel in report.kernels)
    assert report.limit.cycles <= (report.cycles or 0)
    assert report.prediction_error == pytest.approx((report.predicted_cycles or 0) / (report.cycles or 1) - 1, abs=1e-3)
