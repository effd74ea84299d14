"""Host ports at the edge of the mesh (docs/machine.md, section 3)."""

from __future__ import annotations

import numpy as np

from tulle_ir.program import HostPort
from tulle_runtime.reference.channel import Channel
from tulle_runtime.result import Arrivals


class HostInput:
    """An input port and the wavelets it has left."""

    def __init__(self, port: HostPort, words: list[int], channel: Channel) -> None:
        self.port = port
        self.words = words
        self.channel = channel
        self.sent = 0
        self.last_push = -1

    @property
    def done(self) -> bool:
        """Whether all wavelets have been sent."""
        return self.sent == len(self.words)

    def push(self, cycle: int) -> None:
        """Send the next wavelet."""
        self.channel.push(cycle, self.words[self.sent])
        self.sent += 1
        self.last_push = cycle


class EdgeLink:
    """A link from the host into the mesh, shared by the input ports of one router and side."""

    def __init__(self) -> None:
        self.ports: list[HostInput] = []

    def decide(self) -> HostInput | None:
        """The port that pushes: least recently advanced (ties: lower color) of those that can."""
        able = [port for port in self.ports if not port.done and port.channel.has_space()]
        return min(able, key=lambda input: (input.last_push, input.port.color), default=None)


class HostOutput:
    """Takes every wavelet that leaves the mesh over one edge link in one color."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.cycles: list[int] = []

    def has_space(self) -> bool:
        """The host always has space."""
        return True

    def push(self, cycle: int, word: int) -> None:
        """A wavelet that advances in a cycle arrives in the next."""
        self.words.append(word)
        self.cycles.append(cycle + 1)

    def arrivals(self) -> Arrivals:
        """What came out."""
        return Arrivals(np.array(self.words, np.uint32), np.array(self.cycles, np.int64))
