"""What a run could not have beaten, from the work it did: datapath slots and host links.

`bound` is the heaviest PE or host link of this mapping, `ideal` the same work spread evenly over the PEs and links
that the program uses. Slots are work, not time, so no run is below its bound, and no bound is below its ideal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tulle_ir.memory import pes_used
from tulle_ir.program import HostStream, Program
from tulle_runtime.result import RunResult


@dataclass(frozen=True, slots=True)
class Bounds:
    """Cycles."""

    bound: int
    ideal: int


def whole_bounds(program: Program, result: RunResult, inputs: list[list[np.ndarray]]) -> Bounds:
    """Of the whole run; `inputs` are the wavelets that were to be sent, u32 per port of each input stream."""
    work = slot_bounds(result.counts.slots[pes_used(program)])
    sent = _link_loads([s for s in program.streams if s.is_input], [[len(p) for p in ports] for ports in inputs])
    lengths = [[len(arrivals.values) for arrivals in ports] for ports in result.outputs]
    received = _link_loads([s for s in program.streams if not s.is_input], lengths)
    loads = [load for load in (sent, received) if load]
    bound = max([work.bound, *(max(load) for load in loads)])
    ideal = max([work.ideal, *(-(-sum(load) // len(load)) for load in loads)])
    return Bounds(bound, ideal)


def slot_bounds(slots: np.ndarray) -> Bounds:
    """Of some PEs, from the datapath slots each used."""
    if not slots.size:
        return Bounds(0, 0)
    return Bounds(int(slots.max()), int(np.ceil(slots.mean())))


def _link_loads(streams: list[HostStream], wavelets: list[list[int]]) -> list[int]:
    """Wavelets over each host link that the streams use; a link carries one per cycle and direction."""
    loads: Counter[tuple[int, int, str]] = Counter()
    for stream, lengths in zip(streams, wavelets, strict=True):
        for port, length in zip(stream.ports, lengths, strict=True):
            loads[port.x, port.y, port.side] += length
    return list(loads.values())
