"""What planning works on: the stages of a lowered model, the chunk, and the mesh that they must fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tulle_compiler.fold import fold_norms
from tulle_compiler.options import CompileOptions, Precision
from tulle_compiler.plan.lanes import LaneClasses, lane_classes
from tulle_compiler.plan.lower import Stage, lower
from tulle_ir import graph as ops
from tulle_ir.code import DType
from tulle_ir.diagnostics import BadInput, UsageError
from tulle_ir.host_links import host_links
from tulle_ir.target import Target

CODE_BYTES = 2048  # set aside for instructions and alignment
DENSE_ABOVE = 0.9  # density from which a matrix is stored without indices


@dataclass(frozen=True)
class Limits:
    """What sizes must respect. `area`: PEs that regions may cover; `links`: host links of the mesh."""

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


@dataclass(frozen=True, eq=False)
class Problem:
    """density: stored share of each linear's weights; `dense`: whether zeros are stored like other weights; `sequence`:
    tokens of the longest one, None if rows are independent; `filters`: whether zeros may be left unsent."""

    stages: list[Stage]
    classes: LaneClasses
    density: Mapping[int, float]
    dense: Mapping[int, bool]
    precision: Precision
    limits: Limits
    chunk: int
    sequence: int | None
    last_only: bool
    filters: bool

    @property
    def context(self) -> int:
        """Most positions of a sequence."""
        return self.sequence or self.chunk

    @property
    def wavelets(self) -> int:
        """Wavelets of a feature of a full chunk."""
        return self.precision.stream.wavelets(self.chunk)

    def producer(self, i: int) -> int:
        """The stage that stage i, which has one input, takes it from."""
        ((_, wire),) = self.stages[i].inputs
        return wire.producer

    @cached_property
    def last_strip(self) -> int | None:
        """The strip behind which everything leads straight to the gather, or gathers."""
        current = self.producer(len(self.stages) - 1)
        while self.stages[current].kind == "linear" or self._is_fork(self.stages[current]):
            current = self.producer(current)
        stage = self.stages[current]
        return current if stage.kind == "strip" and not stage.keep else None

    @staticmethod
    def _is_fork(stage: Stage) -> bool:
        return stage.kind == "strip" and stage.keep and not stage.join and stage.norm is None

    @property
    def gathers(self) -> int:
        """Among how many the host links for results are divided."""
        return sum(stage.kind == "gather" for stage in self.stages)

    @cached_property
    def once(self) -> frozenset[int]:
        """Stages behind the strip that passes on the last token of a sequence only."""
        if not self.last_only or self.last_strip is None:
            return frozenset()
        return frozenset(range(self.last_strip + 1, len(self.stages)))

    @cached_property
    def behind_relu(self) -> frozenset[int]:
        """The linears whose input's zeros can be filtered."""
        if self.chunk > 1 or self.precision.stream is not DType.F16 or not self.filters:
            return frozenset()
        linears = (i for i, stage in enumerate(self.stages) if stage.kind == "linear")
        return frozenset(i for i in linears if self.stages[self.producer(i)].activation == "relu")

    @cached_property
    def alike(self) -> tuple[int, ...]:
        """Per stage, the first one that costs the same: the blocks of a GPT are alike."""
        first: dict[tuple[object, ...], int] = {}
        return tuple(first.setdefault(self._traits(i), i) for i in range(len(self.stages)))

    def _traits(self, i: int) -> tuple[object, ...]:
        """What the costs of stage i depend on, but for sizes."""
        stage = self.stages[i]
        return (
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
            i in self.once,
            self._attention_traits(stage),
        )

    def _attention_traits(self, stage: Stage) -> tuple[int, int, float] | None:
        """Sizes of an attention, and the density of the linear that decides its columns."""
        if not isinstance(stage.op, ops.Attention):
            return None
        ((_, wire),) = stage.inputs
        return stage.op.heads, stage.op.head_dim, round(self.density[wire.producer], 2)


def problem_of(
    graph: ops.Graph, options: CompileOptions, target: Target, mesh: tuple[int, int], fill: float
) -> Problem:
    """The problem of a Graph, regions covering a share `fill` of the mesh at most; its chunk is yet to be chosen."""
    stages = lower(fold_norms(graph))
    weights = {i: stage.op.weight for i, stage in enumerate(stages) if isinstance(stage.op, ops.Linear)}
    shares = {i: np.count_nonzero(weight) / max(1, weight.size) for i, weight in weights.items()}
    dense = {i: bool(options.ignore_sparsity or share >= DENSE_ABOVE) for i, share in shares.items()}
    return Problem(
        stages,
        lane_classes(stages),
        {i: 1.0 if dense[i] else share for i, share in shares.items()},
        dense,
        Precision.of(options),
        Limits(target, mesh, fill * mesh[0] * mesh[1], len(host_links(target, mesh))),
        1,
        context_of(graph, options),
        options.logits == "last" or graph.output.rows == "last",
        filters=not options.ignore_sparsity,
    )


def context_of(graph: ops.Graph, options: CompileOptions) -> int | None:
    """Longest sequence in tokens (None: rows are independent). Raises for a context the model does not have."""
    if options.chunk is not None and not 1 <= options.chunk <= 255:
        raise UsageError(f"--chunk {options.chunk} is outside 1 .. 255")
    if options.context is not None and options.context < 1:
        raise UsageError(f"--context {options.context} must be at least 1")
    if graph.context is None or options.context is None:
        return graph.context or None
    if options.context > graph.context:
        raise BadInput(
            f"a context of {options.context} tokens was asked for, the model has positions for {graph.context}",
            remedy=f"--context {graph.context} or less",
        )
    return options.context
