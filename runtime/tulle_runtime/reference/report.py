"""What is left at the end of a run, as a RunResult."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tulle_runtime.reference.machine import Machine
from tulle_runtime.reference.pe import ComputeEngine
from tulle_runtime.result import PeCounts, RunResult, Wait


def is_clean(machine: Machine) -> bool:
    """Whether nothing is left to do: the end of a good run."""
    return not waits(machine, 0) and all(pe.fault is None for pe in machine.pes)


def waits(machine: Machine, cycle: int) -> list[Wait]:
    """Everything that waits, by row, column, who, why, color and since."""
    found = [wait for pe in machine.pes for wait in pe.waits(cycle)]
    for held in machine.channels:
        if held.channel.wavelets:
            found.append(Wait(held.x, held.y, "channel", "undelivered", held.color, held.channel.wavelets[0][0]))
    for each in machine.inputs:
        if not each.done:
            port = each.port
            found.append(Wait(port.x, port.y, "host input", "output space", port.color, each.last_push + 1))
    return sorted(found, key=lambda wait: (wait.y, wait.x, wait.who, wait.why, wait.color, wait.since))


def result(machine: Machine, status: str, cycle: int, cycles: int, hops: int, crossings: int) -> RunResult:
    """The record of a run that ended at the start of `cycle`."""
    faults = [pe.fault for pe in machine.pes if pe.fault is not None]  # PEs are in the order of y * W + x
    return RunResult(
        status=status,
        cycles=cycles,
        outputs=[[port.arrivals() for port in stream] for stream in machine.outputs],
        counts=_counts(machine),
        hops=hops,
        crossings=crossings,
        contended=_contended(machine),
        waits=waits(machine, cycle) if status == "deadlock" else [],
        fault=faults[0] if faults else None,
    )


def _contended(machine: Machine) -> np.ndarray:
    routers = sorted(machine.routers, key=lambda router: (router.y, router.x))
    return np.array([entry.contended for router in routers for entry in router.entries], np.int64)


def _counts(machine: Machine) -> PeCounts:
    def grid(count: Callable[[ComputeEngine], int], default: int = 0) -> np.ndarray:
        width, height = machine.mesh
        array = np.full((height, width), default, np.int64)
        for pe in machine.pes:
            array[pe.y, pe.x] = count(pe)
        return array

    return PeCounts(
        slots=grid(lambda pe: pe.slots),
        axpy_slots=grid(lambda pe: pe.main.axpy_slots),
        vector_slots=grid(lambda pe: pe.main.vector_slots),
        received=grid(lambda pe: pe.received),
        sent=grid(lambda pe: pe.sent),
        passed=grid(lambda pe: pe.passed),
        blocked=grid(lambda pe: pe.blocked),
        waited=np.stack([grid(lambda pe, q=q: pe.waited[q]) for q in range(machine.input_queues + 1)]),
        axpys=grid(lambda pe: pe.main.executor.axpys),
        macs=grid(lambda pe: pe.main.executor.macs),
        skipped=grid(lambda pe: pe.main.executor.skipped),
        first_slot=grid(lambda pe: pe.first_slot, -1),
        last_slot=grid(lambda pe: pe.last_slot, -1),
    )
