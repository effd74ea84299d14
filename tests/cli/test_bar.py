"""The progress bar: what it says, when it stays silent."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO

from tulle.cli.bar import CLEAR, Bar, line
from tulle_ir.progress import counted, listening, steps


@dataclass
class Clock:
    """A clock that a test turns."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_phase_share_rate_and_time_left() -> None:
    assert (
        line("emit", 60, 240, "kernels", 5.0) == "emit    [======>                 ] 60 of 240 kernels, 12/s, 0:15 left"
    )


def test_a_phase_that_has_just_begun_has_no_rate_yet() -> None:
    assert line("route", 0, 9, "nets", 0.0) == "route   [>                       ] 0 of 9 nets"


def test_short_work_shows_no_bar() -> None:
    clock, stream = Clock(), StringIO()
    bar = Bar(stream, clock)
    clock.now = 0.9
    bar("emit", 1, 2, "kernels")
    assert stream.getvalue() == ""


def test_a_bar_is_drawn_in_place_and_not_for_every_step() -> None:
    clock, stream = Clock(), StringIO()
    bar = Bar(stream, clock)
    for step in range(41):
        clock.now = step / 20
        bar("emit", step, 40, "kernels")
    drawn = stream.getvalue().split(CLEAR)[1:]
    assert 9 <= len(drawn) <= 11
    assert drawn[-1].endswith("20/s, 0:00 left")


def test_steps_tell_how_far_they_are_and_give_every_item() -> None:
    told: list[tuple[str, int, int, str]] = []
    with listening(lambda *step: told.append(step)):
        assert list(steps("emit", "ab", "kernels")) == ["a", "b"]
    assert told == [("emit", done, 2, "kernels") for done in (0, 1, 2)]


def test_bytes_are_told_in_megabytes() -> None:
    told: list[tuple[str, int, int, str]] = []
    with listening(lambda *step: told.append(step)):
        list(counted("write", [bytes(1 << 20)] * 3, 3 << 20))
    assert told == [("write", done, 3, "MB") for done in (0, 1, 2)]


def test_nobody_needs_to_listen() -> None:
    assert list(steps("emit", "ab", "kernels")) == ["a", "b"]


def test_work_of_unknown_or_underestimated_length_has_no_time_left() -> None:
    assert line("run", 500, 0, "cycles", 2.0) == "run     500 cycles, 250/s"
    assert line("run", 500, 400, "cycles", 2.0) == "run     [========================] 500 of 400 cycles"
