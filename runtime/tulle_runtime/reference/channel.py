"""Channels (docs/machine.md, section 2): everything that holds wavelets."""

from __future__ import annotations

from collections import deque


class Channel:
    """A first-in first-out buffer of (first cycle visible, wavelet).

    Conditions are asked while the engine decides a cycle, pushes and pops happen when it applies the decisions; so
    `has_space` and `visible` always speak of the start of the cycle.
    """

    __slots__ = ("capacity", "latency", "wavelets")

    def __init__(self, capacity: int, latency: int) -> None:
        self.capacity = capacity
        self.latency = latency
        self.wavelets: deque[tuple[int, int]] = deque()

    def has_space(self) -> bool:
        """Whether it holds fewer wavelets than its capacity, those in flight included."""
        return len(self.wavelets) < self.capacity

    def visible(self, cycle: int) -> bool:
        """Whether a wavelet may be popped in `cycle`."""
        return bool(self.wavelets) and self.wavelets[0][0] <= cycle

    def push(self, cycle: int, word: int) -> None:
        """Add a wavelet in `cycle`."""
        self.wavelets.append((cycle + self.latency, word))

    def peek(self) -> int:
        """The oldest wavelet."""
        return self.wavelets[0][1]

    def pop(self) -> int:
        """Remove the oldest wavelet."""
        return self.wavelets.popleft()[1]
