"""What the validation scripts share: the choice of the engine, and the run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from tulle_ir.program import Program
from tulle_ir.target import load_target
from tulle_runtime.engines import ENGINES, load_engine
from tulle_runtime.result import RunResult

TARGET = "wse2"


def default_engine() -> str:
    """The fast engine where it is installed."""
    return "fast" if find_spec("tulle_runtime.fast") else "reference"


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--engine` and `--deliver`."""
    parser.add_argument("--engine", choices=ENGINES, default=default_engine())
    parser.add_argument("--deliver", action="store_true", help="send the result to the host and check it")


def run(program: Program, engine: str, inputs: Sequence[Sequence[np.ndarray]] = ()) -> RunResult:
    """Run a program on the wavelets of each port of its input streams; anything but a good end is an error."""
    result = load_engine(engine)(program, load_target(TARGET), [list(stream) for stream in inputs], None)
    if result.status != "ok":
        raise SystemExit(f"the run ended with {result.status}: {result.fault or result.waits}")
    return result


def delivered(result: RunResult) -> np.ndarray:
    """The f32 values that the only output port received."""
    return result.outputs[0][0].values.view(np.float32)
