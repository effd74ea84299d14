"""What the attention kernel costs (attention.py): slots of its PEs, the ways along its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

from tulle_compiler.kernels.attention_products import most_in_turn
from tulle_compiler.kernels.attention_tile import Block
from tulle_compiler.kernels.linear import conflicting
from tulle_compiler.kernels.slots import block, hop_cycles, product_width, sum_width
from tulle_compiler.options import Precision
from tulle_ir.code import VectorOp
from tulle_ir.plan import KernelCost
from tulle_ir.target import Target


def attention_cost(op: Block, heads: int, precision: Precision, target: Target, chunk: int) -> KernelCost:
    """Half-way through the context."""
    tile = _TileCost(op, precision, target, chunk)
    first, middle, end = (tile.keys(history) for history in (0, op.context // 2, op.context - chunk))
    busiest, finishing = tile.slots(middle), _finisher_slots(op, precision, target, chunk)
    idle = _away_for_sums(op, target) + max(0.0, _away_for_maximum(op, target, chunk) - tile.receiving)
    busy = max(busiest + idle, finishing)
    return KernelCost(
        predicted=busy,
        bound=max(busiest, finishing),
        ideal=(op.rows * busiest + finishing) / (op.rows + 1),
        max_pe_bytes=_bytes(tile),
        pes=heads * op.columns * (op.rows + 1),
        latency=busiest - tile.receiving + _ways(op, target, chunk) + _dividing(op, precision, target, chunk),
        growth=(tile.slots(end) - tile.slots(first)) / max(1, op.context - chunk),
    )


@dataclass(frozen=True)
class _TileCost:
    """Datapath slots of a tile per full chunk, and its SRAM. Numbers of keys are those of its row, means over a run."""

    op: Block
    precision: Precision
    target: Target
    chunk: int

    def keys(self, history: int) -> float:
        """Keys of a row that has a key more than others for half of the time."""
        return max(1.0, (history + self.chunk) / self.op.rows + (1 - 1 / self.op.rows) / 2)

    def slots(self, keys: float) -> float:
        """All of a tile's slots."""
        return self.receiving + self._appending + self._products(keys) + self._weights(keys) + self._passing(keys)

    @property
    def receiving(self) -> float:
        """Taking in the chunk's slice of k, v and q."""
        return 3 * self.op.widest * self.precision.stream.wavelets(self.chunk) + self.target.dispatch_cycles + 4

    @property
    def _appending(self) -> float:
        """Finding the row's own tokens, keeping their keys and values, hiding them from the tokens before."""
        target, own, turns = self.target, max(1.0, self.chunk / self.op.rows), 1 + self.chunk // self.op.rows
        copies = 2 * block(target, 1, self.op.widest, target.widths.f16) + 2
        hiding = block(target, 1, self.chunk // 2, target.widths.f32_move) + 2
        once = _division(self.op.rows, target) + 12 + own * copies + turns * target.branch_cycles
        return once if self.chunk == 1 else once + own * hiding + turns * target.branch_cycles

    def _products(self, keys: float) -> float:
        """Scores of the row's keys over the slice, values weighed with them, the sum of the weights."""
        target, widest = self.target, self.op.widest
        width = product_width(target, self.precision.stream)
        products = self._sum_of(widest, widest, keys, width) + self._sum_of(keys, self.op.room, widest, width)
        adding = block(target, keys, self.chunk, sum_width(target, self.precision.stream))
        return products + adding + 4 * target.branch_cycles + block(target, 1, self.chunk, 2) + 3

    def _sum_of(self, terms: float, most: int, wide: float, width: int) -> float:
        """Products summed over some terms (Products): in rows over the longer of tokens and the others."""
        tokens, target = self.chunk, self.target
        rows, elements = (tokens, wide) if tokens <= wide else (wide, tokens)
        steps = (elements + (width - 1) / 2) / width if elements % 1 else -(-elements // width)
        number = 2 * tokens if tokens <= min(wide, most_in_turn(most)) else terms
        rows_in_all = terms * rows * (steps * (1 + self.conflicts) + target.row_overhead)
        return number * (target.vector_issue + target.load_cycles) + rows_in_all

    def _weights(self, keys: float) -> float:
        """Of the own share of the keys: scale, maximum, difference, weights."""
        target, share, chunk = self.target, keys / self.op.columns, self.chunk
        passes = (target.widths.f32_multiply, target.widths.other, target.widths.f32_move)
        slots = sum(block(target, share, chunk, width) for width in passes)
        slots += block(target, share, chunk, 1, target.cost_of(VectorOp.EXP))
        return slots + block(target, 1, chunk, target.widths.f32_move)

    def _passing(self, keys: float) -> float:
        """Launches, and the steps that send and receive: maxima, the sums of weighted values; along a row of several
        columns partial scores and weights."""
        op, target, chunk = self.op, self.target, self.chunk
        slots = (op.widest + 4) * chunk + 2 * target.dispatch_cycles + 16
        if op.columns == 1:
            return slots
        scores = keys * (1 + (op.columns > 2) / op.columns) * chunk
        weights = keys * self.precision.stream.wavelets(chunk)
        return slots + scores + weights + _division(op.columns, target) + 5 * op.columns + 4

    @property
    def sides(self) -> tuple[int, int]:
        """Bytes of the buffers on either side of the banks (Tile)."""
        op, chunk, size = self.op, self.chunk, self.precision.stream.size
        cache = op.room * op.widest * size
        near = cache + 3 * op.widest * chunk * size + 4 * chunk * (op.widest + 2)
        return near, cache + op.room * chunk * (4 + size)

    @property
    def conflicts(self) -> float:
        """Share of the products whose reads conflict: a side may be too large for banks of its own."""
        return conflicting(*self.sides, self.target)


def _division(by: int, target: Target) -> int:
    """Slots of `builder.divide`."""
    return 1 if by & (by - 1) == 0 else target.divide_cycles


def _bytes(tile: _TileCost) -> int:
    """SRAM of a tile."""
    return sum(tile.sides)


def _finisher_slots(op: Block, precision: Precision, target: Target, chunk: int) -> float:
    """Datapath slots per full chunk of the last finisher of a head: maxima and sums come in."""
    return (op.widest + 2) * chunk + target.dispatch_cycles + 8 + _dividing(op, precision, target, chunk)


def _dividing(op: Block, precision: Precision, target: Target, chunk: int) -> float:
    """A finisher's slots from the last sum to the last result."""
    division = block(target, 1, chunk, 1, target.cost_of(VectorOp.RECIP))
    division += block(target, op.widest, chunk, target.widths.other)
    return division + op.widest * precision.stream.wavelets(chunk) + 4


def _ways(op: Block, target: Target, chunk: int) -> float:
    """Cycles that a lone chunk is on its ways through the block."""
    return _away_for_sums(op, target) + _away_for_maximum(op, target, chunk) + op.rows * hop_cycles(target)


def _away_for_maximum(op: Block, target: Target, chunk: int) -> float:
    """Cycles until the maximum of all rows is back: along the row, down the last column, and back to all."""
    return (op.columns - 1 + op.rows) * hop_cycles(target) + op.rows + op.columns + 2 * chunk


def _away_for_sums(op: Block, target: Target) -> float:
    """Cycles that a tile waits for others of its row: for sums of scores, and for weights."""
    return (op.columns - 1) * hop_cycles(target) + 2 * target.ramp_cycles + op.columns if op.columns > 1 else 0.0
