"""What main instructions do at their last slot."""

from __future__ import annotations

from typing import assert_never

from tulle_ir.code import (
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Compute,
    Control,
    Fabric,
    Launch,
    Load,
    Pop,
    Push,
    Stop,
    Store,
    Vector,
)  # fmt: skip
from tulle_runtime.reference import arrivals, axpy, vector
from tulle_runtime.reference.arrivals import Arrival
from tulle_runtime.reference.code import Branch, Jump, LoopEnd, LoopStart, Operation
from tulle_runtime.reference.scalars import compare, integer
from tulle_runtime.reference.state import PeState
from tulle_runtime.reference.steps import QueueEnd, VectorSteps
from tulle_runtime.reference.vector import VectorWork


class Executor:
    """Effects on the state of a PE; counts AXPYs and multiply-accumulates."""

    def __init__(self, state: PeState) -> None:
        self.state = state
        self.turns: dict[int, int] = {}  # by LoopStart: the count saved at its start
        self.axpys = 0
        self.macs = 0
        self.skipped = 0
        self.on_arrival = 0  # AXPYs of the running instruction that wavelets trigger

    def execute(self, op: Operation | Arrival, cycle: int) -> int | None:
        """Perform `op`; returns where to go on, if not behind it."""
        match op:
            case Vector():
                self._vector(op, cycle)
            case Axpy():
                self._axpy(op)
            case Compute() | Load() | Store():
                self._scalar(op)
            case Control():
                self.state.task_by_name[op.task].control(op.verb, cycle)
            case LoopStart():
                return self._start_loop(op)
            case Branch():
                taken = compare(op.cmp, self.state.scalar(op.a), self.state.scalar(op.b))
                return None if taken else op.otherwise
            case Arrival():
                return self._arrival(op)
            case AxpyColumns() | AxpyEntries() | Pop() | Push() | Await() | LoopEnd() | Jump() | Stop():
                raise AssertionError(f"{op} has no last slot")
            case _:
                assert_never(op)
        return None

    def turn(self, op: LoopEnd) -> bool:
        """End a loop body: count, and tell whether there is another turn."""
        counter = op.start.counter
        self.state.assign(counter, self.state.scalar(counter) + 1)
        return self.state.scalar(counter) < self.turns[id(op.start)]

    def ends(self, op: Vector) -> tuple[QueueEnd | None, QueueEnd | None]:
        """The queues a vector instruction pops from and pushes to."""
        sources = [self.state.queues[s.queue] for s in (op.a, op.b) if isinstance(s, Fabric)]
        sink = self.state.queues[op.dst.queue] if isinstance(op.dst, Fabric) else None
        return (sources[0] if sources else None), sink

    def steps(self, op: Vector, work: VectorWork) -> VectorSteps:
        """The steps of a vector instruction with fabric operands."""
        index = op.dst.index if isinstance(op.dst, Fabric) else None
        return VectorSteps(work, *self.ends(op), None if index is None else self.state.elements(index))

    def end_of_arrivals(self, op: AxpyColumns | AxpyEntries) -> None:
        """The end mark has come: count the AXPYs that did not."""
        if isinstance(op, AxpyColumns):
            entries = axpy.entries_of(self.state.tables[op.table], self.state.sram)
            self.skipped += max(0, entries - self.on_arrival)
        self.on_arrival = 0

    def _start_loop(self, op: LoopStart) -> int | None:
        turns = self.state.scalar(op.count)
        self.turns[id(op)] = turns
        self.state.assign(op.counter, 0)
        return None if turns > 0 else op.end

    def _vector(self, op: Vector, cycle: int) -> None:
        if op.launch is None:
            vector.run(self.state.vector(op))
        else:
            self._launch(op, op.launch, cycle)

    def _launch(self, op: Vector, launch: Launch, cycle: int) -> None:
        work = self.state.vector(op)
        if not work.empty:
            self.state.threads[launch.thread].launch(self.steps(op, work), launch.then, cycle)
        elif launch.then:
            self.state.task_by_name[launch.then].activate(cycle + 1)

    def _axpy(self, op: Axpy) -> None:
        work = self.state.axpy(op)
        executed = axpy.run(work)
        self.axpys += executed
        self.macs += executed * work.n

    def _arrival(self, op: Arrival) -> int:
        """The AXPYs of a wavelet; the instruction goes on with the next one."""
        executed, macs = arrivals.run(op, self.state)
        self.axpys += executed
        self.macs += macs
        self.on_arrival += executed
        return op.pc

    def _scalar(self, op: Compute | Load | Store) -> None:
        state = self.state
        match op:
            case Compute():
                a = state.scalar(op.a)
                state.assign(op.dst, a if op.op is None else integer(op.op, a, state.scalar(op.b)))
            case Load():
                buffer = state.buffers[op.buffer]
                state.assign(op.dst, state.sram.read(state.address(buffer, op.offset), buffer.dtype))
            case Store():
                buffer = state.buffers[op.buffer]
                state.sram.write(state.address(buffer, op.offset), buffer.dtype, state.scalar(op.value))
            case _:
                assert_never(op)
