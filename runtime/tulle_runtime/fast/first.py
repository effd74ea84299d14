"""The first run ever: the engine is compiled, by two processes that share the work.

numba compiles in one thread. A helper process compiles what a PE does and leaves it in the cache; this process compiles
parts of that and what a router does meanwhile, then takes the PE from there and compiles the rest. What the helper does
not do, because it can't be started or fails, this process does as well.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba import boolean, int32, int64, types, uint64

from tulle_ir.progress import steps
from tulle_runtime.fast.axpy import axpy_cost
from tulle_runtime.fast.fetch import fetch, runnable
from tulle_runtime.fast.handle import HANDLE
from tulle_runtime.fast.loop import run_slice
from tulle_runtime.fast.main import complete, memory_effect
from tulle_runtime.fast.pe import pe_event
from tulle_runtime.fast.router import router_event
from tulle_runtime.fast.steps import fabric_run
from tulle_runtime.fast.vector import vector_cost

# What the helper compiles, and this process meanwhile, each in this order, with the types of the arguments that come
# after the machine. What both need is compiled by one, and in the cache by the time that the other comes to it, or else
# compiled twice.
HELPER = (
    (memory_effect, (int64, int32, int32)),
    (complete, (int64, int64, int64)),
    (runnable, (int64, int64)),
    (fetch, (int64, int64, int64, boolean)),
    (pe_event, (int64, int32, int64)),
)
HERE = (
    (fabric_run, (int64, int64, int64, int64, int64, boolean)),
    (vector_cost, (int64, int32)),
    (axpy_cost, (int64, int32)),
    (router_event, (int32, int64)),
)
_PATIENCE = 60.0  # seconds that the helper may take longer than this process
_HELP = "import os; from tulle_runtime.fast.first import help_out; help_out(); os._exit(0)"  # without clearing up


def compile_engine() -> None:
    """Compiles what a run needs, unless that was done before, by this process or by one that left it in the cache."""
    kept = Path(os.environ["NUMBA_CACHE_DIR"]).glob(f"*/loop.{run_slice.__name__}-*.nbi")
    if run_slice.overloads or any(kept):
        return
    helper = _start_helper()
    try:
        with _without_collecting():
            table = types.Array(uint64, 1, "C")
            everything = [*_typed(HERE), (run_slice, (table, int64))]
            for function, arguments in steps("compile engine", everything, "parts"):
                if function is run_slice and helper is not None:
                    with suppress(subprocess.TimeoutExpired):
                        helper.wait(_PATIENCE)
                function.compile(arguments)
    finally:
        if helper is not None:
            helper.kill()
            helper.wait()


def help_out() -> None:
    """Compiles the helper's part."""
    with _without_collecting():
        for function, arguments in _typed(HELPER):
            function.compile(arguments)


def _start_helper() -> subprocess.Popen[bytes] | None:
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen([sys.executable, "-c", _HELP], stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        return None


def _typed(part: tuple[tuple[Any, tuple[Any, ...]], ...]) -> list[tuple[Any, Any]]:
    """Functions and the types of all their arguments."""
    return [(function, (HANDLE, *arguments)) for function, arguments in part]


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Compiling makes millions of objects that stay; to look for garbage among them takes a tenth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
