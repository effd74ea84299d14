"""The engines by name. Each is loaded when first asked for: the fast one brings numba."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np

from tulle_ir.diagnostics import UsageError
from tulle_ir.program import Program
from tulle_ir.routes import RouteEntries
from tulle_ir.target import Target
from tulle_runtime.result import RunResult

Engine = Callable[[Program, Target, list[list[np.ndarray]], int | None], RunResult]
"""(program, target, wavelets u32 per port of each input stream, most cycles or None) to the result of the run."""

Progress = Callable[[int, int], None]
"""Called now and then with the cycle and the crossings so far."""

Entries = Callable[[], RouteEntries]
"""Gives the route entries of the program that is run, for who wants them as well."""

ENGINES = ("fast", "reference")


def load_engine(name: str, entries: Entries | None = None, progress: Progress | None = None) -> Engine:
    """The engine `name`; only the fast one asks for entries and tells of its progress. Raises UsageError for an unknown
    one."""
    if name not in ENGINES:
        raise UsageError(f"there is no engine '{name}'", remedy=f"one of {', '.join(ENGINES)}")
    engine = getattr(import_module(f"tulle_runtime.{name}"), f"run_{name}")
    return partial(engine, entries=entries, progress=progress) if name == "fast" else engine
