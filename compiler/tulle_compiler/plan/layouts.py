"""How a linear by itself is laid out on a mesh: the sizes that are tried, and the cycles that each should take.

The mesh is cut into equal blocks of tiles. Blocks are parts (some of the outputs each) or copies (chunks in turn).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise, product
from math import ceil

import numpy as np

from tulle_compiler.kernels.finish import finish_slots
from tulle_compiler.kernels.linear import axpy_width, tile_bytes, tile_slots
from tulle_compiler.options import Precision
from tulle_ir import graph as ops
from tulle_ir.code import DType
from tulle_ir.host_links import host_links
from tulle_ir.target import Target

CHUNKS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 255)  # tokens per chunk that are tried
MOST_CHUNKS = 32  # chunks that divide the tokens evenly are tried up to this number
MAX_PARTS = 6
MAX_BLOCKS = 12  # copies times parts
GROUPS = ((1,), (1, 1), (1, 1, 1, 1), (4, 2, 1, 1))  # weights of the groups of a tile's rows that are tried
MAX_FINISHERS = 12
IMBALANCE = 8  # non-zeros that the heaviest tile has more than the mean one, before the partition is known
CHAIN = 6  # cycles per tile of a row until the last sum of a chunk is out
WIRES = 1.2  # cycles per wavelet over a host link, on the way to which nets share wires
CODE_BYTES = 1024  # set aside for instructions and alignment


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


@dataclass(frozen=True, slots=True)
class Sizes:
    """Equal blocks: how many copies of how many parts; input lanes, output lanes and finishers per row of each."""

    copies: int
    parts: int
    inputs: int
    outputs: int
    finishers: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes with tokens per chunk and the weights of the groups of a tile's rows, and the cycles that all this should
    take for the tokens asked for."""

    sizes: Sizes
    chunk: int
    groups: tuple[int, ...]
    cycles: float


def best_layout(alone: Alone, chunk: int | None, longest: int) -> Layout | None:
    """The layout of fewest cycles whose PEs have the memory it takes; None if there is none."""
    tokens = alone.tokens
    even = {ceil(tokens / n) for n in range(1, MOST_CHUNKS + 1)}
    chunks = [chunk] if chunk else sorted(c for c in {*CHUNKS, *even} if c <= min(longest, tokens))
    best: Layout | None = None
    for timing in sorted((Timing(alone, sizes) for sizes in _sizes(alone)), key=lambda timing: timing.least):
        if best is not None and timing.least > best.cycles:
            break
        found = [layout for c in chunks for layout in timing.layouts(c)]
        best = min([*found, *([best] if best else [])], key=_preference, default=None)
    return best


def _preference(layout: Layout) -> tuple[float, ...]:
    """Fewest cycles; of equally fast ones the simplest."""
    sizes = layout.sizes
    return layout.cycles, sizes.copies * sizes.parts, sizes.inputs, layout.chunk, len(layout.groups)


