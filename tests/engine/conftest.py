"""Every statement about the machine is made of both engines."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import pytest
from tiny import GENERIC

from tulle_ir.program import Program
from tulle_runtime.engines import ENGINES
from tulle_runtime.result import RunResult


@pytest.fixture(params=ENGINES)
def run(request: pytest.FixtureRequest) -> Callable[..., RunResult]:
    """run(program, words, ..., max_cycles=None): one list of wavelets per input stream; missing ones are empty."""
    module = import_module(f"tulle_runtime.{request.param}")
    engine = getattr(module, f"run_{request.param}")

    def run(program: Program, *words: list[int] | np.ndarray, max_cycles: int | None = None) -> RunResult:
        streams = [stream for stream in program.streams if stream.is_input]
        given = [*words, *[[]] * (len(streams) - len(words))]
        return engine(program, GENERIC, [[np.array(each, np.uint32)] for each in given], max_cycles)

    return run
