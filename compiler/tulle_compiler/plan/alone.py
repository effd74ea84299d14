"""A linear by itself on a mesh: how the whole mesh is given to it, and the plan that results.

The outputs are dealt to parts that stand side by side. Each part has a scatter along its top, its tiles below, and a
gather down the side that is nearest to an edge, so that a part's tiles come near the shape in which receiving and
adding up cost least, whatever the shape of the mesh:

    | scatter   |   |   scatter |
    | tiles     | g | g | tiles |    (two parts; gathers stand at the outer sides)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np

from tulle_compiler.kernels.finish import finish_slots
from tulle_compiler.kernels.host_lanes import plan_host_lanes
from tulle_compiler.kernels.linear import Linear, plan_linear, tile_bytes, tile_slots
from tulle_compiler.options import Precision
from tulle_compiler.partition import Partition, contiguous
from tulle_compiler.partition_tiles import balanced_tiles, deal
from tulle_compiler.plan.lower import Stage
from tulle_ir import graph as ops
from tulle_ir.code import DType
from tulle_ir.host_links import host_links
from tulle_ir.plan import End, HostNet, Kernel, Net
from tulle_ir.target import Target

CHUNKS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 255)  # tokens per chunk that are tried
MOST_CHUNKS = 32  # chunks that divide the tokens evenly are tried up to this number
MAX_PARTS = 6
MAX_FINISHERS = 12
IMBALANCE = 8  # non-zeros that the heaviest tile has more than the mean one, before the partition is known
CHAIN = 6  # cycles per tile of a row until the last sum of a chunk is out
CODE_BYTES = 1024  # set aside for instructions and alignment


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of one part: input lanes, output lanes, finishers per row; how many parts, tokens per chunk, and the cycles
    that all this should take for the tokens asked for."""

    parts: int
    inputs: int
    outputs: int
    finishers: int
    chunk: int
    cycles: float


@dataclass(frozen=True)
class Alone:
    """The linear with what its layout depends on. `tokens`: length of the sequence whose cycles count."""

    op: ops.Linear
    activation: str
    dense: bool
    precision: Precision
    target: Target
    mesh: tuple[int, int]
    tokens: int

    @cached_property
    def nonzeros(self) -> int:
        """Weights stored."""
        return self.op.weight.size if self.dense else int(np.count_nonzero(self.op.weight))

    @property
    def passes_through(self) -> bool:
        """Whether the sums are the results, but for their type: neither bias nor activation."""
        return self.op.bias is None and self.activation == "none"

    @property
    def result(self) -> DType:
        """The element type that leaves the tiles and finishers."""
        return self.precision.reduce if self.passes_through else self.precision.stream


def is_alone(stages: list[Stage]) -> bool:
    """Whether a lowered model is one linear between the host's streams."""
    return [stage.kind for stage in stages] == ["scatter", "linear", "gather"]


def best_layout(alone: Alone, chunk: int | None, longest: int) -> Layout | None:
    """The layout of fewest cycles whose PEs have the memory it takes; None if there is none."""
    tokens = alone.tokens
    even = {ceil(tokens / n) for n in range(1, MOST_CHUNKS + 1)}
    chunks = [chunk] if chunk else sorted(c for c in {*CHUNKS, *even} if c <= min(longest, tokens))
    found = (_layout(alone, *sizes, c) for sizes in _sizes(alone) for c in chunks)
    return min((f for f in found if f), key=lambda f: (f.cycles, f.parts, f.inputs, f.chunk), default=None)


