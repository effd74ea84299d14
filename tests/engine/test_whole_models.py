"""The engines agree on whole models, shrunken to a size that the reference engine runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from models import Gpt, Pruning, write_gpt
from test_fast_equals_reference import differences

import tulle
from tulle_runtime.fast import run, workers
from tulle_runtime.session import Session

SMALL = Gpt(width=24, heads=2, layers=2, vocabulary=40, context=16)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_a_shrunken_gpt2_runs_as_on_the_reference_engine(
    objective: Literal["latency", "throughput"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.onnx"
    write_gpt(model, SMALL, Pruning(0.75))
    artifact = tulle.compile(model, target="generic", objective=objective)
    ids = np.arange(9)[None] * 4 % SMALL.vocabulary
    results = []
    monkeypatch.setattr(workers, "STRIPE", 2)
    for engine, number in (("reference", 1), ("fast", 1), ("fast", 2)):
        monkeypatch.setattr(run, "worthwhile", lambda _, number=number: number)
        session = Session(artifact, engine)
        session.run(None, {session.inputs[0].name: ids})
        assert session.result is not None
        results.append(session.result)
    assert results[0].status == "ok"
    assert differences(results[0], results[1]) == differences(results[0], results[2]) == []
