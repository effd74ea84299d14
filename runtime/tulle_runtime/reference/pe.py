"""The compute engine of a PE: who uses the datapath's slot in a cycle."""

from __future__ import annotations

from tulle_runtime.reference.main import Counting, MainThread, Standing, Stepping
from tulle_runtime.reference.memory import Trap
from tulle_runtime.reference.state import PeState
from tulle_runtime.reference.steps import Steps
from tulle_runtime.reference.thread import Thread
from tulle_runtime.result import Fault, Wait

BLOCKED = -1

Idle = int | None
"""What a cycle without a slot counts as: BLOCKED, waiting for the input queue of this index (one behind the last: for
the next task), or None: nothing."""


class ComputeEngine:
    """A PE without its router. In each cycle the engine calls `decide`, then `act` if there is a use for the slot."""

    def __init__(self, x: int, y: int, state: PeState) -> None:
        self.x = x
        self.y = y
        self.state = state
        self.main = MainThread(state)
        self.actor: Thread | MainThread | None = None
        self.fault: Fault | None = None
        self.slots = 0
        self.received = 0
        self.sent = 0
        self.passed = 0
        self.blocked = 0
        self.waited = [0] * (len(state.target.input_queues) + 1)  # waiting cycles by input queue; last: the next task
        self.first_slot = -1
        self.last_slot = -1

    @property
    def has_start_tasks(self) -> bool:
        """Whether a task waits for the launch."""
        return any(task.on_start for task in self.state.tasks)

    def start(self, cycle: int) -> None:
        """Activate the `on start` tasks."""
        for task in self.state.tasks:
            if task.on_start:
                task.activate(cycle)

    def decide(self, cycle: int) -> bool:
        """Fetch, and choose who uses the slot: microthreads in ascending order, then main; whether anything happens."""
        self.actor = None
        trapped = False
        try:
            self.main.fetch(cycle)
        except Trap as trap:
            trapped = True
            self._record(trap, cycle)
        ready = (thread for thread in self.state.threads if thread.ready(cycle))
        self.actor = next(ready, None)
        if self.actor is None and not trapped and self.main.ready(cycle):
            self.actor = self.main
        return self.actor is not None or trapped

    def act(self, cycle: int) -> None:
        """Use the slot as decided."""
        steps = self._stepping()
        try:
            if isinstance(self.actor, Thread):
                then = self.actor.step(cycle)
                if then:
                    self.state.task_by_name[then].activate(cycle + 1)
            elif self.actor is not None:
                self.actor.use_slot(cycle)
        except Trap as trap:
            self._record(trap, cycle)
        else:
            if steps is not None:
                self.received += steps.popped
                self.sent += steps.pushed
                self.passed += steps.popped and steps.pushed

    def _stepping(self) -> Steps | None:
        """What goes on by a wavelet in this slot, if that is its use."""
        if isinstance(self.actor, Thread):
            return self.actor.steps
        if self.actor is not None and isinstance(self.actor.doing, Stepping):
            return self.actor.doing.steps
        return None

    def _record(self, trap: Trap, cycle: int) -> None:
        if self.fault is None:
            self.fault = Fault(self.x, self.y, trap.kind, trap.detail, cycle)

    @property
    def free_slots(self) -> int:
        """How many cycles the chosen use of the slot certainly goes on without any effect."""
        doing = self.main.doing
        return doing.left - 1 if self.actor is self.main and isinstance(doing, Counting) else 0

    def skip(self, cycles: int) -> None:
        """Count down that many slots of the main instruction at once."""
        if isinstance(self.main.doing, Counting):
            self.main.doing.left -= cycles

    def count(self, cycle: int, cycles: int) -> None:
        """Account for cycles from `cycle` on, all like the decided one."""
        if self.actor is not None:
            self.first_slot = cycle if self.slots == 0 else self.first_slot
            self.slots += cycles
            self.last_slot = cycle + cycles - 1
        else:
            self.count_idle(self.idle(cycle), cycles)

    def count_idle(self, idle: Idle, cycles: int) -> None:
        """Account for cycles without a slot."""
        if idle == BLOCKED:
            self.blocked += cycles
        elif idle is not None:
            self.waited[idle] += cycles

    def idle(self, cycle: int) -> Idle:
        """What a cycle without a slot is: something lacks only output space; or everything under way lacks input, and
        what the main thread waits for counts first, then the lowest microthread that starts a task."""
        steps: list[Steps] = [thread.steps for thread in self.state.threads if thread.steps is not None]
        if isinstance(self.main.doing, Stepping):
            steps.append(self.main.doing.steps)
        if any(s.lacks_space() and not s.lacks_input(cycle) for s in steps):
            return BLOCKED
        starting = (thread.steps for thread in self.state.threads if thread.steps is not None and thread.then)
        awaited = self.main.awaited or next(starting, None)
        if awaited is not None:
            assert awaited.source is not None, "it lacks input"
            return awaited.source.index
        return len(self.waited) - 1 if steps or self.main.task is not None else None

    def waits(self, cycle: int) -> list[Wait]:
        """What waits here at the end of a run."""
        found: list[Wait] = []
        for task in self.state.tasks:
            if task.activated is not None:
                found.append(self._wait(f"task {task.name}", "start", -1, task.activated))
        for thread in self.state.threads:
            if thread.steps is not None:
                found.append(self._steps_wait(f"thread {thread.number}", thread.steps, thread.since, cycle))
        if self.main.task is not None:
            found.append(self._main_wait(f"task {self.main.task.name}", cycle))
        return found

    def _main_wait(self, who: str, cycle: int) -> Wait:
        doing = self.main.doing
        if isinstance(doing, Standing):
            return self._wait(who, f"thread {doing.thread}", -1, doing.since)
        assert isinstance(doing, Stepping), "at the end of a run nothing can go on"
        return self._steps_wait(who, doing.steps, doing.since, cycle)

    def _steps_wait(self, who: str, steps: Steps, since: int, cycle: int) -> Wait:
        if steps.source is not None and steps.lacks_input(cycle):
            return self._wait(who, "input", steps.source.color, since)
        assert steps.sink is not None, "at the end of a run nothing can go on"
        return self._wait(who, "output space", steps.sink.color, since)

    def _wait(self, who: str, why: str, color: int, since: int) -> Wait:
        return Wait(self.x, self.y, who, why, color, since)
