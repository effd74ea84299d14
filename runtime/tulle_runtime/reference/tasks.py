"""Tasks of a PE and when they are runnable (docs/machine.md, section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from tulle_ir.code import TaskVerb
from tulle_ir.program import Task, Trigger
from tulle_runtime.reference.code import Operation, flatten
from tulle_runtime.reference.steps import QueueEnd
from tulle_runtime.reference.thread import Thread


class TaskState:
    """A task: its code, whether it is blocked, and since which cycle it is activated (None: it is not)."""

    def __init__(self, task: Task, queue: QueueEnd | None) -> None:
        self.name = task.name
        self.on_start = task.trigger is Trigger.START
        self.queue = queue
        self.code: list[Operation] = flatten(task.code)
        self.blocked = task.blocked
        self.activated: int | None = None

    def activate(self, cycle: int) -> None:
        """Activated from the start of `cycle` on."""
        if self.activated is None:
            self.activated = cycle

    def control(self, verb: TaskVerb, cycle: int) -> None:
        """What a control instruction does to it; effective in the next cycle."""
        match verb:
            case TaskVerb.ACTIVATE:
                self.activate(cycle + 1)
            case TaskVerb.BLOCK:
                self.blocked = True
            case TaskVerb.UNBLOCK:
                self.blocked = False
            case _:
                assert_never(verb)

    def runnable(self, cycle: int, threads: Iterable[Thread]) -> bool:
        """Not blocked, and activated or with a wavelet in a queue that no microthread reads."""
        if self.blocked:
            return False
        if self.activated is not None:
            return True
        if self.queue is None or not self.queue.channel.visible(cycle):
            return False
        return not any(thread.uses(self.queue) for thread in threads)
