"""What goes one wavelet per slot: vector instructions with fabric operands, `pop` and `push`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tulle_ir.code import DType
from tulle_runtime.reference.channel import Channel
from tulle_runtime.reference.operands import InWavelet
from tulle_runtime.reference.vector import VectorWork, element


@dataclass(frozen=True, slots=True)
class QueueEnd:
    """A queue of this PE: its end of the ramp channel of its color. `index` counts inputs and outputs apart."""

    name: str
    index: int
    color: int
    dtype: DType
    channel: Channel


class Steps:
    """Work of one step per wavelet; `source` and `sink` are the queues it pops from and pushes to."""

    def __init__(self, source: QueueEnd | None, sink: QueueEnd | None) -> None:
        self.source = source
        self.sink = sink
        self.popped = source is not None  # what the last step did
        self.pushed = sink is not None

    def uses(self, queue: QueueEnd) -> bool:
        """Whether it pops from or pushes to this queue."""
        return queue is self.source or queue is self.sink

    def lacks_input(self, cycle: int) -> bool:
        """Whether it has to wait for a wavelet."""
        return self.source is not None and not self.source.channel.visible(cycle)

    def lacks_space(self) -> bool:
        """Whether it has to wait for space in its output queue."""
        return self.sink is not None and not self.sink.channel.has_space()

    def ready(self, cycle: int) -> bool:
        """Whether it may perform a step in `cycle`."""
        return not self.lacks_input(cycle) and not self.lacks_space()

    def step(self, cycle: int) -> bool:
        """Perform one step; returns whether it was the last."""
        raise NotImplementedError


class VectorSteps(Steps):
    """A vector instruction with fabric operands: `row` rows are complete, and `column` elements of the next.

    `index`: of row 0 at a sparse destination, None otherwise.
    """

    def __init__(
        self, work: VectorWork, source: QueueEnd | None, sink: QueueEnd | None, index: int | None = None
    ) -> None:
        super().__init__(source, sink)
        self.index = index
        self.work = work
        self.row = 0
        self.column = 0
        self._wavelets = [o for o in (work.dst, work.a, work.b) if isinstance(o, InWavelet)]

    def step(self, cycle: int) -> bool:
        """Handle one wavelet: the next elements of the row."""
        for wavelet in self._wavelets:
            wavelet.begin(self.column)
        if self.source is not None:
            self._load(self.source.channel.peek())
        end = min(self.column + self._wavelets[0].elements, self.work.n1)
        for j in range(self.column, end):
            element(self.work, self.row, j)
        if self.source is not None:
            self.source.channel.pop()
        if self.sink is not None and isinstance(self.work.dst, InWavelet):
            self._send(self.sink, self.work.dst.word, cycle)
        return self._advance(end)

    def _send(self, sink: QueueEnd, word: int, cycle: int) -> None:
        """Push the wavelet; a sparse one only if it is not a zero of either sign."""
        self.pushed = self.index is None or word & 0x7FFF != 0
        if self.pushed:
            index = 0 if self.index is None else (self.index + self.row) & 0xFFFF
            sink.channel.push(cycle, index << 16 | word)

    def _load(self, word: int) -> None:
        for operand in (self.work.a, self.work.b):
            if isinstance(operand, InWavelet):
                operand.begin(self.column, word)

    def _advance(self, column: int) -> bool:
        self.column = column
        if column == self.work.n1:
            self.row, self.column = self.row + 1, 0
        return self.row == self.work.n0


class PopStep(Steps):
    """`pop r = queue`: hands the wavelet to `receive`."""

    def __init__(self, source: QueueEnd, receive: Callable[[int], None]) -> None:
        super().__init__(source, None)
        self._receive = receive

    def step(self, cycle: int) -> bool:
        assert self.source is not None
        self._receive(self.source.channel.pop())
        return True


class PushStep(Steps):
    """`push queue = word`."""

    def __init__(self, sink: QueueEnd, word: int) -> None:
        super().__init__(None, sink)
        self._word = word

    def step(self, cycle: int) -> bool:
        assert self.sink is not None
        self.sink.channel.push(cycle, self._word & 0xFFFFFFFF)
        return True
