"""A linear by itself on a mesh: how the whole mesh is given to it, and the plan that results.

The outputs are dealt to parts that stand side by side. Each part has a scatter along its top, its tiles below, and a
gather down the side that is nearest to an edge, so that a part's tiles come near the shape in which receiving and
adding up cost least, whatever the shape of the mesh:

    | scatter   |   |   scatter |
    | tiles     | g | g | tiles |    (two parts; gathers stand at the outer sides)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
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
MAX_BLOCKS = 12  # copies times parts
GROUPS = (1, 2, 4)  # of a tile's rows, that are tried
MAX_FINISHERS = 12
IMBALANCE = 8  # non-zeros that the heaviest tile has more than the mean one, before the partition is known
CHAIN = 6  # cycles per tile of a row until the last sum of a chunk is out
CODE_BYTES = 1024  # set aside for instructions and alignment


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of one block: input lanes, output lanes, finishers per row; how many copies of how many parts, tokens per
    chunk, groups of a tile's rows, and the cycles that all this should take for the tokens asked for."""

    copies: int
    parts: int
    inputs: int
    outputs: int
    finishers: int
    chunk: int
    groups: int
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

    @cached_property
    def links(self) -> int:
        """Host links of the mesh."""
        return len(host_links(self.target, self.mesh))

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
    found = (_layout(alone, *sizes, c, groups) for sizes in _sizes(alone) for c in chunks for groups in GROUPS)
    return min(
        (f for f in found if f), key=lambda f: (f.cycles, f.copies * f.parts, f.inputs, f.chunk, f.groups), default=None
    )


