"""What slots were used for, which queue was waited for, and links lost to other colors: counted by both engines."""

from __future__ import annotations

import numpy as np
from tiny import DISPATCH, FIRST, Run, tiny

from tulle_ir.routes import expand_routes
from tulle_ir.text import parse_program

SUMS = """
program "sums" target "generic" mesh 2x1 {
  input "a" : raw i32[1] { port (0, 0) west color 0 }
  input "b" : raw i32[1] { port (1, 0) east color 1 }
  output "sum" : raw i32[1] { port (1, 0) south color 2 }
  route "a" { color 0: from west at (0, 0), east to 1, end ramp }
  route "b" { color 1: from east at (1, 0), end ramp }
  route "sum" { color 2: from ramp at (1, 0), end south }
  class "clock" at [0, 0, 1, 1] sram 256 { register j task go on start { while j == 0 { j = 0 } } }
  class "adder" at [1, 0, 1, 1] sram 256 {
    register k, j
    buffer x : f32[32] at 0
    input %a : f32 color 0 queue 0
    input %b : f32 color 1 queue 5
    output %sum : f32 color 2 queue 0
    task go on start { CODE }
  }
}"""


def test_slots_are_divided_by_what_they_were_used_for(run: Run) -> None:
    """16 elements copied two at a time with an issue slot, two scalars, three wavelets in, one added on the way out."""
    code = "mov x, 1.0 over 16 k = 1 j = k + 1 mov x, %in over 3 add %out, x, %in over 1"
    result = run(tiny(code, {"x": (0, np.zeros(16, np.float32))}, declare="register k, j"), [1, 2, 3, 4])
    counts = result.counts
    assert (counts.received.item(), counts.sent.item(), counts.passed.item()) == (4, 1, 1)
    vector = counts.vector_slots.item()
    assert vector > 8
    assert counts.slots.item() == DISPATCH + vector + 2 + 4
    assert (counts.first_slot.item(), counts.last_slot.item()) == (FIRST - DISPATCH, result.cycles - 1 - 3)


def test_pop_receives_and_push_sends(run: Run) -> None:
    result = run(tiny("pop k = %in push %out = k", declare="register k"), [7])
    assert [getattr(result.counts, name).item() for name in ("received", "sent", "passed")] == [1, 1, 0]


def test_waiting_is_counted_by_the_queue_of_the_main_instruction(run: Run) -> None:
    """While the PE beside it keeps the run going: nothing comes on b, where the main thread stands; a microthread lacks
    input of a as well."""
    code = "async t0 mov x, %a over 9 pop k = %b"
    result = run(parse_program(SUMS.replace("CODE", code)), [1], [], max_cycles=FIRST + 50)
    assert result.counts.waited[:, 0, 1].tolist() == [0, 0, 0, 0, 0, 48, 0, 0, 0]


def test_waiting_at_a_microthread_is_waiting_for_its_queue(run: Run) -> None:
    code = "async t0 mov x, %b over 9 async t1 mov x, %a over 9 await t1"
    result = run(parse_program(SUMS.replace("CODE", code)), [], [], max_cycles=FIRST + 50)
    assert result.counts.waited[:, 0, 1].tolist() == [48, 0, 0, 0, 0, 0, 0, 0, 0]


def test_waiting_without_a_task_is_waiting_for_the_lowest_microthread_that_starts_one(run: Run) -> None:
    code = "async t0 mov x, %a over 9 async t1 mov x, %b over 9 then go"
    result = run(parse_program(SUMS.replace("CODE", code)), [], [], max_cycles=FIRST + 50)
    assert result.counts.waited[:, 0, 1].tolist() == [0, 0, 0, 0, 0, 48, 0, 0, 0]


def test_waiting_with_microthreads_in_the_background_is_waiting_for_the_next_task(run: Run) -> None:
    code = "async t0 mov x, %a over 9 async t1 mov x, %b over 9"
    result = run(parse_program(SUMS.replace("CODE", code)), [], [], max_cycles=FIRST + 50)
    assert result.counts.waited[:, 0, 1].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 48]


SHARED = """
program "shared" target "generic" mesh 2x2 {
  input "a" : raw i32[1] { port (0, 0) west color 0 }
  input "b" : raw i32[1] { port (0, 0) north color 1 }
  output "a2" : raw i32[1] { port (1, 0) east color 0 }
  output "b2" : raw i32[1] { port (1, 1) south color 1 }
  route "a" { color 0: from west at (0, 0), east to 1, end east }
  route "b" { color 1: from north at (0, 0), east to 1, south to 1, end south }
}"""


def test_a_link_shared_by_two_colors_is_lost_every_other_cycle(run: Run) -> None:
    """Ten wavelets each come in over links of their own and leave (0, 0) over one: in every cycle from 1 to 19, while
    both have a head, one of them loses."""
    program = parse_program(SHARED)
    result = run(program, range(10), range(10))
    entries = expand_routes(program)[0]
    at = [(int(r), int(c)) for r, c in zip(entries.router, entries.color, strict=True)]
    lost = dict(zip(at, result.contended.tolist(), strict=True))
    assert lost[0, 0] + lost[0, 1] == 19
    assert {key for key, cycles in lost.items() if cycles} == {(0, 0), (0, 1)}


def test_a_color_alone_is_not_contended(run: Run) -> None:
    assert run(parse_program(SHARED), range(10), []).contended.sum() == 0
