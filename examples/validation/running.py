"""What the validation scripts share: the layout of SRAM, the choice of the engine, and the run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

import numpy as np

from tulle_ir.program import Program
from tulle_ir.target import Target, load_target
from tulle_runtime.engines import ENGINES, load_engine
from tulle_runtime.result import RunResult

TARGET = "wse2"
TYPES = {np.dtype(np.float32): "f32", np.dtype(np.int32): "i32", np.dtype(np.uint16): "u16"}
EVERY = range(1 << 30)


@dataclass
class Buffers:
    """The buffers of all PEs of a mesh, one after the other in SRAM; contents are [height, width, elements]."""

    contents: dict[str, np.ndarray]
    addresses: dict[str, int] = field(default_factory=dict)
    extent: int = 0  # bytes

    def __post_init__(self) -> None:
        given, self.contents = self.contents, {}
        for name, array in given.items():
            self.add(name, array)

    def add(self, name: str, array: np.ndarray, at: int = 0) -> None:
        """Put a buffer behind the others, or at address `at` if that is further on."""
        self.contents[name], self.addresses[name] = array, max(at, self.extent)
        self.extent = -(-(self.addresses[name] + array.shape[2] * array.itemsize) // 4) * 4
        if self.extent > wse2().sram_bytes:
            raise SystemExit(f"the tiles need {self.extent} bytes with '{name}', a PE has {wse2().sram_bytes}")

    def declarations(self, prefix: str) -> str:
        """The lines of a class."""
        return "\n    ".join(
            f"buffer {name} : {TYPES[array.dtype]}[{array.shape[2]}] at {self.addresses[name]}"
            f' = tensor "{prefix}.{name}"'
            for name, array in self.contents.items()
        )

    def tensors(self, prefix: str, xs: range, ys: range = EVERY) -> dict[str, np.ndarray]:
        """What the buffers of a class hold, in the columns `xs` and rows `ys` of the mesh: a row per PE."""
        return {
            f"{prefix}.{name}": array[_slice(ys), _slice(xs)].reshape(-1, array.shape[2])
            for name, array in self.contents.items()
        }


def _slice(xs: range) -> slice:
    return slice(xs.start, xs.stop, xs.step)


def declarations(tensors: Mapping[str, np.ndarray]) -> str:
    """The lines of a program that declare tensors."""
    return "\n  ".join(
        f'tensor "{name}" : {TYPES[array.dtype]}[{", ".join(map(str, array.shape))}]' for name, array in tensors.items()
    )


@cache
def wse2() -> Target:
    """The machine that the published figures are of."""
    return load_target(TARGET)


def default_engine() -> str:
    """The fast engine where it is installed."""
    return "fast" if find_spec("tulle_runtime.fast") else "reference"


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--engine` and `--deliver`."""
    parser.add_argument("--engine", choices=ENGINES, default=default_engine())
    parser.add_argument("--deliver", action="store_true", help="send the result to the host and check it")


def run(
    program: Program,
    engine: str,
    inputs: Sequence[Sequence[np.ndarray]] = (),
    *,
    target: Target | None = None,
) -> RunResult:
    """Run a program on the wavelets of each port of its input streams; anything but a good end is an error.

    `target`: a variation of the machine.
    """
    result = load_engine(engine)(program, target or wse2(), [list(stream) for stream in inputs], None)
    if result.status != "ok":
        raise SystemExit(f"the run ended with {result.status}: {result.fault or result.waits}")
    return result


def delivered(result: RunResult) -> np.ndarray:
    """The f32 values that the only output port received."""
    return result.outputs[0][0].values.view(np.float32)
