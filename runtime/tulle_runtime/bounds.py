"""What a run could not have beaten, from the work it did: datapath slots and host links.

`bound` is the heaviest PE or host link of this mapping, `ideal` the same work spread evenly over the PEs and links
that the program uses. Slots are work, not time, so no run is below its bound, and no bound is below its ideal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tulle_ir.program import HostStream, Program
from tulle_ir.report import Kernel, Limit
from tulle_runtime.result import RunResult


@dataclass(frozen=True, slots=True)
class Bounds:
    """Cycles."""

    bound: int
    ideal: int


@dataclass(frozen=True, slots=True)
class LinkLoads:
    """Wavelets over each host link that streams use, inputs and outputs apart; a link carries one per cycle and
    direction. `names`: of the streams."""

    is_input: bool
    names: str
    wavelets: list[int]


def link_loads(program: Program, whole: Program, result: RunResult, inputs: list[list[np.ndarray]]) -> list[LinkLoads]:
    """Of the whole run; `whole`: the program with its copies written out; `inputs`: the wavelets that were to be sent,
    u32 per port of each input stream."""
    sent = [[len(port) for port in ports] for ports in inputs]
    received = [[len(arrivals.values) for arrivals in ports] for ports in result.outputs]
    return [
        LinkLoads(is_input, ", ".join(s.name for s in _of(program, is_input)), _loads(_of(whole, is_input), wavelets))
        for is_input, wavelets in ((True, sent), (False, received))
    ]


def _of(program: Program, is_input: bool) -> list[HostStream]:
    return [stream for stream in program.streams if stream.is_input is is_input]


def whole_bounds(slots: np.ndarray, links: Iterable[LinkLoads]) -> Bounds:
    """Of the whole run, from the datapath slots of all PEs with code and the loads of the links."""
    work = slot_bounds(slots)
    loads = [link.wavelets for link in links if link.wavelets]
    bound = max([work.bound, *(max(load) for load in loads)])
    ideal = max([work.ideal, *(-(-sum(load) // len(load)) for load in loads)])
    return Bounds(bound, ideal)


def slot_bounds(slots: np.ndarray) -> Bounds:
    """Of some PEs, from the datapath slots each used."""
    if not slots.size:
        return Bounds(0, 0)
    return Bounds(int(slots.max()), int(np.ceil(slots.mean())))


def limit_of(
    kernels: Sequence[Kernel],
    links: Iterable[LinkLoads],
    first_chunk: int,
    latency: float | None,
) -> Limit | None:
    """What takes most cycles by itself: a kernel, the host links, or the first chunk's way through all of it (its
    arrival in cycle `first_chunk`; `latency`: what the plan says of that, 0 for nothing, None without chunks); None if
    nothing happened."""
    candidates = [
        *(Limit("kernel", k.name, k.own_cycles or 0, _predicted(k)) for k in kernels),
        *(
            Limit(f"{'in' if link.is_input else 'out'}put links", link.names, max(link.wavelets, default=0))
            for link in links
        ),
    ]
    if latency is not None:
        candidates.append(Limit("latency", "first chunk", first_chunk, round(latency) or None))
    limit = max(candidates, key=lambda each: each.cycles, default=None)
    if limit is None or limit.cycles == 0:
        return None
    error = None if limit.predicted is None else round(limit.predicted / limit.cycles - 1, 4)
    return replace(limit, error=error)


def _predicted(kernel: Kernel) -> int | None:
    """The plan's cycles for the kernel's part in the run."""
    told = kernel.per_chunk
    if told is None or told.predicted is None or told.chunks is None:
        return None
    return round(told.predicted * told.chunks)


def _loads(streams: list[HostStream], wavelets: list[list[int]]) -> list[int]:
    loads: Counter[tuple[int, int, str]] = Counter()
    for stream, lengths in zip(streams, wavelets, strict=True):
        for port, length in zip(stream.ports, lengths, strict=True):
            loads[port.x, port.y, port.side] += length
    return list(loads.values())
