"""The fast engine: crossings per second and core, and what idle PEs, idle cycles and long vectors cost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from meshes import axpys, chains, wires
from models import GPTS, Pruning, write_gpt

import tulle
from tulle_ir.program import Program
from tulle_ir.target import load_target
from tulle_runtime.fast import run_fast
from tulle_runtime.result import RunResult
from tulle_runtime.session import Session


def main() -> None:
    """Both tables. Seconds are CPU seconds of one core, which has one worker."""
    with one_core():
        _tables()


@contextmanager
def one_core() -> Iterator[None]:
    """Keeps this process to one core, where the system lets it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _tables() -> None:
    run_fast(chains(4, 2, 8), load_target("generic"), [])  # compiles the engine
    print("seconds per crossing (links and ramps) on one core: what a longer run takes more than a short one")
    print(f"{'':36}{'PEs':>9}{'crossings':>12}{'seconds':>9}{'per second':>12}")
    _rate("chains of sums, in cache", *(chains(16, 16, n) for n in (8_000, 80_000)))
    _rate("chains of sums, 64 x 64", *(chains(64, 64, n) for n in (500, 5_000)))
    _rate("chains of sums, the whole wafer", *(chains(750, 994, n) for n in (16, 200)))
    _rate("wires, 64 x 64", *(wires(64, 64, n) for n in (4_000, 40_000)))
    _model("one block of GPT-2 and a head", 16, 64)
    print("\nwhat costs nothing: PEs without work, cycles without events; long vectors cost their arithmetic alone")
    print(f"{'':36}{'PEs':>9}{'cycles':>12}{'seconds':>9}{'MACs':>12}")
    _cost("one busy row of 512 x 32", *(chains(512, 32, n, rows=1) for n in (1_000, 40_000)))
    _cost("the same in a mesh 16 x larger", *(chains(512, 512, n, rows=1) for n in (1_000, 40_000)))
    _cost("AXPYs of 16 elements, 32 x 32", *(axpys(32, 32, 16, times) for times in (100, 2_000)))
    _cost("the same of 256", *(axpys(32, 32, 256, times) for times in (100, 2_000)))


def _timed(program: Program) -> tuple[RunResult, float]:
    start = time.process_time()
    result = run_fast(program, load_target("generic"), [])
    return result, time.process_time() - start


def _rate(name: str, short: Program, long: Program) -> None:
    """Loading is the same in both."""
    (first, begun), (last, ended) = _timed(short), _timed(long)
    more, seconds = last.crossings - first.crossings, ended - begun
    pes = long.mesh[0] * long.mesh[1]
    print(f"{name:36}{pes:>9,}{more:>12.3g}{seconds:>9.2f}{more / seconds:>12.3g}", flush=True)


def _model(name: str, few: int, many: int) -> None:
    """The same inside a model: what `many` tokens take more than `few`."""
    with TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        write_gpt(model, replace(GPTS["gpt2"], layers=1, vocabulary=2000), Pruning(0.75))
        artifact = tulle.compile(model)
    pes = sum(cls.grid.width * cls.grid.height for cls in artifact.program.classes)
    crossings, seconds = [], []
    for tokens in (few, many):
        session = Session(artifact, verified=True)
        start = time.process_time()
        session.run(None, {session.inputs[0].name: np.arange(tokens)[None]})
        assert session.result is not None
        seconds.append(time.process_time() - start)
        crossings.append(session.result.crossings)
    more, spent = crossings[1] - crossings[0], seconds[1] - seconds[0]
    print(f"{name:36}{pes:>9,}{more:>12.3g}{spent:>9.2f}{more / spent:>12.3g}", flush=True)


def _cost(name: str, short: Program, long: Program) -> None:
    (first, begun), (last, ended) = _timed(short), _timed(long)
    more, macs = last.cycles - first.cycles, int((last.counts.macs - first.counts.macs).sum())
    pes = long.mesh[0] * long.mesh[1]
    print(f"{name:36}{pes:>9,}{more:>12,}{ended - begun:>9.2f}{macs:>12.3g}", flush=True)
