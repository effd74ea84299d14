"""The progress bar: phase, how far, rate, time left; in one line of a terminal that it cleans up after itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from tulle_ir.progress import listening

CLEAR = "\r\033[K"  # the line the cursor stands in
PATIENCE = 1.0  # seconds before the first bar: shorter work shows none
INTERVAL = 0.1  # seconds between drawings
WIDTH = 24  # characters of the bar


@dataclass
class Bar:
    """Draws what it is told, from `PATIENCE` seconds after it was made, at most every `INTERVAL` seconds."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    phase: str = ""
    begun: float = 0.0  # of the phase
    next: float = field(init=False)  # when to draw again

    def __post_init__(self) -> None:
        self.next = self.clock() + PATIENCE

    def __call__(self, phase: str, done: int, total: int, unit: str) -> None:
        """A phase has come so far: a `tulle_ir.progress.Listener`."""
        now = self.clock()
        if phase != self.phase:
            self.phase, self.begun = phase, now
        if now < self.next:
            return
        self.next = now + INTERVAL
        self.stream.write(CLEAR + line(phase, done, total, unit, now - self.begun))
        self.stream.flush()


def line(phase: str, done: int, total: int, unit: str, seconds: float) -> str:
    """`emit   [======>      ] 43 of 172 kernels, 12/s, 0:10 left`; how much there is may be unknown (0), or a guess."""
    if not total:
        return f"{phase:7} {done:,} {unit}" + (f", {done / seconds:,.0f}/s" if seconds > 0 else "")
    filled = WIDTH * done // total
    drawn = f"{phase:7} [{('=' * filled + '>')[:WIDTH]:{WIDTH}}] {done:,} of {total:,} {unit}"
    if not done or seconds <= 0 or done > total:
        return drawn
    rate = done / seconds
    minutes, left = divmod(round((total - done) / rate), 60)
    return f"{drawn}, {rate:,.0f}/s, {minutes}:{left:02} left"


@contextmanager
def progress_bar() -> Iterator[None]:
    """Work in this block shows a bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    try:
        with listening(Bar(sys.stderr)):
            yield
    finally:
        sys.stderr.write(CLEAR)
        sys.stderr.flush()