def _sizes(alone: Alone) -> Iterator[tuple[int, int, int, int, int]]:
    """Copies, parts, input lanes, output lanes and finishers that fill the mesh, upright or on its side."""
    features_in, features_out = alone.op.weight.shape
    fewest, most = (0, 0) if alone.passes_through else (1, MAX_FINISHERS)
    for width, height in dict.fromkeys((alone.mesh, alone.mesh[::-1])):
        for across, down in product(range(1, MAX_BLOCKS + 1), repeat=2):
            blocks = across * down
            for parts in (p for p in range(1, min(MAX_PARTS, features_out) + 1) if blocks % p == 0):
                for finishers in range(fewest, most + 1):
                    inputs = min(width // across - 1 - finishers, features_in)
                    outputs = min(height // down - 1, features_out // parts)
                    if inputs >= 1 and outputs >= 1 and blocks <= MAX_BLOCKS:
                        yield blocks // parts, parts, inputs, outputs, finishers


def _layout(
    alone: Alone, copies: int, parts: int, inputs: int, outputs: int, finishers: int, chunk: int, groups: int
) -> Layout | None:
    """The layout with its cycles; None if a PE has too little memory."""
    precision, target = alone.precision, alone.target
    features_in, features_out = alone.op.weight.shape
    k, r = ceil(features_in / inputs), ceil(features_out / (outputs * parts))
    mean = ceil(alone.nonzeros / (parts * inputs * outputs))
    heaviest = k * r if alone.dense else min(k * r, mean + IMBALANCE)
    room = target.sram_bytes - CODE_BYTES - target.sram_bytes // target.banks
    if max(tile_bytes(heaviest, k, r, alone.dense, precision, chunk, groups), _gather_bytes(alone, r, chunk)) > room:
        return None
    links, blocks = alone.links, copies * parts
    per_scatter = ceil(inputs / max(1, min(inputs, links // blocks)))
    per_gather = ceil(outputs / max(1, min(outputs, links // blocks)))
    shared = ceil(blocks / links)

    def work(n: int) -> float:
        """Slots of the busiest PE for a chunk of n tokens."""
        slots = float(tile_slots(heaviest, k, r, alone.dense, precision, target, n, groups=groups))
        finish = (finish_slots(r, finishers, s, alone.activation, precision, target, n) for s in range(finishers))
        return max(slots, *finish) if finishers else slots

    def period(n: int) -> float:
        rounding = 0 if alone.result is precision.stream else r * (2 * n + target.vector_issue)
        return max(work(n), feed(n), rounding + send(n))

    def feed(n: int) -> float:
        """Wavelets of the busiest link into a scatter."""
        return shared * per_scatter * k * precision.stream.wavelets(n)

    def send(n: int) -> float:
        """Wavelets of the busiest link out of a gather."""
        return shared * per_gather * r * precision.stream.wavelets(n)

    def drain(n: int) -> float:
        """From the last sum of a chunk of n tokens to its last result: those of the last group of rows are to come."""
        rounding = 0 if alone.result is precision.stream else r * n
        return (send(n) - r * precision.stream.wavelets(n) + rounding) / groups

    count = ceil(alone.tokens / chunk)
    rounds, short = ceil(count / copies), alone.tokens - (count - 1) * chunk
    last = short if (count - 1) % copies == 0 else chunk  # tokens of the last chunk of the first copy
    late = max(0.0, feed(chunk) + drain(chunk) - work(chunk))  # tiles work while rows of the first chunk still come in
    ended = (rounds - 1) * period(chunk)
    ended += max(period(last) + drain(last), drain(chunk) if rounds > 1 else 0)
    cycles = late + ended + CHAIN * inputs + sum(alone.mesh)
    return Layout(copies, parts, inputs, outputs, finishers, chunk, groups, cycles)


def _gather_bytes(alone: Alone, outputs: int, chunk: int) -> int:
    """SRAM of a gather's PE: a lane of a chunk, and the sums that it is rounded from."""
    stream, result = alone.precision.stream, alone.result
    return chunk * outputs * (stream.size + (0 if result is stream else result.size))


def plan_alone(
    alone: Alone, stages: list[Stage], layout: Layout, source: str, result: str
) -> tuple[tuple[Kernel, ...], tuple[Net, ...], tuple[HostNet, ...]]:
    """Kernels and nets of a layout; `source` and `result` name the host's streams."""
    builder = _Builder(alone, stages, layout)
    for copy, part in product(range(layout.copies), range(layout.parts)):
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
        self.blocks = layout.copies * layout.parts
        self.links = max(1, alone.links // self.blocks)
        weight = alone.op.weight
        work = np.full(weight.shape[1], weight.shape[0]) if alone.dense else np.count_nonzero(weight, axis=0)
        self.columns = deal(work, layout.parts)
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
            layout.finishers,
            alone.dense,
            columns=columns if layout.parts > 1 else None,
            groups=layout.groups,
        )
        into, out = min(self.links, inputs.lanes), min(self.links, outputs.lanes)
        args = (precision, chunk)
        scatter = plan_host_lanes(self.scatter.name, True, inputs, into, *args)
        tiles = plan_linear(linear, precision, target, chunk)
        gather = plan_host_lanes(self.gather.name, False, outputs, out, *args, columns, even=True, groups=layout.groups)
        return _Part(inputs, outputs, self._overlapping(scatter, tiles, gather))

    def _overlapping(self, scatter: Kernel, tiles: Kernel, gather: Kernel) -> tuple[Kernel, Kernel, Kernel]:
        """Kernels whose latencies add up: tiles work while rows still come in, and results leave by groups."""
        last = gather.cost.predicted / self.layout.groups
        late = scatter.cost.latency + last - tiles.cost.latency
        return (
            replace(scatter, cost=replace(scatter.cost, latency=max(0.0, late))),
            tiles,
            replace(gather, cost=replace(gather.cost, latency=last)),
        )

    def block(self, copy: int, part: int) -> None:
        """The kernels of a copy of a part, and the nets that join them."""
        suffix = f".{copy * self.layout.parts + part}" if self.blocks > 1 else ""
        first, made = len(self.kernels), self.parts[part]
        turn = {"turn": copy, "turns": self.layout.copies} if self.layout.copies > 1 else {}
        self.kernels += [replace(k, name=k.name + suffix, params={**k.params, **turn}) for k in made.kernels]
        self._join(first, made.inputs, self.alone.precision.stream)
        self._join(first + 1, made.outputs, self.alone.result)
        scatter, _, gather = made.kernels
        into, out = int(scatter.params["links"]), int(gather.params["links"])
        for t in range(into):
            name = f"{scatter.name}{suffix}.in{t}"
            self._with_host(self.host[0], name, End(-1), End(first, t), made.inputs, into)
        for t in range(out):
            name = f"{gather.name}{suffix}.out{t}"
            self._with_host(self.host[1], name, End(first + 2, t), End(-1), made.outputs, out)

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
