"""The sizes that planning chooses, and what it foretells of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tulle_compiler.frontend import import_onnx
from tulle_compiler.kernels.chains import meeting_chain, sending_parity
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_compiler.plan.fitting import steps
from tulle_ir.report import Report
from tulle_runtime.session import Session

DENSE = Path(__file__).parents[2] / "examples" / "gpt2_topics" / "gpt2_topics_dense.onnx"
OPTIONS = CompileOptions(mesh=(64, 64), replicas=1, prune="magnitude:0.75")


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(compile_graph(import_onnx(DENSE), OPTIONS).artifact)


def report_of(session: Session, tokens: int) -> Report:
    ids = np.random.default_rng(0).integers(0, 60, (1, tokens))
    session.run(None, {session.inputs[0].name: ids})
    assert session.report is not None
    return session.report


def head_area(report: Report) -> int:
    return next(kernel.region[2] * kernel.region[3] for kernel in report.kernels if kernel.name == "head")


@pytest.mark.parametrize("chunks", [1, 4, 12])
def test_predicted_cycles_are_near_the_simulated_ones(session: Session, chunks: int) -> None:
    report = report_of(session, chunks * session.program.protocol.chunk)
    assert report.cycles is not None and report.predicted_cycles is not None
    assert abs(report.predicted_cycles / report.cycles - 1) < 0.15


def test_a_head_that_works_once_per_sequence_takes_few_pes(session: Session) -> None:
    last = Session(compile_graph(import_onnx(DENSE), replace(OPTIONS, logits="last")).artifact)
    found = report_of(last, 64)
    once, always = (head_area(report) for report in (found, report_of(session, 4)))
    assert once < always / 2
    assert found.cycles is not None and found.predicted_cycles is not None
    assert abs(found.predicted_cycles / found.cycles - 1) < 0.15


@pytest.mark.parametrize(("features", "limit"), [(1, 5), (7, 3), (64, 64), (768, 90)])
def test_sizes_worth_trying_rise_to_the_limit(features: int, limit: int) -> None:
    sizes = steps(features, limit)
    assert sizes[0] == 1 and sizes[-1] <= limit
    assert all(a < b for a, b in itertools.pairwise(sizes))
    assert all(size == -(-features // -(-features // size)) for size in sizes)  # none could do with fewer lanes


@pytest.mark.parametrize("length", range(1, 9))
def test_a_meeting_chain_leads_to_the_middle_on_colors_that_alternate(length: int) -> None:
    sent: dict[int, tuple[int, int]] = {}  # by sender: receiver, color
    for color in (0, 1):
        for bundle in meeting_chain(length, color):
            for i in range(bundle.lanes[0]):
                (leg,) = bundle.legs
                sent[bundle.x.constant + bundle.x.per_i * i] = leg.to.constant + leg.to.per_i * i, color
    middle = length // 2
    assert sent.keys() == set(range(length)) - {middle}
    assert all(to == p + (1 if p < middle else -1) for p, (to, _) in sent.items())
    assert all(color == sending_parity(p, length) for p, (_, color) in sent.items())
    arriving = [(to, color) for to, color in sent.values()]
    assert len(set(arriving)) == len(arriving)  # one input per PE and color
    assert all(color != sent[to][1] for to, color in sent.values() if to in sent)
