"""The kernel of every stage, from its sizes and the cuts of its streams."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from math import ceil

import numpy as np

from tulle_compiler.kernels.attention import Attention, plan_attention
from tulle_compiler.kernels.embed import Embed, plan_embed
from tulle_compiler.kernels.host_lanes import plan_host_lanes
from tulle_compiler.kernels.linear import Linear, filtering_pays, plan_linear
from tulle_compiler.kernels.strip import Strip, plan_strip
from tulle_compiler.partition import Partition
from tulle_compiler.plan.cuts import cut_classes
from tulle_compiler.plan.lower import Stage
from tulle_compiler.plan.problem import Problem
from tulle_compiler.plan.sizes import Sizes
from tulle_ir import graph as ops
from tulle_ir.host_links import host_links
from tulle_ir.plan import Kernel

RING_BYTES = 8192  # SRAM of a strip for waiting residual chunks


class Kernels:
    """Makes the kernels of a problem for a mesh. `cuts`: the partition of each class of lanes."""

    def __init__(self, problem: Problem, sizes: Sizes, mesh: tuple[int, int]) -> None:
        self.problem, self.sizes = problem, sizes
        self.links = len(host_links(problem.limits.target, mesh))
        self.cuts = cut_classes(problem.stages, problem.classes, sizes, problem.dense)

    @cached_property
    def filtered(self) -> frozenset[int]:
        """The linears whose input comes without its zeros: where that pays."""
        problem = self.problem
        args = (problem.limits.bytes, problem.precision, problem.limits.target, problem.chunk)
        return frozenset(i for i in problem.behind_relu if filtering_pays(self._linear(i), *args))

    def make(self, i: int) -> Kernel:
        """The kernel of stage i. One that works once per sequence sees single tokens, with buffers for a chunk."""
        kernel = self._make(i, self.problem.chunk)
        if i not in self.problem.once:
            return kernel
        return replace(kernel, cost=replace(self._make(i, 1).cost, max_pe_bytes=kernel.cost.max_pe_bytes))

    def _make(self, i: int, chunk: int) -> Kernel:
        """The kernel of stage i for chunks of that length."""
        problem, stage, cut = self.problem, self.problem.stages[i], self.cuts[self.problem.classes.output[i]]
        args = (problem.precision, problem.limits.target, chunk)
        match stage.kind:
            case "linear":
                return plan_linear(self._filtering(i), *args)
            case "strip":
                return plan_strip(self._strip(i, stage, cut), *args)
            case "attention":
                return plan_attention(self._attention(i, stage), *args)
            case "embed":
                return plan_embed(self._embed(i, stage, cut), *args)
            case "scatter":
                return plan_host_lanes(stage.name, True, cut, self._links(cut, 1), problem.precision, chunk)
            case _:
                cut = self.cuts[problem.classes.source[i]]
                links = self._links(cut, problem.gathers)
                return plan_host_lanes(stage.name, False, cut, links, problem.precision, chunk, stage.features)

    def _links(self, cut: Partition, streams: int) -> int:
        """Host links of one of some streams: as many as keep each busy for half of the period at most, if there are so
        many."""
        wavelets = len(cut.order) * self.problem.wavelets
        return min(self.links // streams, cut.lanes, ceil(2 * wavelets / self.sizes.estimate.period))

    def _linear(self, i: int) -> Linear:
        stage, classes = self.problem.stages[i], self.problem.classes
        op = stage.op
        assert isinstance(op, ops.Linear)
        return Linear(
            stage.name,
            stage.origin,
            op.weight,
            op.bias,
            stage.activation,
            self.cuts[classes.source[i]],
            self.cuts[classes.output[i]],
            self.sizes.finishers[i],
            self.problem.dense[i],
            columns=stage.features,
            scale=op.scale,
        )

    def _filtering(self, i: int) -> Linear:
        """The linear that lets no zeros in or out where filtering pays; dense tiles become sparse ones."""
        into, out = i in self.filtered, i in map(self.problem.producer, self.filtered)
        linear = self._linear(i)
        return replace(linear, dense=linear.dense and not into, filtered=into, filters=out)

    def _strip(self, i: int, stage: Stage, cut: Partition) -> Strip:
        norm, problem = stage.norm, self.problem
        room = RING_BYTES // max(1, cut.largest * problem.chunk * problem.precision.stream.size)
        return Strip(
            stage.name,
            stage.origin,
            cut,
            stage.join,
            stage.keep,
            norm.kind if norm else "none",
            None if norm is None or np.all(norm.gamma == 1) else norm.gamma,
            norm.beta if norm else None,
            norm.eps if norm else 0.0,
            max(1, min(32, room)),
            problem.last_only and i == problem.last_strip,
        )

    def _attention(self, i: int, stage: Stage) -> Attention:
        op = stage.op
        assert isinstance(op, ops.Attention)
        columns, rows = self.sizes.attention[i]
        return Attention(stage.name, stage.origin, op.heads, op.head_dim, op.scale, columns, rows, self.problem.context)

    def _embed(self, i: int, stage: Stage, cut: Partition) -> Embed:
        assert isinstance(stage.op, ops.Embed)
        positions = stage.op.positions
        if positions is not None:
            positions = positions[: self.problem.context]
        return Embed(stage.name, stage.origin, stage.op.table, positions, cut, self.sizes.embed_rows[i])
