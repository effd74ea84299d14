"""The main thread: looks for tasks, fetches, waits, and uses the slots that microthreads leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from tulle_ir.code import (
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Compute,
    Control,
    Fabric,
    Load,
    Pop,
    Push,
    ScalarOp,
    Stop,
    Store,
    Vector,
)  # fmt: skip
from tulle_runtime.reference import arrivals, axpy, vector
from tulle_runtime.reference.arrivals import Arrival, ArrivalStep
from tulle_runtime.reference.code import Branch, Jump, LoopEnd, LoopStart, Operation
from tulle_runtime.reference.execute import Executor
from tulle_runtime.reference.memory import Trap
from tulle_runtime.reference.state import PeState
from tulle_runtime.reference.steps import PopStep, PushStep, QueueEnd, Steps
from tulle_runtime.reference.tasks import TaskState


@dataclass(slots=True)
class Counting:
    """Uses up `cost` slots, of which some are `left`; at the last `op` takes effect (None: the dispatch of a task)."""

    cost: int
    op: Operation | Arrival | None
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.cost


@dataclass(slots=True)
class Stepping:
    """A synchronous instruction with a fabric operand; it stands there, or last stepped before, `since`."""

    steps: Steps
    since: int


@dataclass(slots=True)
class Standing:
    """Waits for microthread `thread` since a cycle."""

    thread: int
    since: int


class MainThread:
    """At an instruction boundary while `doing` is None; idle while `task` is None too."""

    def __init__(self, state: PeState) -> None:
        self.state = state
        self.task: TaskState | None = None
        self.pc = 0
        self.doing: Counting | Stepping | Standing | None = None
        self.executor = Executor(state)
        self.axpy_slots = 0
        self.vector_slots = 0

    # ---- deciding

    def fetch(self, cycle: int) -> None:
        """Steps 1 and 2 of a cycle: up to an instruction that costs slots or must wait. May trap."""
        while not isinstance(self.doing, (Counting, Stepping)):
            if self.task is None:
                self._start_a_task(cycle)
                return
            doing = self._begin(self.task.code[self.pc], cycle)
            if isinstance(doing, Standing):
                self.doing = self.doing or doing
                return
            self.doing = doing

    @property
    def awaited(self) -> Steps | None:
        """The steps that it waits for when it waits: its own, or those of the microthread where it stands."""
        match self.doing:
            case Stepping():
                return self.doing.steps
            case Standing():
                return self.state.threads[self.doing.thread].steps
            case Counting() | None:
                return None
            case _:
                assert_never(self.doing)

    def ready(self, cycle: int) -> bool:
        """Whether it can use the slot (asked after `fetch`)."""
        match self.doing:
            case Counting():
                return True
            case Stepping():
                return self.doing.steps.ready(cycle)
            case Standing() | None:
                return False
            case _:
                assert_never(self.doing)

    def _start_a_task(self, cycle: int) -> None:
        state = self.state
        for task in state.tasks:
            if task.runnable(cycle, state.threads):
                self.task, self.pc, task.activated = task, 0, None
                self.doing = Counting(state.target.dispatch_cycles, None)
                return

    def _begin(self, op: Operation, cycle: int) -> Counting | Stepping | Standing | None:
        """What the instruction at `pc` does to the main thread; None if it was passed through."""
        match op:
            case Vector():
                return self._begin_vector(op, cycle)
            case Axpy():
                return self._counting(axpy.cost(self.state.axpy(op), self.state.target), op)
            case Compute(op=ScalarOp.DIV | ScalarOp.MOD):
                return self._counting(self.state.target.divide_cycles, op)
            case Load():
                return self._counting(self.state.target.load_cycles, op)
            case Branch():
                return self._counting(self.state.target.branch_cycles, op)
            case Compute() | Store() | Control() | LoopStart():
                return self._counting(1, op)
            case AxpyColumns() | AxpyEntries():
                queue = self.state.queues[op.queue]
                self._check_queues(queue)
                return Stepping(ArrivalStep(queue, op, self.pc), cycle)
            case Pop() | Push():
                return Stepping(self._wavelet_step(op), cycle)
            case Await():
                rows = None if op.rows is None else self.state.scalar(op.rows)
                waits = not self.state.threads[op.thread].passed(rows)
                return Standing(op.thread, cycle) if waits else self._pass()
            case LoopEnd() | Jump() | Stop():
                self._pass_control(op)
                return None
            case _:
                assert_never(op)

    def _counting(self, cost: int, op: Operation) -> Counting | None:
        if cost > 0:
            return Counting(cost, op)
        self.executor.execute(op, 0)  # only instructions without elements cost nothing
        return self._pass()

    def _pass(self) -> None:
        self.pc += 1

    def _begin_vector(self, op: Vector, cycle: int) -> Counting | Stepping | Standing | None:
        state = self.state
        if op.launch is not None:
            if not state.threads[op.launch.thread].passed(None):
                return Standing(op.launch.thread, cycle)
            self._check_queues(*self.executor.ends(op))
            return Counting(1, op)
        if not any(isinstance(operand, Fabric) for operand in (op.dst, op.a, op.b)):
            return self._counting(vector.cost(state.vector(op), state.target), op)
        work = state.vector(op)
        if work.empty:
            return self._pass()
        ends = self.executor.ends(op)
        self._check_queues(*ends)
        return Stepping(self.executor.steps(op, work), cycle)

    def _wavelet_step(self, op: Pop | Push) -> Steps:
        queue = self.state.queues[op.queue]
        self._check_queues(queue)
        if isinstance(op, Pop):
            return PopStep(queue, lambda word: self.state.assign(op.dst, word))
        return PushStep(queue, self.state.scalar(op.value))

    def _check_queues(self, *queues: QueueEnd | None) -> None:
        for queue in queues:
            for thread in self.state.threads:
                if queue is not None and thread.uses(queue):
                    raise Trap("queue violation", f"queue {queue.name} is used by thread {thread.number}")

    def _pass_control(self, op: LoopEnd | Jump | Stop) -> None:
        match op:
            case LoopEnd():
                self.pc = op.body if self.executor.turn(op) else self.pc + 1
            case Jump():
                self.pc = op.to
            case Stop():
                self.task = None
            case _:
                assert_never(op)

    # ---- applying

    def use_slot(self, cycle: int) -> None:
        """Step 4 of a cycle: one slot of the instruction. May trap."""
        match self.doing:
            case Counting():
                self.doing.left -= 1
                if self.doing.left == 0:
                    self._complete(self.doing, cycle)
            case Stepping(steps=ArrivalStep() as steps):
                self._arrive(steps.take(), cycle)
            case Stepping():
                self.doing.since = cycle + 1
                if self.doing.steps.step(cycle):
                    self.pc, self.doing = self.pc + 1, None
            case Standing() | None:
                raise AssertionError("the main thread has no use for a slot")
            case _:
                assert_never(self.doing)

    def _arrive(self, arrival: Arrival, cycle: int) -> None:
        """A sparse wavelet was popped in this slot, the first of those it costs."""
        if arrival.is_end:
            self.executor.end_of_arrivals(arrival.op)
            self.pc, self.doing = self.pc + 1, None
            return
        self.doing = Counting(arrivals.cost(arrival, self.state), arrival)
        self.use_slot(cycle)

    def _complete(self, done: Counting, cycle: int) -> None:
        self.doing = None
        if done.op is not None:
            target = self.executor.execute(done.op, cycle)
            self.pc = self.pc + 1 if target is None else target
        match done.op:
            case Axpy() | Arrival():
                self.axpy_slots += done.cost
            case Vector(launch=None):
                self.vector_slots += done.cost
            case _:
                pass
