"""Blocked and waiting cycles of a compute engine."""

from __future__ import annotations

from tiny import DISPATCH, FIRST, Run

from tulle_ir.program import Program
from tulle_ir.text import parse_program

TEXT = """
program "pair" target "generic" mesh 2x1 {
  route "link" { color 0: from ramp at (0, 0), east to 1, end ramp }
  class "left" at [0, 0, 1, 1] sram 256 {
    register k, j
    buffer a : i32[32] at 0
    output %out : i32 color 0 queue 0
    task go on start { LEFT }
  }
  class "right" at [1, 0, 1, 1] sram 256 {
    register k, j
    buffer a : i32[32] at 0
    input %in : i32 color 0 queue 0
    task go on start { RIGHT }
  }
}"""


def pair(left: str, right: str) -> Program:
    """Two PEs, the left one sends to the right one."""
    return parse_program(TEXT.replace("LEFT", left).replace("RIGHT", right))


def test_a_receiver_waits_from_its_fetch_until_the_wavelet_is_visible(run: Run) -> None:
    """The push in FIRST is visible in FIRST + 6; the pop that stands there since FIRST waits six cycles."""
    result = run(pair("push %out = 1", "pop k = %in"))
    assert result.counts.waiting.tolist() == [[0, 6]]
    assert result.counts.slots.tolist() == [[DISPATCH + 1, DISPATCH + 1]]
    assert (result.cycles, result.counts.last_slot.tolist()) == (FIRST + 7, [[FIRST, FIRST + 6]])


def test_await_waits_too(run: Run) -> None:
    """Launch in FIRST; the wavelet is visible in FIRST + 6, and there the thread steps: five cycles between."""
    result = run(pair("push %out = 1", "async t0 mov a, %in over 1 await t0 j = 1"))
    assert result.counts.waiting.tolist() == [[0, 5]]


def test_a_sender_is_blocked_when_its_queue_is_full(run: Run) -> None:
    """20 pushes; the right PE starts to pop 100 slots later. Between them there is room for 8 + 4 + 8 wavelets; the
    21st waits until a pop has made room in the down-ramp, the link and the up-ramp, one after the other."""
    stall = "loop k < 100 { j = k }"
    room = run(pair("mov %out, a over 20", f"{stall} mov a, %in over 20"))
    assert room.counts.blocked.tolist() == [[0, 0]]
    full = run(pair("mov %out, a over 21", f"{stall} mov a, %in over 21"))
    pop = FIRST + 1 + 100
    freed = pop + 3
    assert full.counts.blocked.tolist() == [[freed - (FIRST + 20), 0]]
    assert full.counts.waiting.tolist() == [[0, 0]]
    assert full.status == "ok"


def test_cycles_before_the_launch_count_as_nothing(run: Run) -> None:
    result = run(pair("j = 1", "j = 1"))
    assert (result.counts.blocked.sum(), result.counts.waiting.sum()) == (0, 0)


def test_at_the_limit_the_waiting_so_far_is_counted(run: Run) -> None:
    endless = pair("while j == 0 { k = 1 }", "pop k = %in")
    assert run(endless, max_cycles=FIRST + 50).counts.waiting.tolist() == [[0, 50]]
    deadlock = pair("loop k < 9 { j = 1 }", "pop k = %in")
    assert run(deadlock).counts.waiting.tolist() == [[0, 10]]
