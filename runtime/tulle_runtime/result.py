"""What an engine returns. Both engines fill the same record, and must fill it equally."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What one host output port received: `values` u32[n] wavelets, `cycles` i64[n] the cycle each arrived."""

    values: np.ndarray
    cycles: np.ndarray


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that waits at the end of a run: a task, a microthread, a channel or a host input.

    `who` is "task NAME", "thread N", "channel" or "host input"; `why` says for what: "input", "output space",
    "thread N", "start" (an activated task that never started) or "undelivered"; `color` is -1 if none;
    `since` is the first cycle of the uninterrupted wait (for channels: the cycle the head became visible).
    """

    x: int
    y: int
    who: str
    why: str
    color: int
    since: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A machine fault: kind is "out of bounds", "queue violation", "division by zero" or "column out of table"."""

    x: int
    y: int
    kind: str
    detail: str
    cycle: int


@dataclass(frozen=True, slots=True)
class PeCounts:
    """Per PE, arrays of shape [H, W] (i64), as docs/machine.md defines them (section 7).

    slots = axpy_slots + vector_slots + received + sent - passed + control (dispatch, scalars, launches, zeros).
    """

    slots: np.ndarray  # cycles in which the datapath was used
    axpy_slots: np.ndarray
    vector_slots: np.ndarray  # without fabric operands
    received: np.ndarray  # wavelets popped by the compute engine, those that trigger AXPYs apart
    sent: np.ndarray  # wavelets pushed by it
    passed: np.ndarray  # steps that did both
    blocked: np.ndarray
    waited: np.ndarray  # [input queues + 1, H, W]: waiting cycles by the queue waited for; last: for the next task
    axpys: np.ndarray
    macs: np.ndarray
    skipped: np.ndarray  # AXPYs that zero activations have saved
    first_slot: np.ndarray  # first cycle with a slot used, -1 if none
    last_slot: np.ndarray

    @property
    def waiting(self) -> np.ndarray:
        """Waiting cycles, whatever for."""
        return self.waited.sum(axis=0)


@dataclass(frozen=True, slots=True)
class RunResult:
    """status: "ok", "deadlock", "fault" or "limit". `hops` counts wavelets over links (host links included),
    `crossings` links and ramps. `outputs[s][p]` belongs to port p of the s-th output stream; `contended`: i64 per route
    entry, in the order of `expand_routes`, the cycles in which its head lacked only a link that another one took."""

    status: str
    cycles: int
    outputs: list[list[Arrivals]]
    counts: PeCounts
    hops: int
    crossings: int
    contended: np.ndarray
    waits: list[Wait] = field(default_factory=list)
    fault: Fault | None = None
