"""What the search for region sizes decides (Draft, Sizes) and expects of it (Estimate)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Draft:
    """Sizes in the making: lanes per class (0: not yet known); per attention stage its (columns, rows) per head."""

    lanes: list[int]
    attention: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """Cycles and PEs of a pipeline. period: between two chunks, attention aside; latency: of a lone chunk half-way
    through the context, with `growth` cycles per token of history; `growing`: (period half-way through the context,
    cycles per token of history) of each kind of attention; `area`: PEs of all regions."""

    period: float
    latency: float
    growth: float
    growing: frozenset[tuple[float, float]]
    area: float


@dataclass(frozen=True)
class Sizes:
    """lanes per class; per stage: finishers, attention (columns, rows), embedding rows per group."""

    lanes: tuple[int, ...]
    attention: Mapping[int, tuple[int, int]]
    finishers: Mapping[int, int]
    embed_rows: Mapping[int, int]
    estimate: Estimate
