"""What the search for region sizes is given (Problem) and what it finds (Sizes)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tulle_compiler.options import Precision
from tulle_compiler.plan.lanes import LaneClasses
from tulle_compiler.plan.lower import Stage
from tulle_ir.target import Target

CODE_BYTES = 2048  # set aside for instructions and alignment


@dataclass(frozen=True)
class Limits:
    """What the search must respect. `area`: PEs that regions may cover; `links`: host links of the mesh."""

    target: Target
    mesh: tuple[int, int]
    area: float
    links: int

    @property
    def sides(self) -> tuple[int, int]:
        """Longest and shortest side that a region may have: bundles must find a way around it."""
        longest, shortest = max(self.mesh), min(self.mesh)
        return longest - longest // 8 - 1, max(1, shortest - shortest // 8 - 1)

    @property
    def bytes(self) -> int:
        """SRAM for data, leaving a margin for banks."""
        return self.target.sram_bytes - CODE_BYTES - self.target.sram_bytes // self.target.banks


@dataclass
class Sizes:
    """lanes per class; per stage: finishers, attention (columns, rows), embedding rows per group; estimates."""

    lanes: list[int]
    finishers: dict[int, int] = field(default_factory=dict)
    attention: dict[int, tuple[int, int]] = field(default_factory=dict)
    embed_rows: dict[int, int] = field(default_factory=dict)
    period: float = 0.0
    latency: float = 0.0
    area: float = 0.0
    growth: float = 0.0  # of the latency, cycles per token of history


@dataclass(frozen=True)
class Problem:
    """The stages with what the cost model needs. density: stored share of each linear's weights."""

    stages: list[Stage]
    classes: LaneClasses
    density: dict[int, float]
    dense: dict[int, bool]
    precision: Precision
    chunk: int
    context: int
    limits: Limits
    tokens: int  # length of the sequence whose cycles count
    once: frozenset[int] = frozenset()  # stages that see the last token of a sequence only
    behind_relu: frozenset[int] = frozenset()  # linears whose input's zeros can be filtered

    @property
    def wavelets(self) -> int:
        """Wavelets of a feature of a full chunk."""
        return self.precision.stream.wavelets(self.chunk)

    def alike(self) -> dict[int, int]:
        """Stages that cost the same, by their first member, and how many they are."""
        first: dict[tuple[object, ...], int] = {}
        counts: dict[int, int] = {}
        for i, stage in enumerate(self.stages):
            key = (
                stage.kind,
                stage.width,
                self.classes.width[self.classes.source[i]],
                stage.activation,
                stage.join,
                stage.keep,
                stage.norm.kind if stage.norm else "",
                round(self.density.get(i, 0.0), 2),
                self.dense.get(i),
                i in self.behind_relu,
            )
            member = first.setdefault(key, i)
            counts[member] = counts.get(member, 0) + 1
        return counts
