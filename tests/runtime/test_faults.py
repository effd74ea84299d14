"""Runs that end badly: what the error says."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from tulle_ir.diagnostics import LimitReached, MachineFault
from tulle_ir.program import Program, Symbol
from tulle_runtime.faults import SHOWN, raise_for_status, symbol_at
from tulle_runtime.result import Fault, PeCounts, RunResult, Wait

SYMBOLS = (Symbol("block", (0, 0, 4, 4), "/block"), Symbol("mlp", (1, 1, 2, 2), "/mlp/MatMul"))
PROGRAM = Program("generic", (4, 4), symbols=SYMBOLS)
ZERO = np.zeros((4, 4), np.int64)
RESULT = RunResult("deadlock", 51, [], PeCounts(*[ZERO] * len(fields(PeCounts))), 0, 0, ZERO[0])


def test_the_innermost_symbol_names_a_pe() -> None:
    assert symbol_at(PROGRAM, 1, 2) == SYMBOLS[1]
    assert symbol_at(PROGRAM, 3, 2) == SYMBOLS[0]
    assert symbol_at(PROGRAM, 4, 0) is None


def test_a_deadlock_lists_the_oldest_waits_first() -> None:
    waits = [Wait(0, 0, "host input", "output space", 3, 40), Wait(2, 1, "task go", "input", 5, 7)]
    with pytest.raises(MachineFault) as caught:
        raise_for_status(replace(RESULT, waits=waits), PROGRAM, None)
    head, columns, first, second = caught.value.what.splitlines()
    assert head == "deadlock: after cycle 50 nothing can happen any more, and 2 waits remain"
    assert columns.split() == ["PE", "what", "waits", "for", "color", "since", "cycle", "kernel"]
    assert first.split() == ["(2,", "1)", "task", "go", "input", "5", "7", "mlp", "(/mlp/MatMul)"]
    assert second.split()[-1] == "(/block)"


def test_a_long_list_is_cut() -> None:
    waits = [Wait(0, 0, f"thread {i}", "input", 1, i) for i in range(SHOWN + 3)]
    with pytest.raises(MachineFault, match=r"\.\.\. and 3 more"):
        raise_for_status(replace(RESULT, waits=waits), PROGRAM, None)


def test_a_fault_names_the_pe_and_its_kernel() -> None:
    fault = Fault(1, 1, "out of bounds", "load at byte 9000", 33)
    with pytest.raises(MachineFault, match=r"PE \(1, 1\) of mlp \(/mlp/MatMul\): out of bounds in cycle 33: load at"):
        raise_for_status(replace(RESULT, status="fault", fault=fault), PROGRAM, None)


def test_a_limit_says_the_limit() -> None:
    with pytest.raises(LimitReached, match="still going at cycle 100"):
        raise_for_status(replace(RESULT, status="limit"), PROGRAM, 100)