def _sizes(alone: Alone) -> Iterator[Sizes]:
    """Sizes that fill the mesh, upright or on its side."""
    features_in, features_out = alone.op.weight.shape
    fewest, most = (0, 0) if alone.passes_through else (1, MAX_FINISHERS)
    for width, height in dict.fromkeys((alone.mesh, alone.mesh[::-1])):
        for across, down in product(range(1, MAX_BLOCKS + 1), repeat=2):
            blocks = across * down
            parts = [p for p in range(1, min(MAX_PARTS, features_out) + 1) if blocks % p == 0]
            for part, finishers in product(parts if blocks <= MAX_BLOCKS else [], range(fewest, most + 1)):
                inputs = min(width // across - 1 - finishers, features_in)
                outputs = min(height // down - 1, features_out // part)
                if inputs >= 1 and outputs >= 1:
                    yield Sizes(blocks // part, part, inputs, outputs, finishers)


class Timing:
    """What blocks of some sizes should take. Cycles of a chunk of n tokens, unless said otherwise."""

    def __init__(self, alone: Alone, sizes: Sizes) -> None:
        self.alone, self.sizes = alone, sizes
        features_in, features_out = alone.op.weight.shape
        self.k, self.r = ceil(features_in / sizes.inputs), ceil(features_out / (sizes.outputs * sizes.parts))
        mean = ceil(alone.nonzeros / (sizes.parts * sizes.inputs * sizes.outputs))
        self.heaviest = self.k * self.r if alone.dense else min(self.k * self.r, mean + IMBALANCE)
        blocks = sizes.copies * sizes.parts
        links, shared = max(1, alone.links // blocks), ceil(blocks / alone.links)
        self.per_scatter, self.per_gather = (shared * ceil(n / min(n, links)) for n in (sizes.inputs, sizes.outputs))

    @cached_property
    def least(self) -> float:
        """Cycles that no layout of these sizes goes below: what a tile and a finisher do for each token of a copy."""
        alone, m = self.alone, self.sizes.finishers
        precision, target = alone.precision, alone.target
        into, sums = precision.stream.wavelets(2) / 2, precision.reduce.wavelets(2) / 2
        tile = self.k * into + self.r * sums + self.heaviest / axpy_width(precision, target)
        short, long = (finish_slots(self.r, m, 0, alone.activation, precision, target, n) if m else 0 for n in (2, 4))
        return alone.tokens / self.sizes.copies * max(tile, (long - short) / 2)

    def layouts(self, chunk: int) -> Iterator[Layout]:
        """Those that every PE has the memory for, and that leave no copy idle."""
        alone, target = self.alone, self.alone.target
        room = target.sram_bytes - CODE_BYTES - target.sram_bytes // target.banks
        if ceil(alone.tokens / chunk) < self.sizes.copies or self._gather_bytes(chunk) > room:
            return
        tile = self.heaviest, self.k, self.r, alone.dense, alone.precision, chunk
        for groups in GROUPS:
            if sum(groups) <= self.r and tile_bytes(*tile, len(groups)) <= room:
                yield Layout(self.sizes, chunk, groups, self.cycles(chunk, groups))

    def cycles(self, chunk: int, groups: tuple[int, ...]) -> float:
        """Of all tokens, for the first copy: it takes as many chunks as any other."""
        tokens, copies = self.alone.tokens, self.sizes.copies
        count = ceil(tokens / chunk)
        rounds, short = ceil(count / copies), tokens - (count - 1) * chunk
        last = short if (count - 1) % copies == 0 else chunk  # tokens of its last chunk
        ended = (rounds - 1) * self.period(chunk, groups)
        ended += max(self.period(last, groups) + self.drain(last, groups), self.drain(chunk, groups) * (rounds > 1))
        return ended + CHAIN * self.sizes.inputs + sum(self.alone.mesh)

    def period(self, n: int, groups: tuple[int, ...]) -> float:
        """Between two chunks: a tile's work, or what its links take."""
        rounding = 0 if self._exact else self.r * (2 * n + self.alone.target.vector_issue)
        return max(self.work(n, groups) + self.late(n, groups), rounding + self.send(n))

    def work(self, n: int, groups: tuple[int, ...]) -> float:
        """Slots of the busiest PE."""
        alone, finishers = self.alone, self.sizes.finishers
        args = (alone.precision, alone.target, n)
        slots = float(tile_slots(self.heaviest, self.k, self.r, alone.dense, *args, groups=len(groups)))
        return max([slots, *(finish_slots(self.r, finishers, s, alone.activation, *args) for s in range(finishers))])

    def feed(self, n: int) -> float:
        """Of the busiest link into a scatter."""
        return WIRES * self.per_scatter * self.k * self.alone.precision.stream.wavelets(n)

    def send(self, n: int) -> float:
        """Of the busiest link out of a gather."""
        return WIRES * self.per_gather * self.r * self.alone.precision.stream.wavelets(n)

    def late(self, n: int, groups: tuple[int, ...]) -> float:
        """How much longer than its work a tile takes because rows still come in, while it can work on its first group
        only."""
        receive = self.k * self.alone.precision.stream.wavelets(n)
        sums = self.r * self.alone.precision.reduce.wavelets(n)
        return late(self.feed(n) - receive, self.work(n, groups) - receive - sums, groups)

    def drain(self, n: int, groups: tuple[int, ...]) -> float:
        """From the last sum to the last result; the first lane of a segment is through with its last sum."""
        rounding = 0 if self._exact else self.r * n
        sent = self.send(n) - self.r * self.alone.precision.stream.wavelets(n)
        return drain(sent + rounding, self.work(n, groups), groups)

    @property
    def _exact(self) -> bool:
        return self.alone.result is self.alone.precision.stream

    def _gather_bytes(self, chunk: int) -> int:
        """SRAM of a gather's PE: a lane of a chunk, and the sums that it is rounded from."""
        stream, result = self.alone.precision.stream, self.alone.result
        return chunk * self.r * (stream.size + (0 if self._exact else result.size))


def late(feed: float, work: float, groups: tuple[int, ...]) -> float:
    """Cycles that tiles wait for rows: in the `feed` cycles that receiving leaves they can do their first group."""
    return max(0.0, feed - work * groups[0] / sum(groups))


def drain(send: float, work: float, groups: tuple[int, ...]) -> float:
    """Cycles from the end of `work` to the last of `send` results: each group's leave when it is worked on."""
    done = list(accumulate(groups, initial=0))
    left = [1 - weight / done[-1] for weight in done]
    return max(send * before - work * after for before, after in pairwise(left))
