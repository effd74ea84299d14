"""Vector instructions without fabric operands: values and costs (docs/machine.md, section 5)."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import BANK, LOAD, Run, bits, f16, f32, result_of, slots_of

A, B, ZEROS = f32(1, -2, 3, 0.5), f32(4, 5, -6, 0.5), np.zeros(4, np.float32)
ARRAYS = {"a": (0, A), "b": (BANK, B), "y": (2 * BANK, f32(10, 20, 30, 40))}
LONG = {name: (address, np.ones(8, np.float32)) for name, address in (("a", 0), ("b", BANK), ("y", 2 * BANK))}
HALVES = {name: (address, np.ones(8, np.float16)) for name, address in (("a", 0), ("b", BANK), ("y", 2 * BANK))}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("mov y, a", A),
        ("add y, a, b", A + B),
        ("sub y, a, b", A - B),
        ("mul y, a, b", A * B),
        ("max y, a, b", np.maximum(A, B)),
        ("min y, a, b", np.minimum(A, B)),
        ("fma y, a, b", f32(10, 20, 30, 40) + A * B),
        ("mov y, 2.5", f32(2.5, 2.5, 2.5, 2.5)),
        ("mul y, 2.0, a", 2 * A),
        ("add y, a, b[2](0, 0)", A + B[2]),
        ("sub y, a[3](0, -1), b", A[::-1] - B),
    ],
)
def test_element_wise_operations(run: Run, code: str, expected: np.ndarray) -> None:
    assert bits(result_of(run, f"{code} over 4", ARRAYS, "y")) == bits(expected)


def test_rows_are_strided(run: Run) -> None:
    assert result_of(run, "mov y(2), a(1, 2) over 2, 2", ARRAYS, "y").tolist() == [1, 3, -2, 0.5]


def test_offsets_come_from_registers(run: Run) -> None:
    y = result_of(run, "k = 1 mov y[2*k + 1], a[k] over 1", ARRAYS, "y", declare="register k")
    assert y.tolist() == [10, 20, 30, -2]


def test_lengths_below_zero_do_nothing(run: Run) -> None:
    assert result_of(run, "k = -3 mov y, a over k", ARRAYS, "y", declare="register k").tolist() == [10, 20, 30, 40]


def test_each_element_is_complete_before_the_next_is_read(run: Run) -> None:
    assert result_of(run, "add y[1], y, 1.0 over 3", ARRAYS, "y").tolist() == [10, 11, 12, 13]
    assert result_of(run, "fma y(0, 0), a, a over 4", ARRAYS, "y")[0] == 10 + 1 + 4 + 9 + 0.25


def test_rows_of_sums_that_overwrite_their_input_are_read_as_written(run: Run) -> None:
    """The second of three rows of sums lies where the row of inputs does, which the first and the third read too."""
    sums, weights, inputs = np.arange(24, dtype=np.float32), f16(0.5, 2, -1), np.linspace(-2, 2, 8).astype(np.float16)
    memory = bytearray(sums.tobytes())
    memory[32:48] = inputs.tobytes()
    y, x = np.frombuffer(memory, np.float32), np.frombuffer(memory, np.float16)[16:24]
    loaded = {"y": (32, y.copy()), "w": (BANK, weights), "x": (64, inputs)}
    for row in range(3):
        for j in range(8):
            y[8 * row + j] += np.float32(weights[row]) * np.float32(x[j])
    found = result_of(run, "fma y(8), w(1, 0), x(0, 1) over 3, 8", loaded, "y")
    assert bits(found) == bits(y)
    assert not np.array_equal(y[16:], sums[16:] - np.float32(inputs))  # the third row saw other inputs than the first


def test_fma_rounds_the_product_and_then_the_sum(run: Run) -> None:
    a, y = np.float32(1 + 2**-12), np.float32(-(1 + 2**-11))
    arrays = {"a": (0, np.array([a])), "y": (BANK, np.array([y]))}
    assert a * a + y == 0  # exactly it is 2**-24
    assert result_of(run, "fma y, a, a over 1", arrays, "y")[0] == 0


def test_max_and_min_return_the_second_source_unless_the_first_is_beyond_it(run: Run) -> None:
    arrays = {"a": (0, f32(np.nan, 1, -0.0)), "b": (BANK, f32(1, np.nan, 0.0)), "y": (2 * BANK, f32(0, 0, 0))}
    for op in ("max", "min"):
        assert bits(result_of(run, f"{op} y, a, b over 3", arrays, "y")) == [0x3F800000, 0x7FC00000, 0]


def test_conversions_round_to_nearest_even(run: Run) -> None:
    a = f32(1 + 2**-11, 1 + 3 * 2**-11, 65504, 65520, 2**-24, 2**-25, -1e-30, 1e30)
    y = result_of(run, "mov y, a over 8", {"a": (0, a), "y": (BANK, np.zeros(8, np.float16))}, "y")
    assert bits(y) == [0x3C00, 0x3C02, 0x7BFF, 0x7C00, 0x0001, 0, 0x8000, 0x7C00]
    halves = f16(0.1, 6e-8, -np.inf)
    y = result_of(run, "mov y, a over 3", {"a": (0, halves), "y": (BANK, np.zeros(3, np.float32))}, "y")
    assert bits(y) == bits(halves.astype(np.float32))


def test_f16_arithmetic_rounds_in_f32_and_then_to_f16(run: Run) -> None:
    arrays = {"a": (0, f16(2048, 60000)), "b": (BANK, f16(1, 60000)), "y": (2 * BANK, f16(0, 0))}
    assert result_of(run, "add y, a, b over 2", arrays, "y").tolist() == [2048, np.inf]


def test_a_nan_is_written_as_the_one_nan_but_moves_keep_their_bits(run: Run) -> None:
    odd = np.array([0xFFC12345, 0x7F812345], np.uint32).view(np.float32)
    arrays = {"a": (0, odd), "y": (BANK, f32(0, 0)), "h": (2 * BANK, f16(0, 0))}
    assert bits(result_of(run, "mov y, a over 2", arrays, "y")) == [0xFFC12345, 0x7F812345]
    assert bits(result_of(run, "add y, a, 0.0 over 2", arrays, "y")) == [0x7FC00000] * 2
    assert bits(result_of(run, "mov h, a over 2", arrays, "h")) == [0x7E00] * 2
    assert bits(result_of(run, "recip y, a over 2", arrays, "y")) == [0x7FC00000] * 2


def test_i32_moves(run: Run) -> None:
    arrays = {"a": (0, np.array([-1, 5], np.int32)), "y": (BANK, np.zeros(2, np.int32))}
    assert result_of(run, "mov y, a over 2", arrays, "y").tolist() == [-1, 5]


@pytest.mark.parametrize(
    ("code", "arrays", "cost"),
    [
        ("mov y, a over 8", LONG, 2 + 4),
        ("add y, a, b over 7", LONG, 2 + 4),
        ("mul y, a, b over 8", LONG, 2 + 8),
        ("fma y, a, b over 8", LONG, 2 + 8),
        ("max y, a, b over 8", LONG, 2 + 8),
        ("mov y, 1.0 over 8", LONG, 2 + 4),
        ("add y, a, b over 8", HALVES, 2 + 2),
        ("fma y, a, b over 8", HALVES, 2 + 2),
        ("min y, a, b over 8", HALVES, 2 + 8),
        ("mul y, a, b over 8", HALVES | {"y": LONG["y"]}, 2 + 4),
        ("add y, a, b over 8", HALVES | {"y": LONG["y"]}, 2 + 8),
        ("mov y, a over 8", HALVES | {"y": LONG["y"]}, 2 + 8),
        ("exp y, a over 3", LONG, 2 + 3 * 14),
        ("tanh y, a over 3", LONG, 2 + 3 * 22),
        ("erf y, a over 3", LONG, 2 + 3 * 23),
        ("recip y, a over 3", LONG, 2 + 3 * 8),
        ("rsqrt y, a over 3", LONG, 2 + 3 * 12),
        ("mul y(0), a(0), b(0) over 3, 8", LONG, 2 + 3 * 8 + 2),
        ("mul y, a, b over 0", LONG, 2),
        ("mul y, a, b over 0, 8", LONG, 2),
        ("mul y, a, b over 8, 0", LONG, 2),
    ],
)  # fmt: skip
def test_cost_is_issue_steps_and_rows(run: Run, code: str, arrays: dict, cost: int) -> None:
    assert slots_of(run, code, arrays) == cost


@pytest.mark.parametrize(
    ("code", "bank", "cost"),
    [
        ("add y, a, b over 8", 0, 2 + 2 * 4 + 1),
        ("add y, a, b over 8", 1, 2 + 4),
        ("add y, a, b over 8", 4, 2 + 2 * 4 + 1),
        ("add y, a, a over 8", 1, 2 + 2 * 4 + 1),
        ("mul y(0), a(0), b(0) over 2, 8", 4, 2 + 2 * 16 + 1 + 1),
        ("add y, a, b(0, 0) over 8", 0, 2 + LOAD + 4),
        ("fma y, a, b over 8", 2, 2 + 2 * 8 + 1),
        ("mul y, a, b over 8", 2, 2 + 8),
        ("fma y(0, 0), a, b over 8", 2, 2 + LOAD + 8),
    ],
)  # fmt: skip
def test_two_reads_in_one_bank_group_cost_twice(run: Run, code: str, bank: int, cost: int) -> None:
    assert slots_of(run, code, LONG | {"b": (bank * BANK + 64, LONG["b"][1])}) == cost


@pytest.mark.parametrize(
    ("code", "cost"),
    [
        (f"add y(0), a(0), b({3 * BANK // 4}) over 2, 8", 2 + 4 + 8 + 1),  # row 1 of b lies in bank 4, like a
        (f"mul y, a, b(0, {BANK // 4}) over 5", 2 + 5 + 1),  # so does only element 3
        (f"mul y, a, b[{4 * BANK // 4}](0, -{BANK // 4}) over 5", 2 + 5 + 1),  # in banks 5, 4, 3, 2, 1
        (f"add y, a, b[{3 * BANK // 4 - 4}] over 8", 2 + 4 + 2),  # its last two steps of two elements
        (f"fma y(0, {BANK // 4}), a, b over 4", 2 + 4 + 2),  # y in banks 2, 3, 4, 5: conflicts with a, then with b
    ],
)
def test_a_conflict_is_looked_up_step_by_step(run: Run, code: str, cost: int) -> None:
    assert slots_of(run, code, LONG) == cost


def test_each_scalar_read_is_loaded_once(run: Run) -> None:
    """What is held in a register is loaded before the first row; the loads of further rows overlap the row before."""
    assert slots_of(run, "mul y(0), a(4, 0), b(0) over 2, 4", LONG) == 2 + LOAD + 2 * 4 + 1
    assert slots_of(run, "fma y(0, 0), a(0, 0), b over 1, 4", LONG) == 2 + 2 * LOAD + 4
    assert slots_of(run, "mul y, a(0, 0), b over 0", LONG) == 2
