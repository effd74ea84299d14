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
    """Per PE, arrays of shape [H, W] (i64)."""

    slots: np.ndarray  # cycles in which the datapath was used
    blocked: np.ndarray
    waiting: np.ndarray
    axpys: np.ndarray
    macs: np.ndarray
    sent: np.ndarray  # wavelets pushed by the compute engine
    last_slot: np.ndarray  # last cycle with a slot used, -1 if none


@dataclass(frozen=True, slots=True)
class RunResult:
    """status: "ok", "deadlock", "fault" or "limit". `hops` counts wavelets over links (host links included),
    `crossings` links and ramps. `outputs[s][p]` belongs to port p of the s-th output stream."""

    status: str
    cycles: int
    outputs: list[list[Arrivals]]
    counts: PeCounts
    hops: int
    crossings: int
    waits: list[Wait] = field(default_factory=list)
    fault: Fault | None = None
