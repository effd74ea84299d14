"""What the fast engine does besides simulating: progress, interruption, where it keeps compiled code."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from meshes import chains, wires

from tulle_ir.diagnostics import BadInput
from tulle_ir.target import load_target
from tulle_ir.text import parse_program
from tulle_runtime.fast import cache, run, run_fast, words
from tulle_runtime.fast.loop import run_slice
from tulle_runtime.result import RunResult

GENERIC = load_target("generic")


def test_progress_counts_up_to_the_result() -> None:
    seen: list[tuple[int, int]] = []
    result = run_fast(chains(16, 16, 12000), GENERIC, [], progress=lambda *now: seen.append(now))
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1][1] == result.crossings == 16 * 12000 * 15 * 3


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interrupt_ends_the_run(number: int) -> None:
    def stop(cycle: int, crossings: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_fast(wires(16, 48, 2000), GENERIC, [], progress=stop, workers=number)


def test_a_worker_does_not_wait_for_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    slices = []

    def gone(table: np.ndarray, events: int) -> int:
        if threading.current_thread() is threading.main_thread():  # the first worker's
            raise KeyboardInterrupt
        slices.append(run_slice(table, events))
        return slices[-1]

    monkeypatch.setattr(run, "run_slice", gone)
    with pytest.raises(KeyboardInterrupt):
        run_fast(wires(16, 48, 2000), GENERIC, [], workers=3)
    assert slices == [words.LEFT, words.LEFT]


@pytest.mark.parametrize("number", [0, 17])
def test_a_number_of_workers_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} workers: there can be 1 to 16"):
        run_fast(wires(2, 2, 1), GENERIC, [], workers=number)


def test_workers_log_what_leaves_the_mesh_in_its_order() -> None:
    text = """program "columns" target "generic" mesh 1x40 {
  %s
}"""
    streams = "".join(
        f'input "in{y}" : raw i32[90000] {{ port (0, {y}) west color 0 }}\n'
        f'output "out{y}" : raw i32[90000] {{ port (0, {y}) east color 0 }}\n'
        f'route "through{y}" {{ color 0: from west at (0, {y}), end east }}\n'
        for y in (0, 20, 39)
    )
    values = np.arange(90_000, dtype=np.uint32)
    result = run_fast(parse_program(text % streams), GENERIC, [[values + k] for k in range(3)], workers=2)
    for k, (port,) in enumerate(result.outputs):
        assert (port.values == values + k).all()
        assert (np.diff(port.cycles.astype(np.int64)) == 1).all()


def test_two_runs_are_equal() -> None:
    first, second = (run_fast(chains(8, 4, 100), GENERIC, []) for _ in range(2))
    assert first.cycles == second.cycles
    assert (first.counts.slots == second.counts.slots).all()


def many_colors(colors: int) -> RunResult:
    """A run of one router that hands on so many colors, a wavelet each, from the host to nobody."""
    inputs = "".join(f'input "{c}" : raw i32[1] {{ port (0, 0) west color {c} }}\n' for c in range(colors))
    routes = "".join(f'route "{c}" {{ color {c}: from west at (0, 0), end east }}\n' for c in range(colors))
    program = parse_program(f'program "many" target "generic" mesh 1x1 {{ {inputs} {routes} }}')
    target = replace(GENERIC, colors=colors + GENERIC.host_colors)
    return run_fast(program, target, [[np.array([7], np.uint32)]] * colors)


def test_a_router_takes_as_many_colors_as_it_can_tell_apart() -> None:
    assert many_colors(31).hops == 2 * 31


def test_more_colors_in_a_router_are_refused() -> None:
    with pytest.raises(BadInput, match="32 colors meet in a router"):
        many_colors(32)


def test_an_idle_mesh_costs_no_cycles() -> None:
    small, large = (run_fast(chains(8, height, 50, rows=1), GENERIC, []) for height in (1, 64))
    assert (small.cycles, small.crossings) == (large.cycles, large.crossings)
    assert large.counts.slots[1:].sum() == large.counts.waiting[1:].sum() == 0


def test_compiled_code_goes_to_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder().parent == tmp_path / "tulle" / "numba"
    assert os.environ["NUMBA_CACHE_DIR"]
