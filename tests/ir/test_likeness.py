"""Classes written like one before them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Program, ProgramClass
from tulle_ir.text import parse_program, parse_with_places, print_program

MODEL = """
  class "a" at [0, 0, 2, 1] sram 64 {
    buffer x : f32[16] at 0 = tensor "a.x"
    buffer shared : f32[4] at 32 = tensor "all"
    register n = tensor "a.n"
    register k = 3
    input %x : f32 color 3 queue 0
    output %y : f32 color 4 queue 1
    task take on %x {
      mov x, %x over n
    }
  }"""


def read(like: str) -> tuple[ProgramClass, ProgramClass]:
    """The model and the class that a line describes."""
    first, second = parse_program(f'program "" target "generic" mesh 4x1 {{{MODEL}\n{like}\n}}').classes
    return first, second


def test_it_has_the_code_and_members_of_its_model() -> None:
    first, second = read('class "b" at [2, 0, 1, 1] sram 80 like "a"')
    assert (second.tasks, second.queues) == (first.tasks, first.queues)
    assert (second.grid.x, second.grid.width, second.sram_bytes) == (2, 1, 80)


def test_tensors_named_after_the_model_are_named_after_the_class() -> None:
    _, second = read('class "b" at [2, 0, 1, 1] sram 64 like "a"')
    assert [buffer.data for buffer in second.buffers] == ["b.x", "all"]
    assert [register.value for register in second.registers] == ["b.n", 3]


def test_colors_and_members_may_be_its_own() -> None:
    _, second = read('class "b" at [2, 0, 1, 1] sram 64 like "a" colors 7, 8 { register n = 5 }')
    assert [queue.color for queue in second.queues] == [7, 8]
    assert [register.value for register in second.registers] == [5, 3]


@pytest.mark.parametrize(
    ("like", "problem"),
    [
        ('like "c"', "no class 'c' stands before this one"),
        ('like "a" colors 7', "'a' has 2 queues, 1 colors are given"),
        ('like "a" { register m = 5 }', "'a' has no such member 'm'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(like: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as found:
        read(f'class "b" at [2, 0, 1, 1] sram 64 {like}')
    assert found.value.where.startswith("<text>:13:")


def test_members_that_are_not_written_stand_at_their_class() -> None:
    text = f'program "" target "generic" mesh 4x1 {{{MODEL}\n  class "b" at [2, 0, 1, 1] sram 64 like "a"\n}}'
    program, places = parse_with_places(text)
    assert places.of(program.classes[1].buffers[0]) == places.of(program.classes[1]) == "<text>:13:3"


def test_a_class_with_other_code_is_written_in_full() -> None:
    first, second = read('class "b" at [2, 0, 1, 1] sram 64 like "a" { register n = 5 }')
    other = replace(second, tasks=(replace(second.tasks[0], name="other"),))
    assert " like " in print_program(Program("generic", (4, 1), classes=(first, second)))
    assert " like " not in print_program(Program("generic", (4, 1), classes=(first, other)))


def test_a_name_that_stands_twice_is_no_model() -> None:
    first, second = read('class "b" at [2, 0, 1, 1] sram 64 like "a"')
    twice = Program("generic", (4, 1), classes=(first, replace(second, name="a"), second))
    assert parse_program(print_program(twice)) == twice
