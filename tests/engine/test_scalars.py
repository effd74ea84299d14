"""Scalars, loads and stores, control: values and costs."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import BRANCH, FIRST, LOAD, Run, f16, f32, register_of, slots_of, tiny, words

LOWEST = -(2**31)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + b", -10),
        ("a - b", -4),
        ("a * b", 21),
        ("a & 12", 8),
        ("a | 12", -3),
        ("a << 2", -28),
        ("a << 33", -14),
        ("a >> 1", -4),
        ("a >> 32", -7),
        ("min(a, b)", -7),
        ("max(a, b)", -3),
        ("a / 2", -4),
        ("a % 2", 1),
        ("7 / b", -3),
        ("7 % b", -2),
    ],
)
def test_scalar_operations_are_signed_and_division_rounds_down(run: Run, expression: str, value: int) -> None:
    assert register_of(run, f"r = {expression}", declare="register r, a = -7, b = -3") == value


def test_integers_wrap_to_32_bits(run: Run) -> None:
    assert register_of(run, "r = 2147483647 + 1") == LOWEST
    assert register_of(run, "r = 65536 * 65536") == 0
    assert register_of(run, "a = 1 << 31 r = a / -1") == LOWEST
    assert register_of(run, "r = 0xFFFFFFFF") == -1


def test_a_scalar_costs_one_slot_and_a_division_many(run: Run) -> None:
    assert slots_of(run, "r = 3", declare="register r") == 1
    assert slots_of(run, "r = r * 3", declare="register r") == 1
    assert slots_of(run, "r = 7 / 3 r = 7 % 3", declare="register r") == 24 + 24


def test_loads_and_stores_move_bits(run: Run) -> None:
    arrays = {"h": (0, f16(1.0, -2.0)), "s": (8, f32(1.5)), "i": (16, np.array([-5, 9], np.int32))}
    assert register_of(run, "load r = h[1]", arrays) == 0xC000
    assert register_of(run, "load r = s", arrays) == 0x3FC00000
    assert register_of(run, "load r = i", arrays) == -5
    assert register_of(run, "a = 1 load r = i[a]", arrays) == 9
    assert register_of(run, "a = -1 load r = i[2*a + 3]", arrays) == 9
    assert register_of(run, "store h[1] = 0x12345678 load r = h[1]", arrays) == 0x5678
    assert register_of(run, "store i = 77 load r = i", arrays) == 77
    assert slots_of(run, "store i = 77 load r = i", arrays, declare="register r") == 1 + LOAD


def test_a_loop_costs_one_slot_and_its_turns_none(run: Run) -> None:
    declare = "register r, k"
    assert slots_of(run, "loop k < 5 { r = r + k }", declare=declare) == 1 + 5
    assert register_of(run, "loop k < 5 { r = r + k }", declare=declare) == 10
    assert register_of(run, "loop k < 5 { b = 1 } r = k", declare="register r, k, b") == 5


def test_a_loop_without_turns_leaves_its_counter_at_zero(run: Run) -> None:
    assert slots_of(run, "loop k < -2 { r = 1 }", declare="register r, k = 9") == 1
    assert register_of(run, "loop k < 0 { b = 1 } r = k", declare="register r, k = 9, b") == 0


def test_a_loop_reads_its_count_once(run: Run) -> None:
    assert register_of(run, "n = 3 loop k < n { n = 10 r = r + 1 }", declare="register r, k, n") == 3


def test_loops_nest(run: Run) -> None:
    assert register_of(run, "loop i < 3 { loop j < i { r = r + 1 } }", declare="register r, i, j") == 3


@pytest.mark.parametrize(("cmp", "holds"), [("==", "010"), ("!=", "101"), ("<", "100"), ("<=", "110"), (">", "001")])
def test_comparisons_are_signed(run: Run, cmp: str, holds: str) -> None:
    code = "\n".join(f"if {a} {cmp} 0 {{ push %out = 1 }} else {{ push %out = 0 }}" for a in (-1, 0, 1))
    assert words(run(tiny(code))) == [int(c) for c in holds]


def test_an_if_costs_a_branch_and_the_jump_over_its_else_nothing(run: Run) -> None:
    code = "if 1 >= r { a = 1 } else { a = 2 a = 3 }"
    assert slots_of(run, code, declare="register r, a") == BRANCH + 1
    assert slots_of(run, "r = 2" + code, declare="register r, a") == 1 + BRANCH + 2


def test_a_while_costs_a_branch_per_evaluation(run: Run) -> None:
    assert slots_of(run, "while r < 3 { r = r + 1 }", declare="register r") == 4 * BRANCH + 3
    assert register_of(run, "while r < 3 { r = r + 1 }", declare="register r") == 3


def test_stop_ends_the_task(run: Run) -> None:
    result = run(tiny("push %out = 1 stop push %out = 2"))
    assert words(result) == [1]
    assert result.cycles == FIRST + 4


def test_registers_start_as_declared(run: Run) -> None:
    declare = 'register a, b = -4, c = tensor "c"'
    program = tiny("push %out = a push %out = b push %out = c", declare=declare, beside={"c": np.array([6], np.int32)})
    assert words(run(program)) == [0, 2**32 - 4, 6]
