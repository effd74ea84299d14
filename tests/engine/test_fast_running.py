"""What the fast engine does besides simulating: progress, interruption, where it keeps compiled code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from meshes import chains, wires

from tulle_ir.target import load_target
from tulle_runtime.fast import cache, run_fast

GENERIC = load_target("generic")


def test_progress_counts_up_to_the_result() -> None:
    seen: list[tuple[int, int]] = []
    result = run_fast(chains(16, 16, 12000), GENERIC, [], progress=lambda *now: seen.append(now))
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1][1] == result.crossings == 16 * 12000 * 15 * 3


def test_an_interrupt_ends_the_run() -> None:
    def stop(cycle: int, crossings: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_fast(wires(16, 16, 2000), GENERIC, [], progress=stop)


def test_two_runs_are_equal() -> None:
    first, second = (run_fast(chains(8, 4, 100), GENERIC, []) for _ in range(2))
    assert first.cycles == second.cycles
    assert (first.counts.slots == second.counts.slots).all()


def test_an_idle_mesh_costs_no_cycles() -> None:
    small, large = (run_fast(chains(8, height, 50, rows=1), GENERIC, []) for height in (1, 64))
    assert (small.cycles, small.crossings) == (large.cycles, large.crossings)
    assert large.counts.slots[1:].sum() == large.counts.waiting[1:].sum() == 0


def test_compiled_code_goes_to_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder().parent == tmp_path / "tulle" / "numba"
    assert os.environ["NUMBA_CACHE_DIR"]
