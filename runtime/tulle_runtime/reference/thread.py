"""Microthreads: asynchronous vector instructions that share the datapath with the main thread."""

from __future__ import annotations

from tulle_runtime.reference.steps import QueueEnd, VectorSteps


class Thread:
    """Microthread `number`; active while it has steps to perform."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps: VectorSteps | None = None
        self.then = ""
        self.since = 0  # the cycle after the launch or the last step

    def launch(self, steps: VectorSteps, then: str, cycle: int) -> None:
        """Start in the slot of `cycle`; the first step may come in the next."""
        self.steps, self.then, self.since = steps, then, cycle + 1

    def ready(self, cycle: int) -> bool:
        """Whether it can use the slot."""
        return self.steps is not None and self.steps.ready(cycle)

    def step(self, cycle: int) -> str:
        """One step; returns the task to activate if it was the last ("" for none)."""
        assert self.steps is not None
        self.since = cycle + 1
        if not self.steps.step(cycle):
            return ""
        self.steps = None
        return self.then

    def uses(self, queue: QueueEnd) -> bool:
        """Whether it is active on this queue."""
        return self.steps is not None and self.steps.uses(queue)

    def passed(self, rows: int | None) -> bool:
        """What `await` asks: idle, or more than `rows` rows complete."""
        return self.steps is None or (rows is not None and self.steps.row > rows)
