"""Sparse wavelets: zeros filtered at the sender, AXPYs on arrival."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import BANK, DISPATCH, FIRST, Run, arrivals, f16, f32, tiny, words

from tulle_ir.program import Program

END = 0xFFFF0000
SET = 0x8000
H = {"h": (0, f16(1, 0, -0.0, 2, -3))}


def sparse(index: int, value: float) -> int:
    """A sparse wavelet."""
    return index << 16 | int(np.float16(value).view(np.uint16))


def columns(code: str) -> Program:
    """Columns 0: 2 in row 0, -1 in row 2; 1: nothing; 2: 0.5 in row 0, 4 in row 1 (set). y has 3 rows of 2."""
    beside = {
        "w.ptr": np.array([[0, 2, 2, 4]], np.uint16),
        "w.start": np.array([0, 4], np.int64),
        "w.row": np.array([0, 2, 0, 1 | SET], np.uint16),
        "w.value": f16(2, -1, 0.5, 4),
    }
    places = f"ptr at {BANK}, row at {BANK + 8}, value at {BANK + 16}"
    declare = f'register n table w : f16[4] columns 3 {places} = tensor "w"'
    return tiny(code, {"y": (2 * BANK, f16(*range(1, 7)))}, declare=declare, beside=beside, dtype="f16")


def entries(code: str, *, x_address: int = 0) -> Program:
    """x has 3 rows of 4: 1 .. 12; y has 8 ones."""
    arrays = {"x": (x_address, f16(*range(1, 13))), "y": (BANK, np.ones(8, np.float16))}
    return tiny(code, arrays, declare="register n, k = 4", dtype="f16")


def test_a_sparse_destination_sends_index_and_value_of_what_is_not_zero(run: Run) -> None:
    result = run(tiny("mov %out[3], h(1) over 5, 1 push %out = -1", H, dtype="f16"))
    assert words(result) == [sparse(3, 1), sparse(6, 2), sparse(7, -3), 0xFFFFFFFF]
    assert result.counts.sent[0, 0] == 4


def test_a_zero_costs_its_slot_but_no_wavelet(run: Run) -> None:
    result = run(tiny("async t0 mov %out[0], h(1) over 5, 1 await t0", H, dtype="f16"))
    assert arrivals(result) == [FIRST + 1 + 4 + i for i in (0, 3, 4)]
    assert result.counts.slots[0, 0] == DISPATCH + 1 + 5


def test_what_is_computed_on_the_way_is_filtered_after_rounding(run: Run) -> None:
    result = run(tiny("max %out[0], h(1), 0.0 over 5, 1 mul %out[10], h(1), 1e-9 over 5, 1", H, dtype="f16"))
    assert words(result) == [sparse(0, 1), sparse(3, 2)]


def test_indices_count_modulo_two_to_the_sixteenth(run: Run) -> None:
    result = run(tiny("mov %out[k - 2], h(1) over 5, 1", H, declare="register k", dtype="f16"))
    assert words(result) == [sparse(65534, 1), sparse(1, 2), sparse(2, -3)]


def test_dense_wavelets_become_sparse_on_the_way_through(run: Run) -> None:
    result = run(tiny("mov %out[5], %in over 4, 1", dtype="f16"), [0x3C00, 0, 0x8000, 0x4000])
    assert words(result) == [sparse(5, 1), sparse(8, 2)]


def test_arriving_activations_run_their_columns_until_the_end_mark(run: Run) -> None:
    program = columns("axpy y(2), w[%in] mov %out, y over 6")
    result = run(program, [sparse(2, 2), sparse(0, 3), END])
    assert result.outputs[0][0].values.view(np.float16).tolist() == [1 + 1 + 6, 2, 8, 4, 5 - 3, 6]
    assert result.counts.axpys[0, 0] == result.counts.macs[0, 0] == 4


def test_the_columns_that_did_not_arrive_count_as_skipped(run: Run) -> None:
    lists = [sparse(0, 1), END, END, sparse(2, 1), sparse(0, 1), END, sparse(1, 7), END]
    result = run(columns("loop n < 4 { axpy y(2), w[%in] }"), lists)
    assert result.counts.axpys[0, 0] == 2 + 0 + 4 + 0
    assert result.counts.skipped[0, 0] == 2 + 4 + 0 + 4


def test_a_column_costs_its_issue_and_two_slots_per_entry_and_an_end_mark_one(run: Run) -> None:
    result = run(columns("axpy y(2), w[%in]"), [sparse(0, 1), sparse(1, 1), sparse(2, 1), END])
    assert result.counts.slots[0, 0] == DISPATCH + (1 + 2 * 2) + 1 + (1 + 2 * 2) + 1
    assert result.cycles == FIRST + 12  # the wavelets were there: no slot is lost between them


def test_arriving_entries_add_their_value_times_a_row_or_set_it(run: Run) -> None:
    code = "axpy y, %in, x(4) over 3 axpy y[4](0, 2), %in, x(4) over 2 mov %out, y over 8"
    result = run(entries(code), [sparse(1, 2), sparse(0, -1), END, sparse(2 | SET, 3), END])
    expected = [1 + 10 - 1, 1 + 12 - 2, 1 + 14 - 3, 1, 27, 1, 30, 1]
    assert result.outputs[0][0].values.view(np.float16).tolist() == expected
    assert (result.counts.axpys[0, 0], result.counts.macs[0, 0], result.counts.skipped[0, 0]) == (3, 8, 0)


@pytest.mark.parametrize(
    ("n", "x_address", "expected"),
    [("4", 0, 1 + 1), ("k", 0, 1 + 1), ("5", 0, 1 + 2), ("0", 0, 1), ("4", 4 * BANK, 1 + 1), ("4", 5 * BANK, 1 + 2)],
)
def test_an_entry_costs_its_overhead_and_the_row_more_if_the_banks_conflict(
    run: Run, n: str, x_address: int, expected: int
) -> None:
    result = run(entries(f"axpy y, %in, x(4) over {n}", x_address=x_address), [sparse(1, 1), sparse(0, 1), END])
    assert result.counts.slots[0, 0] == DISPATCH + 2 * expected + 1


def test_a_microthread_goes_first_while_axpys_are_under_way(run: Run) -> None:
    code = "async t0 mov %out, x over 12 axpy y, %in, x(4) over 4 push %also = 1 await t0"
    result = run(entries(code), [sparse(1, 1), sparse(0, 1), END])
    assert arrivals(result, 0) == [FIRST + 1 + 4 + i for i in range(6)]
    assert arrivals(result, 1) == [FIRST + 1 + 6 + 2 + 2 + 1 + 4]


def test_waiting_for_a_wavelet_is_waiting(run: Run) -> None:
    result = run(entries("axpy y, %in, x(4) over 4"), [sparse(1, 1)])
    (wait,) = result.waits
    assert (result.status, wait.who, wait.why, wait.color) == ("deadlock", "task main", "input", 0)
    assert wait.since == FIRST + 2


@pytest.mark.parametrize(
    ("program", "word", "kind", "cycle"),
    [
        (columns("axpy y(2), w[%in]"), sparse(3, 1), "column out of table", FIRST),
        (columns("axpy y(12000), w[%in]"), sparse(0, 1), "out of bounds", FIRST + 4),
        (entries("axpy y, %in, x(4) over 4"), sparse(0x7FFF, 1), "out of bounds", FIRST + 1),
    ],
)
def test_faults_come_with_the_last_slot_of_the_wavelet(
    run: Run, program: Program, word: int, kind: str, cycle: int
) -> None:
    result = run(program, [word, END])
    assert result.fault is not None
    assert (result.status, result.fault.kind, result.fault.cycle) == ("fault", kind, cycle)
    assert result.counts.axpys[0, 0] == 0


def test_the_queue_of_an_axpy_on_arrival_belongs_to_it(run: Run) -> None:
    result = run(entries("async t0 mov x, %in over 4 axpy y, %in, x(4) over 4"), [])
    assert result.fault is not None
    assert result.fault.kind == "queue violation"


def test_values_round_like_fma_into_f32(run: Run) -> None:
    arrays = {"x": (0, f16(0.1, 3)), "y": (BANK, f32(1e4, 0))}
    code = "axpy y, %in, x over 2 mov h, y over 2 mov %out, h over 2"
    program = tiny(code, {**arrays, "h": (2 * BANK, f16(0, 0))}, dtype="f16")
    result = run(program, [sparse(0, 0.2), END])
    got = result.outputs[0][0].values.view(np.float16).tolist()
    product = np.float32(np.float16(0.1)) * np.float32(np.float16(0.2))
    assert got == [np.float16(np.float32(1e4) + product), np.float16(np.float32(3) * np.float32(np.float16(0.2)))]
