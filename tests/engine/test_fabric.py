"""Instructions with fabric operands, microthreads, pop and push."""

from __future__ import annotations

import numpy as np
from tiny import BANK, DISPATCH, FIRST, Run, arrivals, f16, f32, tiny, words

A = {"a": (0, f32(1, 2, 3, 4)), "b": (BANK, f32(10, 20, 30, 40))}
H = {"h": (0, f16(1, 2, 3, 4, 5, 6))}


def test_a_wavelet_leaves_four_cycles_after_its_push(run: Run) -> None:
    result = run(tiny("push %out = 7"))
    assert (words(result), arrivals(result)) == ([7], [FIRST + 4])
    assert (result.status, result.cycles) == ("ok", FIRST + 4)


def test_a_host_wavelet_is_visible_to_the_pe_in_cycle_three(run: Run) -> None:
    task = "task data on %in { pop r = %in }"
    result = run(tiny("stop", tasks=task, declare="register r"), [5])
    assert result.counts.last_slot[0, 0] == FIRST - 1
    assert run(tiny("stop", tasks=task, declare="register r"), [5], max_cycles=3).counts.slots[0, 0] == 0
    assert run(tiny("stop", tasks=task, declare="register r"), [5], max_cycles=4).counts.slots[0, 0] == 1


def test_a_synchronous_send_takes_one_slot_per_wavelet_and_no_more(run: Run) -> None:
    result = run(tiny("mov %out, a over 4", A))
    assert arrivals(result) == [FIRST + 4 + i for i in range(4)]
    assert result.counts.slots[0, 0] == DISPATCH + 4
    assert result.counts.sent[0, 0] == 4


def test_a_synchronous_step_computes_between_queues_and_memory(run: Run) -> None:
    result = run(
        tiny("add %out, %in, a over 4 mul b, %in, 2.0 over 2 mov %out, b over 3", A),
        f32(1, 1, 1, 1, 5, 6).view(np.uint32),
    )
    assert result.outputs[0][0].values.view(np.float32).tolist() == [2, 3, 4, 5, 10, 12, 30]


def test_fma_adds_products_of_the_fabric_to_memory(run: Run) -> None:
    result = run(tiny("fma a(0, 0), %in, b over 3 mov %out, a over 1", A), f32(1, 2, 3).view(np.uint32))
    assert result.outputs[0][0].values.view(np.float32).tolist() == [1 + 10 + 40 + 90]


def test_f16_travels_in_pairs_and_rows_do_not_share_a_wavelet(run: Run) -> None:
    result = run(tiny("mov %out, h over 5 mov %out, h(3) over 2, 3", H, dtype="f16"))
    pairs = [(1, 2), (3, 4), (5, 0), (1, 2), (3, 0), (4, 5), (6, 0)]
    assert result.outputs[0][0].values.view(np.float16).reshape(-1, 2).tolist() == [list(pair) for pair in pairs]


def test_the_high_half_of_an_odd_tail_is_ignored(run: Run) -> None:
    program = tiny("mov h, %in over 3 mov %out, h over 4", H, dtype="f16")
    result = run(program, f16(7, 8, 9, np.nan).view(np.uint32))
    assert result.outputs[0][0].values.view(np.float16).tolist() == [7, 8, 9, 4]


def test_f16_pairs_through_the_datapath(run: Run) -> None:
    result = run(tiny("add %out, %in, h over 4", H, dtype="f16"), f16(1, 1, 1, 1).view(np.uint32))
    assert result.outputs[0][0].values.view(np.float16).tolist() == [2, 3, 4, 5]


def test_pop_and_push_carry_32_bits(run: Run) -> None:
    result = run(tiny("pop r = %in push %out = r push %also = -1", declare="register r"), [0xDEADBEEF])
    assert (words(result), words(result, 1)) == ([0xDEADBEEF], [0xFFFFFFFF])


def test_an_async_instruction_costs_one_slot_and_steps_from_the_next_cycle_on(run: Run) -> None:
    result = run(tiny("async t3 mov %out, a over 4", A))
    assert arrivals(result) == [FIRST + 1 + 4 + i for i in range(4)]
    assert result.counts.slots[0, 0] == DISPATCH + 1 + 4


def test_microthreads_go_before_main(run: Run) -> None:
    result = run(tiny("async t0 mov %out, a over 4 push %also = 1", A))
    assert arrivals(result, 1) == [FIRST + 1 + 4 + 4]


def test_main_goes_on_when_a_microthread_waits(run: Run) -> None:
    result = run(tiny("async t0 mov a, %in over 4 push %also = 1", A))
    assert arrivals(result, 1) == [FIRST + 1 + 4]
    assert result.status == "deadlock"


def test_await_waits_for_the_end_of_a_thread_and_costs_nothing(run: Run) -> None:
    result = run(tiny("async t0 mov %out, a over 4 await t0 await t1 push %also = 1", A))
    assert arrivals(result, 1) == [FIRST + 1 + 4 + 4]
    assert result.counts.slots[0, 0] == DISPATCH + 1 + 4 + 1


def test_await_rows_waits_until_that_row_is_there(run: Run) -> None:
    code = (
        "async t0 mov b(2), %in over 2, 2 loop k < 2 { await t0 rows k push %also = k } await t0 rows 7 push %also = 9"
    )
    result = run(tiny(code, A, declare="register k"), f32(1, 2, 3).view(np.uint32))
    assert words(result, 1) == [0]
    result = run(tiny(code, A, declare="register k"), f32(1, 2, 3, 4).view(np.uint32))
    assert words(result, 1) == [0, 1, 9]


def test_a_launch_waits_until_its_thread_is_idle(run: Run) -> None:
    result = run(tiny("async t0 mov %out, a over 4 async t0 mov %also, a over 1", A))
    assert arrivals(result, 1) == [FIRST + 1 + 4 + 1 + 4]


def test_a_thread_keeps_the_operands_of_its_launch(run: Run) -> None:
    result = run(tiny("n = 2 async t0 mov %out, a[n] over n n = 0", A, declare="register n"))
    assert result.outputs[0][0].values.view(np.float32).tolist() == [3, 4]


def test_without_elements_a_launch_costs_its_slot_and_a_synchronous_instruction_nothing(run: Run) -> None:
    result = run(
        tiny("mov %out, a over 0 async t0 mov %out, a over 0, 4 await t0 mov %out, a over 4, 0 push %out = 1", A)
    )
    assert arrivals(result) == [FIRST + 1 + 4]
