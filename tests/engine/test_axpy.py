"""AXPY over a compressed column."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import BANK, DISPATCH, FIRST, Run, bits, f32, tiny

from tulle_ir.program import Program
from tulle_runtime.result import RunResult

SET = 0x8000
X, Y = 0, 2 * BANK  # addresses


def program(code: str, *, dtype: type = np.float32, x_address: int = X, y: np.ndarray | None = None) -> Program:
    """Columns 0: 2 in row 0, -1 in row 2 (set); 1: nothing; 2: 0.5 in row 0. Two rows of x, y of 3 rows of 4."""
    beside = {
        "w.ptr": np.array([[0, 2, 2, 3]], np.uint16),
        "w.start": np.array([0, 3], np.int64),
        "w.row": np.array([0, 2 | SET, 0], np.uint16),
        "w.value": np.array([2, -1, 0.5], dtype),
    }
    kind = "f16" if dtype is np.float16 else "f32"
    places = f"ptr at {BANK}, row at {BANK + 8}, value at {BANK + 16}"
    declare = f'register k, n = 4 table w : {kind}[3] columns 3 {places} = tensor "w"'
    arrays = {"x": (x_address, np.arange(1, 9).astype(dtype)), "y": (Y, np.ones(12, np.float32) if y is None else y)}
    return tiny(code, arrays, declare=declare, beside=beside)


def y_after(run: Run, code: str) -> list[float]:
    return run(program(f"{code} mov %out, y over 12")).outputs[0][0].values.view(np.float32).tolist()


def cost(run: Run, program: Program) -> tuple[int, RunResult]:
    result = run(program)
    return int(result.counts.slots[0, 0]) - DISPATCH, result


def test_entries_add_their_value_times_x_to_their_row_or_set_it(run: Run) -> None:
    assert y_after(run, "axpy y(4), w[0], x over 4") == [3, 5, 7, 9, 1, 1, 1, 1, -1, -2, -3, -4]
    assert y_after(run, "k = 2 axpy y(4), w[k], x[k] over 2") == [2.5, 3, 1, 1] + [1] * 8
    assert y_after(run, "axpy y[1](4, 2), w[2], x(0, 0) over 2") == [1, 1.5, 1, 1.5] + [1] * 8
    assert y_after(run, "axpy y(4), w[1], x over 4") == [1] * 12


@pytest.mark.parametrize(
    ("code", "expected", "axpys", "macs"),
    [
        ("axpy y(4), w[0], x over n", 1 + 2 * (1 + 4), 2, 8),
        ("axpy y(4), w[1], x over n", 1, 0, 0),
        ("axpy y(4), w[2], x over 3", 1 + 1 + 3, 1, 3),
        ("axpy y(4), w[0], x over 0", 1 + 2, 0, 0),
        ("axpy y(4), w[0], x over -1", 1 + 2, 0, 0),
    ],
)
def test_cost_and_counts(run: Run, code: str, expected: int, axpys: int, macs: int) -> None:
    slots, result = cost(run, program(code))
    assert slots == expected
    assert (result.counts.axpys[0, 0], result.counts.macs[0, 0]) == (axpys, macs)


def test_f16_sources_run_two_elements_per_slot(run: Run) -> None:
    assert cost(run, program("axpy y(4), w[0], x over 3", dtype=np.float16))[0] == 1 + 2 * (1 + 2)


def test_entries_see_what_earlier_ones_wrote_over_x(run: Run) -> None:
    """x lies where row 0 does."""
    memory = bytearray(np.array([1.5, -3, 7, 0.25] * 3, np.float32).tobytes())
    y, x = np.frombuffer(memory, np.float32), np.frombuffer(memory, np.float16)
    beside = program("axpy y(4), w[0], x over 4 mov %out, y over 12", dtype=np.float16, x_address=Y, y=y.copy())
    for j in range(4):
        y[j] += np.float32(2) * np.float32(x[j])
    y[8:] = -x[:4].astype(np.float32)
    assert bits(run(beside).outputs[0][0].values.view(np.float32)) == bits(y)


def test_a_bank_conflict_of_x_and_the_row_doubles_an_entry(run: Run) -> None:
    conflicting = program("axpy y(4), w[0], x over 4", x_address=Y + 512)
    assert cost(run, conflicting)[0] == 1 + 2 * (1 + 8)
    in_register = program("axpy y(4), w[0], x(0, 0) over 4", x_address=Y + 512)
    assert cost(run, in_register)[0] == 1 + 2 * (1 + 4)


def test_a_row_that_crosses_into_the_bank_group_of_x_conflicts_from_there_on(run: Run) -> None:
    """x in bank 0; the last two of the four elements of y's rows in bank 4."""
    crossing = program(f"axpy y[{2 * BANK // 4 - 2}](4), w[2], x over 4")
    assert cost(run, crossing)[0] == 1 + 1 + 4 + 2


def test_product_and_sum_round_separately(run: Run) -> None:
    y = np.full(12, -np.float32(2.2 * 2), np.float32)
    beside = program("axpy y(4), w[0], x over 1 mov %out, y over 1", y=y)
    assert run(beside).outputs[0][0].values.view(np.float32)[0] == np.float32(2) + f32(-4.4)[0]


def test_a_column_outside_the_table_is_a_fault_after_its_issue(run: Run) -> None:
    for column in (-1, 3):
        result = run(program(f"k = {column} axpy y(4), w[k], x over 4"))
        assert result.status == "fault"
        assert result.fault is not None
        assert (result.fault.kind, result.fault.cycle) == ("column out of table", FIRST + 1)
        assert (result.cycles, result.counts.slots[0, 0], result.counts.axpys[0, 0]) == (FIRST + 2, DISPATCH + 2, 0)