def _sizes(alone: Alone) -> Iterator[tuple[int, int, int, int]]:
    """Parts, input lanes, output lanes and finishers that fill the mesh, upright or on its side."""
    features_in, features_out = alone.op.weight.shape
    most = 0 if alone.passes_through else MAX_FINISHERS
    for width, height in dict.fromkeys((alone.mesh, alone.mesh[::-1])):
        for parts in range(1, min(MAX_PARTS, features_out) + 1):
            for finishers in range(min(1, most), most + 1):
                inputs = min(width // parts - 1 - finishers, features_in)
                outputs = min(height - 1, features_out // parts)
                if inputs >= 1 and outputs >= 1:
                    yield parts, inputs, outputs, finishers


def _layout(alone: Alone, parts: int, inputs: int, outputs: int, finishers: int, chunk: int) -> Layout | None:
    """The layout with its cycles; None if a PE has too little memory."""
    precision, target = alone.precision, alone.target
    features_in, features_out = alone.op.weight.shape
    k, r = ceil(features_in / inputs), ceil(features_out / (outputs * parts))
    mean = ceil(alone.nonzeros / (parts * inputs * outputs))
    heaviest = k * r if alone.dense else min(k * r, mean + IMBALANCE)
    room = target.sram_bytes - CODE_BYTES - target.sram_bytes // target.banks
    if max(tile_bytes(heaviest, k, r, alone.dense, precision, chunk), _gather_bytes(alone, r, chunk)) > room:
        return None
    links = len(host_links(target, alone.mesh))
    per_scatter = ceil(inputs / max(1, min(inputs, links // parts)))
    per_gather = ceil(outputs / max(1, min(outputs, links // parts)))

    def period(n: int) -> float:
        into, sent = (features * precision.stream.wavelets(n) for features in (k, r))
        out = sent
        slots = float(tile_slots(heaviest, k, r, alone.dense, precision, target, n))
        for s in range(finishers):
            slots = max(slots, finish_slots(r, finishers, s, alone.activation, precision, target, n))
        if alone.result is not precision.stream:
            out += r * (2 * n + target.vector_issue)
        return max(slots, per_scatter * into, out + per_gather * sent)

    def drain(n: int) -> float:
        """From the last sum of a chunk of n tokens to its last result."""
        rounding = 0 if alone.result is precision.stream else r * n
        return (per_gather - 1) * r * precision.stream.wavelets(n) + rounding

    full, rest = divmod(alone.tokens, chunk)
    fill = (per_scatter - 1) * k * precision.stream.wavelets(min(chunk, alone.tokens))
    last = period(rest) + drain(rest) if rest else 0.0
    cycles = fill + full * period(chunk) + max(last, drain(chunk) if full else 0) + CHAIN * inputs + sum(alone.mesh)
    return Layout(parts, inputs, outputs, finishers, chunk, cycles)


def _gather_bytes(alone: Alone, outputs: int, chunk: int) -> int:
    """SRAM of a gather's PE: a lane of a chunk, and the sums that it is rounded from."""
    stream, result = alone.precision.stream, alone.result
    return chunk * outputs * (stream.size + (0 if result is stream else result.size))


def plan_alone(
    alone: Alone, stages: list[Stage], layout: Layout, source: str, result: str
) -> tuple[tuple[Kernel, ...], tuple[Net, ...], tuple[HostNet, ...]]:
    """Kernels and nets of a layout; `source` and `result` name the host's streams."""
    builder = _Builder(alone, stages, layout)
    for part in range(layout.parts):
        builder.part(part)
    into, out = builder.host
    return (
        tuple(builder.kernels),
        tuple(builder.nets),
        (HostNet(source, True, tuple(into)), HostNet(result, False, tuple(out))),
    )


class _Builder:
    """Collects the kernels and nets part by part."""

    def __init__(self, alone: Alone, stages: list[Stage], layout: Layout) -> None:
        self.alone, self.layout = alone, layout
        self.scatter, self.linear, self.gather = stages
        self.kernels: list[Kernel] = []
        self.nets: list[Net] = []
        self.host: tuple[list[int], list[int]] = ([], [])
        self.links = max(1, len(host_links(alone.target, alone.mesh)) // layout.parts)
        weight = alone.op.weight
        work = np.full(weight.shape[1], weight.shape[0]) if alone.dense else np.count_nonzero(weight, axis=0)
        self.columns = deal(work, layout.parts)

    def part(self, part: int) -> None:
        """Scatter, tiles and gather of one part, and the nets that join them."""
        alone, layout, columns = self.alone, self.layout, self.columns[part]
        precision, target, chunk = alone.precision, alone.target, layout.chunk
        suffix = f".{part}" if layout.parts > 1 else ""
        weight = alone.op.weight[:, columns]
        inputs, outputs = self._cut(weight)
        bias = None if alone.op.bias is None else alone.op.bias[columns]
        args = (precision, target, chunk)
        linear = Linear(
            self.linear.name + suffix,
            self.linear.origin,
            weight,
            bias,
            alone.activation,
            inputs,
            outputs,
            layout.finishers,
            alone.dense,
            columns=columns if layout.parts > 1 else None,
        )
        first = len(self.kernels)
        into, out = min(self.links, inputs.lanes), min(self.links, outputs.lanes)
        self.kernels += [
            plan_host_lanes(self.scatter.name + suffix, True, inputs, into, precision, chunk),
            plan_linear(linear, *args),
            plan_host_lanes(self.gather.name + suffix, False, outputs, out, precision, chunk, columns, even=True),
        ]
        self._join(first, inputs, precision.stream)
        self._join(first + 1, outputs, alone.result)
        for t in range(into):
            self._with_host(self.host[0], f"{self.scatter.name}{suffix}.in{t}", End(-1), End(first, t), inputs, into)
        for t in range(out):
            self._with_host(
                self.host[1], f"{self.gather.name}{suffix}.out{t}", End(first + 2, t), End(-1), outputs, out
            )

    def _cut(self, weight: np.ndarray) -> tuple[Partition, Partition]:
        """Input and output lanes of a part."""
        lanes = self.layout.inputs, self.layout.outputs
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
