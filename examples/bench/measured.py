"""The command, run as a process of its own and measured."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Seconds by the wall clock, seconds of processor time, peak resident memory in GB."""

    wall: float
    cpu: float
    peak: float


def tulle(*arguments: str | Path) -> Measured:
    """Run `tulle ARGUMENTS`; what it prints to stdout is dropped. Ends the bench if it fails."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, "-m", "tulle", *map(str, arguments)])
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"tulle {arguments[0]} failed with {os.waitstatus_to_exitcode(status)}")
    return Measured(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)
