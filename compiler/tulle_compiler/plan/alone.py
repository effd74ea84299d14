"""A linear by itself on a mesh: the plan of a layout (layouts.py), which gives it the whole mesh.

Blocks stand side by side and above each other. Each has a scatter along its top, its tiles below, and a gather down the
side that is nearest to an edge; those in the lower half of the mesh are upside down:

    | g | scatter | scatter | g |
    | g | tiles   | tiles   | g |    (two blocks)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import ceil

import numpy as np

from tulle_compiler.kernels.host_lanes import plan_host_lanes
from tulle_compiler.kernels.linear import Linear, plan_linear
from tulle_compiler.partition import Partition, contiguous
from tulle_compiler.partition_tiles import balanced_tiles, deal
from tulle_compiler.plan.layouts import WIRES, Alone, Layout, drain, late
from tulle_compiler.plan.lower import Stage
from tulle_ir.code import DType
from tulle_ir.plan import HOST, End, HostNet, Kernel, Net


def is_alone(stages: list[Stage]) -> bool:
    """Whether a lowered model is one linear between the host's streams."""
    return [stage.kind for stage in stages] == ["scatter", "linear", "gather"]


def plan_alone(
    alone: Alone, stages: list[Stage], layout: Layout, source: str, result: str
) -> tuple[tuple[Kernel, ...], tuple[Net, ...], tuple[HostNet, ...]]:
    """Kernels and nets of a layout; `source` and `result` name the host's streams."""
    builder = _Builder(alone, stages, layout)
    for copy, part in product(range(layout.sizes.copies), range(layout.sizes.parts)):
        builder.block(copy, part)
    into, out = builder.host
    return (
        tuple(builder.kernels),
        tuple(builder.nets),
        (HostNet(source, True, tuple(into)), HostNet(result, False, tuple(out))),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Scatter, tiles and gather of some outputs, and their lanes."""

    inputs: Partition
    outputs: Partition
    kernels: tuple[Kernel, Kernel, Kernel]


class _Builder:
    """Collects the kernels and nets block by block."""

    def __init__(self, alone: Alone, stages: list[Stage], layout: Layout) -> None:
        self.alone, self.layout = alone, layout
        self.scatter, self.linear, self.gather = stages
        self.kernels: list[Kernel] = []
        self.nets: list[Net] = []
        self.host: tuple[list[int], list[int]] = ([], [])
        self.blocks = layout.sizes.copies * layout.sizes.parts
        self.links = max(1, alone.links // self.blocks)
        weight = alone.op.weight
        work = np.full(weight.shape[1], weight.shape[0]) if alone.dense else np.count_nonzero(weight, axis=0)
        self.columns = deal(work, layout.sizes.parts)
        self.parts = [self._part(columns) for columns in self.columns]

    def _part(self, columns: np.ndarray) -> _Part:
        """Scatter, tiles and gather of the output features `columns`."""
        alone, layout = self.alone, self.layout
        precision, target, chunk = alone.precision, alone.target, layout.chunk
        weight = alone.op.weight[:, columns]
        inputs, outputs = self._cut(weight)
        linear = Linear(
            self.linear.name,
            self.linear.origin,
            weight,
            None if alone.op.bias is None else alone.op.bias[columns],
            alone.activation,
            inputs,
            outputs,
            layout.sizes.finishers,
            alone.dense,
            columns=columns if layout.sizes.parts > 1 else None,
            groups=layout.groups,
        )
        into, out = min(self.links, inputs.lanes), min(self.links, outputs.lanes)
        args = (precision, chunk)
        scatter = plan_host_lanes(self.scatter.name, True, inputs, into, *args)
        tiles = plan_linear(linear, precision, target, chunk)
        gather = plan_host_lanes(self.gather.name, False, outputs, out, *args, columns, even=True, groups=layout.groups)
        return _Part(inputs, outputs, self._overlapping(inputs, scatter, tiles, gather))

    def _overlapping(
        self, inputs: Partition, scatter: Kernel, tiles: Kernel, gather: Kernel
    ) -> tuple[Kernel, Kernel, Kernel]:
        """Kernels whose latencies add up: tiles work while rows still come in, and results leave by groups."""
        groups, work = self.layout.groups, tiles.cost.predicted
        received = inputs.largest * self.alone.precision.stream.wavelets(self.layout.chunk)
        waits = late(WIRES * scatter.cost.predicted - received, work - received, groups)
        last = drain(WIRES * gather.cost.predicted, work, groups)
        return (
            replace(scatter, cost=replace(scatter.cost, latency=waits)),
            tiles,
            replace(gather, cost=replace(gather.cost, latency=last)),
        )

    def block(self, copy: int, part: int) -> None:
        """The kernels of a copy of a part, and the nets that join them."""
        suffix = f".{copy * self.layout.sizes.parts + part}" if self.blocks > 1 else ""
        first, made = len(self.kernels), self.parts[part]
        turn = {"turn": copy, "turns": self.layout.sizes.copies} if self.layout.sizes.copies > 1 else {}
        self.kernels += [replace(k, name=k.name + suffix, params={**k.params, **turn}) for k in made.kernels]
        self._join(first, made.inputs, self.alone.precision.stream)
        self._join(first + 1, made.outputs, self.alone.result)
        scatter, _, gather = made.kernels
        into, out = int(scatter.params["links"]), int(gather.params["links"])
        for t in range(into):
            name = f"{scatter.name}{suffix}.in{t}"
            self._with_host(self.host[0], name, End(HOST), End(first, t), made.inputs, into)
        for t in range(out):
            name = f"{gather.name}{suffix}.out{t}"
            self._with_host(self.host[1], name, End(first + 2, t), End(HOST), made.outputs, out)

    def _cut(self, weight: np.ndarray) -> tuple[Partition, Partition]:
        """Input and output lanes of a part."""
        lanes = self.layout.sizes.inputs, self.layout.sizes.outputs
        if self.alone.dense:
            return contiguous(weight.shape[0], lanes[0]), contiguous(weight.shape[1], lanes[1])
        return balanced_tiles(weight, *lanes)

    def _join(self, a: int, cut: Partition, dtype: DType) -> None:
        """The net of all lanes from kernel a to the next one."""
        source, sink = self.kernels[a].terminal("y"), self.kernels[a + 1].terminal("x")
        wavelets = 1 + cut.largest * dtype.wavelets(self.layout.chunk)
        net = Net(f"{self.kernels[a + 1].name}.x", End(a, source), End(a + 1, sink), cut.lanes, dtype, wavelets)
        self.nets.append(net)

    def _with_host(self, stream: list[int], name: str, source: End, sink: End, cut: Partition, links: int) -> None:
        """A net over one of the `links` that a scatter or gather uses."""
        precision = self.alone.precision
        wavelets = 1 + ceil(len(cut.order) / links) * precision.stream.wavelets(self.layout.chunk)
        stream.append(len(self.nets))
        self.nets.append(Net(name, source, sink, 1, precision.stream, wavelets))
