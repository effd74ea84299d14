"""Tasks: who runs when."""

from __future__ import annotations

from tiny import DISPATCH, FIRST, Run, arrivals, f32, tiny, words

A = {"a": (0, f32(1, 2, 3, 4))}


def test_the_lowest_runnable_task_starts_first_and_each_costs_its_dispatch(run: Run) -> None:
    tasks = "task second { push %out = 2 } task third { push %out = 3 }"
    result = run(tiny("activate third activate second", tasks=tasks))
    assert words(result) == [2, 3]
    assert arrivals(result) == [FIRST + 2 + DISPATCH + 4, FIRST + 2 + DISPATCH + 1 + DISPATCH + 4]


def test_several_start_tasks_run_in_the_order_of_declaration(run: Run) -> None:
    assert words(run(tiny("push %out = 1", tasks="task also on start { push %out = 2 }"))) == [1, 2]


def test_an_activation_is_a_flag(run: Run) -> None:
    assert words(run(tiny("activate t activate t", tasks="task t { push %out = 1 }"))) == [1]


def test_a_task_may_activate_itself(run: Run) -> None:
    code = "n = n + 1 push %out = n if n < 3 { activate main }"
    assert words(run(tiny(code, declare="register n"))) == [1, 2, 3]


def test_then_activates_a_task_in_the_cycle_after_the_last_step(run: Run) -> None:
    result = run(tiny("async t0 mov %out, a over 4 then done", A, tasks="task done { push %also = 1 }"))
    assert arrivals(result, 1) == [FIRST + 1 + 4 + DISPATCH + 4]


def test_then_of_a_launch_without_elements_comes_after_its_slot(run: Run) -> None:
    result = run(tiny("async t0 mov %out, a over 0 then done", A, tasks="task done { push %also = 1 }"))
    assert arrivals(result, 1) == [FIRST + 1 + DISPATCH + 4]


def test_a_data_task_starts_when_a_wavelet_is_there_even_before_the_launch(run: Run) -> None:
    tasks = "task data on %in { pop r = %in push %out = r }"
    result = run(tiny("stop", tasks=tasks, declare="register r"), [8, 9])
    assert words(result) == [8, 9]
    assert arrivals(result) == [3 + DISPATCH + 1 + 4, 3 + DISPATCH + 2 + DISPATCH + 1 + 4]


def test_a_blocked_task_starts_when_it_is_unblocked(run: Run) -> None:
    tasks = "task data on %in blocked { pop r = %in push %out = r block data }"
    result = run(tiny("push %also = 1 unblock data", tasks=tasks, declare="register r"), [8, 9])
    assert words(result) == [8]
    assert arrivals(result) == [FIRST + 2 + DISPATCH + 1 + 4]
    assert result.status == "deadlock"


def test_a_data_task_does_not_start_while_a_microthread_reads_its_queue(run: Run) -> None:
    tasks = "task data on %in { pop r = %in push %out = r }"
    code = "unblock data async t0 mov a, %in over 3"
    program = tiny(code, A, tasks=tasks.replace("%in {", "%in blocked {"), declare="register r")
    assert words(run(program, [1, 2, 3, 4])) == [4]


def test_a_task_runs_to_its_end(run: Run) -> None:
    tasks = "task first on %in { pop r = %in push %out = 0 activate last push %out = 1 } task last { push %out = 2 }"
    assert words(run(tiny("stop", tasks=tasks, declare="register r"), [0])) == [0, 1, 2]


def test_a_chunk_header_says_how_many_tokens_follow(run: Run) -> None:
    """The idiom of all kernels: take the header, pass it on, use its token count as a length."""
    tasks = "task chunk on %in { pop h = %in push %out = h n = h & 255 mov %out, %in over 2, n }"
    chunks = [0x00050003, 11, 12, 13, 14, 15, 16, 0x00080101, 17, 18]
    result = run(tiny("stop", tasks=tasks, declare="register h, n", dtype="i32"), chunks)
    assert (result.status, words(result)) == ("ok", chunks)
