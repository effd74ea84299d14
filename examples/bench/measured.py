"""The command, run as a process of its own and measured."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Measured:
    """Seconds by the wall clock, seconds of processor time, peak resident memory in GB."""

    wall: float
    cpu: float
    peak: float

    @classmethod
    def median(cls, run: Callable[[], Measured], times: int = 3) -> Measured:
        """Of several runs, figure by figure."""
        runs = [run() for _ in range(times)]
        return cls(*(median(figures) for figures in zip(*map(astuple, runs), strict=True)))


def tulle(*arguments: str | Path, **environment: str) -> Measured:
    """Run `tulle ARGUMENTS` with these variables; what it prints is dropped, unless it fails: that ends the bench."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(log.fileno(), 2)
            os.execve(sys.executable, [sys.executable, "-m", "tulle", *map(str, arguments)], os.environ | environment)
        _, status, usage = os.wait4(child, 0)
        if status:
            log.seek(0)
            failure = f"tulle {arguments[0]} failed with {os.waitstatus_to_exitcode(status)}"
            raise SystemExit(f"{log.read().decode()}{failure}")
    return Measured(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9)
