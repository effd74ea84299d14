"""Channels that act as one, and entities that go ahead: what is joined, and that nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import chains, wires
from test_fast_equals_reference import differences

from tulle_ir.program import Program
from tulle_ir.routes import expand_routes
from tulle_ir.target import load_target
from tulle_runtime.fast import run_fast
from tulle_runtime.fast.chains import join
from tulle_runtime.fast.layout import build
from tulle_runtime.reference import run_reference

GENERIC = load_target("generic")


def test_a_chain_sums_what_its_channels_hold_and_take() -> None:
    follows = np.array([1, 2, 2, 3])
    joined = join(follows, np.full(4, 4), np.array([3, 1, 2, 1]), np.array([False, True, False, True]))
    assert joined.last.tolist() == [2, 2, 2, 3]
    ends = [2, 3]
    assert joined.capacity[ends].tolist() == [12, 4]
    assert joined.latency[ends].tolist() == [6, 1]
    assert joined.length[ends].tolist() == [3, 1]
    assert joined.hops[ends].tolist() == [1, 1]


def test_a_channel_no_longer_than_its_latency_stays_alone() -> None:
    joined = join(np.array([1, 1]), np.array([1, 4]), np.array([1, 1]), np.array([True, True]))
    assert joined.last.tolist() == [0, 1]


def test_a_circle_ends() -> None:
    join(np.array([1, 2, 0]), np.full(3, 4), np.ones(3, np.int64), np.ones(3, bool))


def test_a_wire_is_one_channel() -> None:
    program = wires(8, 1, 4)
    entries, _ = expand_routes(program)
    ahead, plain = (build(program, entries, GENERIC, [], ahead=ahead) for ahead in (True, False))
    assert (ahead.runs.sum(), plain.runs.sum()) == (0, 8)


@pytest.mark.parametrize("program", [wires(9, 2, 60), chains(8, 2, 60)], ids=["wires", "chains"])
def test_streams_run_as_on_the_reference_engine(program: Program) -> None:
    assert differences(run_reference(program, GENERIC, []), run_fast(program, GENERIC, [])) == []


def test_a_limit_in_the_middle_of_a_chain_is_exact() -> None:
    for limit in (5, 20, 33, 34, 35):
        program = wires(9, 1, 20)
        assert differences(run_reference(program, GENERIC, [], limit), run_fast(program, GENERIC, [], limit)) == []
