"""How runs end: quiescence, deadlock, faults, the limit; and what is counted."""

from __future__ import annotations

import pytest
from tiny import DISPATCH, FIRST, LOAD, Run, f32, tiny

from tulle_runtime.result import RunResult, Wait

A = {"a": (0, f32(1, 2, 3, 4))}


def test_nothing_to_do_is_a_good_end(run: Run) -> None:
    result = run(tiny("stop"))
    assert (result.status, result.cycles, result.waits, result.fault) == ("ok", FIRST, [], None)


def test_a_task_without_input_deadlocks_from_its_first_waiting_cycle(run: Run) -> None:
    result = run(tiny("r = 1 pop r = %in", declare="register r"))
    assert (result.status, result.cycles) == ("deadlock", FIRST + 1)
    assert result.waits == [Wait(0, 0, "task main", "input", 0, FIRST + 1)]


def test_a_wait_begins_anew_after_each_step(run: Run) -> None:
    result = run(tiny("mov a, %in over 4", A), [1, 2])
    assert result.waits == [Wait(0, 0, "task main", "input", 0, FIRST + 2)]
    result = run(tiny("async t5 mov a, %in over 4", A), [1, 2])
    assert result.waits == [Wait(0, 0, "thread 5", "input", 0, FIRST + 3)]


def test_a_task_that_awaits_a_thread_says_so(run: Run) -> None:
    result = run(tiny("async t5 mov a, %in over 4 await t5", A))
    assert result.waits == [
        Wait(0, 0, "task main", "thread 5", -1, FIRST + 1),
        Wait(0, 0, "thread 5", "input", 0, FIRST + 1),
    ]


def test_an_activated_task_that_never_starts_is_a_deadlock(run: Run) -> None:
    result = run(tiny("activate t", tasks="task t blocked { stop }"))
    assert result.waits == [Wait(0, 0, "task t", "start", -1, FIRST + 1)]


def test_wavelets_that_nobody_takes_are_a_deadlock(run: Run) -> None:
    """Eight fit into the down-ramp, four into the link; the host keeps the rest."""
    result = run(tiny("stop"), list(range(20)))
    assert (result.status, result.hops, result.crossings, result.cycles) == ("deadlock", 12, 12 + 8, FIRST)
    assert result.waits == [
        Wait(0, 0, "channel", "undelivered", 0, 3),
        Wait(0, 0, "channel", "undelivered", 0, 9),
        Wait(0, 0, "host input", "output space", 0, 12),
    ]


def fault(result: RunResult) -> tuple[str, int]:
    assert result.status == "fault"
    assert result.fault is not None
    return result.fault.kind, result.fault.cycle


@pytest.mark.parametrize(
    ("code", "kind", "slots"),
    [
        ("load r = a[-1]", "out of bounds", LOAD),
        ("store a[252] = 1", "out of bounds", 1),
        ("mov a[250], 0.0 over 3", "out of bounds", 2 + 2),
        ("mov a[250], %in over 2", "out of bounds", 2),
        ("r = 1 / r", "division by zero", 24),
        ("r = 1 % r", "division by zero", 24),
    ],
)
def test_a_fault_is_found_in_the_slot_of_the_access(run: Run, code: str, kind: str, slots: int) -> None:
    result = run(tiny(code, A, declare="register r", sram=1007), [1, 2])
    assert fault(result) == (kind, FIRST + slots - 1)
    assert (result.cycles, result.counts.slots[0, 0]) == (FIRST + slots, DISPATCH + slots)


def test_the_last_byte_of_sram_may_be_touched(run: Run) -> None:
    assert run(tiny("store a[250] = 1", A, sram=1004)).status == "ok"
    assert fault(run(tiny("store a[251] = 1", A, sram=1004))) == ("out of bounds", FIRST)


def test_a_thread_faults_in_its_slot(run: Run) -> None:
    result = run(tiny("async t0 mov %out, a over 6", A, sram=16))
    assert fault(result) == ("out of bounds", FIRST + 5)
    assert result.counts.sent[0, 0] == 4


@pytest.mark.parametrize(
    "code",
    ["pop r = %in", "mov a, %in over 2", "async t1 mov a, %in over 1", "async t1 mov a, %in over 0"],
)
def test_a_queue_in_use_by_a_thread_may_not_be_used(run: Run, code: str) -> None:
    result = run(tiny(f"async t0 mov a, %in over 4 {code}", A, declare="register r"))
    assert fault(result) == ("queue violation", FIRST + 1)
    assert result.counts.slots[0, 0] == DISPATCH + 1


def test_an_empty_synchronous_instruction_violates_no_queue(run: Run) -> None:
    assert run(tiny("async t0 mov a, %in over 4 mov a, %in over 0", A), [1, 2, 3, 4]).status == "ok"


def test_a_launch_on_a_busy_thread_waits_before_its_queues_are_checked(run: Run) -> None:
    assert run(tiny("async t0 mov %out, a over 4 async t0 mov %out, a over 4", A)).status == "ok"
    result = run(tiny("async t0 mov %out, a over 4 async t1 mov %out, a over 4", A))
    assert fault(result) == ("queue violation", FIRST + 1)
    assert (result.counts.slots[0, 0], result.cycles) == (DISPATCH + 2, FIRST + 2)


def test_the_limit_ends_a_run_that_goes_on(run: Run) -> None:
    endless = tiny("r = 0 while r == 0 { a = 1 }", declare="register r, a")
    result = run(endless, max_cycles=100)
    assert (result.status, result.cycles, result.counts.slots[0, 0], result.waits) == (
        "limit",
        100,
        100 - FIRST + DISPATCH,
        [],
    )


@pytest.mark.parametrize(
    ("limit", "status"), [(None, "ok"), (FIRST + 5, "ok"), (FIRST + 4, "ok"), (FIRST + 3, "limit"), (0, "limit")]
)
def test_a_run_that_is_over_by_then_does_not_reach_the_limit(run: Run, limit: int | None, status: str) -> None:
    assert run(tiny("push %out = 1"), max_cycles=limit).status == status


def test_a_wait_for_a_thread_counts_as_waiting_and_only_if_the_run_goes_on(run: Run) -> None:
    result = run(tiny("async t0 mov a, %in over 2 await t0 push %out = 1", A), [1])
    assert (result.status, result.counts.waiting[0, 0]) == ("deadlock", 0)
    late = "loop k < 30 { j = k } push %out = 1"
    result = run(tiny(late, declare="register j, k"))
    assert (result.counts.waiting[0, 0], result.counts.slots[0, 0]) == (0, DISPATCH + 1 + 30 + 1)
