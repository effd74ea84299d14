"""AXPYs on arrival (docs/machine.md, section 5): what one sparse wavelet triggers."""

from __future__ import annotations

from dataclasses import dataclass

from tulle_ir.code import AxpyColumns, AxpyEntries, DType, VectorOp
from tulle_runtime.reference import axpy
from tulle_runtime.reference.numbers import widen
from tulle_runtime.reference.operands import InMemory, InWavelet
from tulle_runtime.reference.state import PeState
from tulle_runtime.reference.steps import QueueEnd, Steps
from tulle_runtime.reference.vector import row_slots

END_MARK = 0xFFFF


@dataclass(frozen=True, slots=True)
class Arrival:
    """The wavelet (index, value) that `op`, the instruction at `pc`, has popped; its AXPYs are still to come."""

    op: AxpyColumns | AxpyEntries
    pc: int
    word: int

    @property
    def index(self) -> int:
        """The high half."""
        return self.word >> 16

    @property
    def is_end(self) -> bool:
        """Whether it is the end mark."""
        return self.index == END_MARK


class ArrivalStep(Steps):
    """The slot in which a sparse wavelet is popped."""

    def __init__(self, source: QueueEnd, op: AxpyColumns | AxpyEntries, pc: int) -> None:
        super().__init__(source, None)
        self.op = op
        self.pc = pc

    def take(self) -> Arrival:
        """Pop the wavelet. Of these only an end mark counts as received: the slot of others is one of their AXPYs."""
        assert self.source is not None
        arrival = Arrival(self.op, self.pc, self.source.channel.pop())
        self.popped = arrival.is_end
        return arrival


def cost(arrival: Arrival, state: PeState) -> int:
    """Datapath slots of the wavelet, the first included."""
    match arrival.op:
        case AxpyColumns():
            return max(1, axpy.cost(_column(arrival, arrival.op, state), state.target))
        case AxpyEntries():
            return max(1, _entry_cost(arrival, arrival.op, state))


def run(arrival: Arrival, state: PeState) -> tuple[int, int]:
    """Perform its AXPYs; returns how many there were, and their multiply-accumulates."""
    match arrival.op:
        case AxpyColumns():
            executed = axpy.run(_column(arrival, arrival.op, state))
            return executed, executed
        case AxpyEntries():
            n = state.length(arrival.op.n)
            if n > 0:
                value = widen(arrival.word & 0xFFFF, DType.F16)
                y, x = state.memory(arrival.op.y), _row(arrival, arrival.op, state)
                axpy.multiply_add(value, x, y, n, bool(arrival.index & axpy.SET))
            return int(n > 0), n


def _column(arrival: Arrival, op: AxpyColumns, state: PeState) -> axpy.AxpyWork:
    """The AXPY over the column that the index names, on the value as a vector of one element."""
    value = InWavelet(DType.F16, arrival.word)
    return axpy.AxpyWork(state.sram, state.tables[op.table], arrival.index, value, state.memory(op.y), 1)


def _row(arrival: Arrival, op: AxpyEntries, state: PeState) -> InMemory:
    """x with its row 0 moved to the one that the index names."""
    return axpy.row_of(state.memory(op.x), arrival.index & ~axpy.SET)


def _entry_cost(arrival: Arrival, op: AxpyEntries, state: PeState) -> int:
    y, x = state.memory(op.y), _row(arrival, op, state)
    width = state.target.widths.of(VectorOp.FMA, y.dtype, (DType.F16, x.dtype))
    return state.target.axpy_overhead + row_slots([x, y], 0, state.length(op.n), width, state.target)
