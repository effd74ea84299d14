"""A hand-written program that stands three times on its mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tulle_ir.artifact import read_program_text
from tulle_ir.diagnostics import MachineFault
from tulle_ir.program import Program, Protocol, Replicas
from tulle_ir.replicas import written_out
from tulle_ir.target import load_target
from tulle_ir.verify_program import require_valid
from tulle_runtime.host.chunking import Chunking
from tulle_runtime.host.dealing import deal
from tulle_runtime.session import Session

ECHOES = Path(__file__).parents[1] / "programs" / "echoes.tlir"


@pytest.fixture
def echoes() -> Program:
    return read_program_text(ECHOES)


@pytest.mark.parametrize("engine", ["reference", "fast"])
@pytest.mark.parametrize(("batch", "tokens"), [(1, 1), (2, 4), (3, 7), (4, 5), (8, 3)])
def test_sequences_come_back_in_the_order_of_the_batch(echoes: Program, engine: str, batch: int, tokens: int) -> None:
    ids = np.random.default_rng(tokens).integers(0, 9, (batch, tokens))
    session = Session(echoes, engine)
    (echoed,) = session.run(None, {"input_ids": ids})
    assert np.array_equal(echoed, ids)
    received = session.result.counts.received[:, 0].reshape(-1)
    assert [int(n > 0) for n in received] == [1, 0, int(batch > 1), 0, int(batch > 2)]
    assert session.report.tokens == batch * tokens


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_a_fault_names_the_copy(echoes: Program, engine: str) -> None:
    ids = np.zeros((3, 2), np.int64)
    ids[2, 1] = 9
    with pytest.raises(MachineFault) as caught:
        Session(echoes, engine).run(None, {"input_ids": ids})
    assert caught.value.where == "PE (0, 4) of echo@2 (/Identity)"


def test_the_row_of_a_kernel_is_that_of_its_slowest_copy(echoes: Program) -> None:
    session = Session(echoes)
    session.run(None, {"input_ids": np.zeros((4, 7), np.int64)})
    (kernel,) = session.report.kernels
    assert (session.report.replicas, kernel.name, kernel.replica, kernel.region) == (3, "echo", 0, (0, 0, 1, 1))
    assert kernel.straggler is not None and kernel.straggler.code == "pe"
    assert kernel.bound_cycles == session.report.bound_cycles


def test_a_program_written_out_is_sound_and_shares_its_code(echoes: Program) -> None:
    whole = written_out(echoes)
    require_valid(whole, load_target("generic"))
    assert [(of.name, of.grid.y) for of in whole.classes] == [("pe", 0), ("pe@1", 2), ("pe@2", 4)]
    assert all(of.tasks is echoes.classes[0].tasks for of in whole.classes)
    assert whole.replicas == Replicas()


def shares(chunking: Chunking, copies: int, protocol: Protocol) -> list[tuple[int, int]]:
    """(sequences, tokens of each) per copy."""
    program = Program("generic", (1, copies), protocol=protocol, replicas=Replicas(copies, 0, 1))
    return [(share.chunking.batch, share.chunking.tokens) for share in deal(chunking, program).shares]


@pytest.mark.parametrize(
    ("chunking", "protocol", "wanted"),
    [
        (Chunking(5, 7, 4), Protocol(4, context=8), [(2, 7), (2, 7), (1, 7)]),
        (Chunking(1, 7, 4), Protocol(4, context=8), [(1, 7), (0, 7), (0, 7)]),
        (Chunking(1, 7, 4), Protocol(4, last_only=True), [(1, 7), (0, 7), (0, 7)]),
        (Chunking(1, 18, 4), Protocol(4), [(1, 8), (1, 8), (1, 2)]),
        (Chunking(2, 8, 4), Protocol(4), [(1, 8), (1, 4), (1, 4)]),
        (Chunking(1, 3, 4), Protocol(4), [(1, 3), (0, 1), (0, 1)]),
    ],
)
def test_shares(chunking: Chunking, protocol: Protocol, wanted: list[tuple[int, int]]) -> None:
    assert shares(chunking, 3, protocol) == wanted
