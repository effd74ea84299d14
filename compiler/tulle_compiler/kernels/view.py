"""What an emitter sees of the routed plan: one kernel, its place, its colors and the order of its lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition
from tulle_ir.code import DType
from tulle_ir.geometry import Frame
from tulle_ir.plan import Kernel
from tulle_ir.target import Target


@dataclass(frozen=True, slots=True)
class PortView:
    """A terminal after routing: the color and the lane of each position."""

    colors: tuple[int, ...]  # per position
    reversed: bool
    dtype: DType

    def lane(self, position: int) -> int:
        """The lane carried at a position."""
        return len(self.colors) - 1 - position if self.reversed else position

    def lanes(self) -> np.ndarray:
        """The lanes at positions 0, 1, ... (i64)."""
        lanes = np.arange(len(self.colors))
        return lanes[::-1] if self.reversed else lanes


@dataclass(frozen=True)
class View:
    """Everything a kernel's emitter needs. `chunk`: most tokens of a chunk."""

    kernel: Kernel
    frame: Frame
    target: Target
    precision: Precision
    chunk: int
    colors: tuple[int, ...]  # of the kernel's internal routes
    ports: Mapping[str, PortView]

    def number(self, name: str) -> int:
        """An integer parameter of the kernel."""
        return int(self.kernel.params[name])

    def groups(self) -> tuple[int, ...]:
        """Weights of the groups in which rows leave."""
        return tuple(map(int, str(self.kernel.params["groups"]).split()))

    def partition(self, name: str) -> Partition:
        """A partition stored in the kernel's tensors."""
        return Partition(self.kernel.tensors[f"{name}.order"], self.kernel.tensors[f"{name}.start"])


def group_text(weights: tuple[int, ...]) -> str:
    """How weights of groups are kept among a kernel's parameters."""
    return " ".join(map(str, weights))


def partition_tensors(name: str, partition: Partition) -> dict[str, np.ndarray]:
    """How a partition is kept among a kernel's tensors."""
    return {f"{name}.order": partition.order, f"{name}.start": partition.start}
