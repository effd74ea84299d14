"""The cycle loop: decide on the state at the start of a cycle, then apply; and the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulle_ir.program import Program
from tulle_ir.target import Target
from tulle_runtime.reference.host import HostInput
from tulle_runtime.reference.machine import Machine, build
from tulle_runtime.reference.pe import ComputeEngine, Idle
from tulle_runtime.reference.report import is_clean, result
from tulle_runtime.reference.router import Entry
from tulle_runtime.result import RunResult


def run_reference(
    program: Program, target: Target, inputs: Sequence[Sequence[np.ndarray]], max_cycles: int | None = None
) -> RunResult:
    """Run a verified program. `inputs[s][p]` holds the uint32 wavelets of port p of the s-th input stream."""
    with np.errstate(all="ignore"):  # infinities and NaNs are values here
        return _Engine(build(program, target, inputs), target, max_cycles).run()


@dataclass(slots=True)
class Decision:
    """What happens in a cycle."""

    advances: list[Entry]
    contended: list[Entry]  # lack only a link that another entry takes
    pushes: list[HostInput]
    busy: list[ComputeEngine]  # use their slot, or fault

    @property
    def quiet(self) -> bool:
        """Whether nothing happens."""
        return not (self.advances or self.pushes or self.busy)


class _Engine:
    def __init__(self, machine: Machine, target: Target, max_cycles: int | None) -> None:
        self.machine = machine
        self.launch = target.launch_cycles if any(pe.has_start_tasks for pe in machine.pes) else -1
        self.limit = max_cycles
        self.cycle = 0
        self.cycles = 0  # 1 + the last cycle in which something happened
        self.hops = 0
        self.deliveries = 0
        self.quiet: list[tuple[ComputeEngine, Idle, int, int]] = []  # PE, kind, first and end of cycles not counted yet

    def run(self) -> RunResult:
        """Cycle after cycle until nothing can happen any more, a fault, or the limit."""
        while True:
            if self.cycle == self.launch:
                for pe in self.machine.pes:
                    pe.start(self.cycle)
            decision = self._decide()
            if decision.quiet:
                following = self._next_event()
                if following is None:
                    return self._end("ok" if is_clean(self.machine) else "deadlock")
                self._rest(following)
            elif self.limit is not None and self.cycle >= self.limit:
                self._count_rest(self.limit)
                return self._end("limit")
            elif self._apply(decision):
                return self._end("fault")

    # ---- one cycle

    def _decide(self) -> Decision:
        """Read the state at the start of the cycle."""
        machine, cycle = self.machine, self.cycle
        routers = [router.decide(cycle) for router in machine.routers]
        advances = [entry for advancing, _ in routers for entry in advancing]
        contended = [entry for _, losing in routers for entry in losing]
        pushes = [port for edge in machine.edges if (port := edge.decide()) is not None]
        return Decision(advances, contended, pushes, [pe for pe in machine.pes if pe.decide(cycle)])

    def _apply(self, decision: Decision) -> bool:
        """Let it all happen; returns whether there is a fault."""
        self._count_rest(self.cycle)
        span = self._span(decision)
        for pe in self.machine.pes:
            pe.count(self.cycle, span)
        if span > 1:
            for pe in decision.busy:
                pe.skip(span)
        else:
            self._move(decision)
        self.cycle += span
        self.cycles = self.cycle
        return any(pe.fault is not None for pe in decision.busy)

    def _move(self, decision: Decision) -> None:
        for entry in decision.advances:
            entry.advance(self.cycle)
            self.hops += entry.links
            self.deliveries += len(entry.outlets) - entry.links
        for entry in decision.contended:
            entry.contended += 1
        for port in decision.pushes:
            port.push(self.cycle)
        self.hops += len(decision.pushes)
        for pe in decision.busy:
            pe.act(self.cycle)

    # ---- jumping over cycles

    def _span(self, decision: Decision) -> int:
        """How many cycles from this one on are alike: more than one only if all that happens is main instructions
        counting slots, up to the first that has its last slot, or the next event."""
        if decision.advances or decision.pushes:
            return 1
        free = min(pe.free_slots for pe in decision.busy)
        if free <= 1:
            return 1
        ends = [self._next_event(), self.limit]
        return min([free, *(end - self.cycle for end in ends if end is not None)])

    def _next_event(self) -> int | None:
        """The next cycle in which time alone changes something: a wavelet becomes visible, or tasks start."""
        events = [held.channel.wavelets[0][0] for held in self.machine.channels if held.channel.wavelets]
        return min((event for event in [*events, self.launch] if event > self.cycle), default=None)

    def _rest(self, following: int) -> None:
        """Nothing happens before `following`: jump there, and count these cycles only if anything happens later."""
        for pe in self.machine.pes:
            kind = pe.idle(self.cycle)
            if kind is not None:
                self.quiet.append((pe, kind, self.cycle, following))
        self.cycle = following

    def _count_rest(self, end: int) -> None:
        for pe, kind, first, following in self.quiet:
            pe.count_idle(kind, max(0, min(end, following) - first))
        self.quiet.clear()

    def _end(self, status: str) -> RunResult:
        crossings = self.hops + self.deliveries + sum(pe.sent for pe in self.machine.pes)
        return result(self.machine, status, self.cycle, self.cycles, self.hops, crossings)
