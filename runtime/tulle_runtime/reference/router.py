"""Routers (docs/machine.md, section 2, Advance)."""

from __future__ import annotations

from typing import Protocol

from tulle_ir.program import Port
from tulle_runtime.reference.channel import Channel


class Outlet(Protocol):
    """Where a wavelet may go: a channel, or the host over the edge."""

    def has_space(self) -> bool: ...

    def push(self, cycle: int, word: int) -> None: ...


class Entry:
    """A route entry with the channel it reads and the outlets it fills."""

    def __init__(self, color: int, inbox: Channel, outlets: list[tuple[Port, Outlet]]) -> None:
        self.color = color
        self.inbox = inbox
        self.outlets = outlets
        self.links = sum(port is not Port.RAMP for port, _ in outlets)
        self.last_advance = -1
        self.contended = 0

    def advance(self, cycle: int) -> None:
        """Move the head wavelet to all outlets."""
        word = self.inbox.pop()
        for _, outlet in self.outlets:
            outlet.push(cycle, word)
        self.last_advance = cycle


class Router:
    """The entries of one router."""

    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y
        self.entries: list[Entry] = []

    def decide(self, cycle: int) -> tuple[list[Entry], list[Entry]]:
        """The entries that advance: least recently advanced first, each if its links are free and its outlets have
        space; and those that only lack a link. RAMP is shared like a link."""
        candidates = [entry for entry in self.entries if entry.inbox.visible(cycle)]
        candidates.sort(key=lambda entry: (entry.last_advance, entry.color))
        taken: set[Port] = set()
        advancing: list[Entry] = []
        contended: list[Entry] = []
        for entry in candidates:
            ports = {port for port, _ in entry.outlets}
            if not all(outlet.has_space() for _, outlet in entry.outlets):
                continue
            if ports & taken:
                contended.append(entry)
            else:
                taken |= ports
                advancing.append(entry)
        return advancing, contended
