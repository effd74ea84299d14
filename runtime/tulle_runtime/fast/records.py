"""The records of PEs and routers, and SRAM."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from weakref import finalize

import numpy as np

from tulle_ir.program import Program
from tulle_ir.progress import steps
from tulle_runtime.fast import sram
from tulle_runtime.fast import words as w
from tulle_runtime.fast.code import FlatClass
from tulle_runtime.fast.lines import zeros
from tulle_runtime.fast.network import Channels
from tulle_runtime.fast.rows import wrap


def router_records(channels: Channels, routers: int) -> np.ndarray:
    """The routers' records."""
    records = zeros((routers, w.ROUTER_WORDS), np.int32)
    records[:, w.Q_FIRST] = np.searchsorted(channels.router_of[channels.runs], np.arange(routers))
    return records


def set_ahead(pe: np.ndarray, pe_base: np.ndarray, ch: np.ndarray, place: np.ndarray, channels: Channels) -> None:
    """How far a PE may go ahead: until what its routers may yet push into one of its channels is visible.

    In the present cycle routers come before PEs and host links, so what the latter push may come a cycle earlier."""
    entries, n = channels.entries, len(channels.entries.router)
    base = channels.base[n:][channels.delivers]
    known = ch[base + w.LATENCY] - (ch[base + w.FEEDER] == w.NO_FEEDER)
    least = np.full(int(entries.mesh[0] * entries.mesh[1]), w.MOST_AHEAD, np.int64)
    np.minimum.at(least, entries.router[channels.delivers], known)
    pe[pe_base + w.AHEAD] = least[place]


_PAGE = 4096  # bytes


class Memory:
    """SRAM of all PEs, and where that of each class begins. It is filled while other things are done."""

    def __init__(self, program: Program) -> None:
        sizes = [sram.pes(cls) * sram.stride(cls) for cls in program.classes]
        self.starts: list[int] = np.cumsum([0, *sizes]).tolist()
        self.bytes = zeros((self.starts[-1] + sram.ALIGN,), np.uint8)
        pool = ThreadPoolExecutor(1)
        pool.submit(self._clear)
        self._loading = [
            pool.submit(sram.load, self.bytes, start, cls, program.tensors)
            for cls, start in zip(program.classes, self.starts, strict=False)
        ]
        # once nobody can wait for it any more, what is left to load would only delay the end of an interrupted command
        finalize(self, pool.shutdown, wait=False, cancel_futures=True)

    def _clear(self) -> None:
        """Touches every page, so that the system does not have to clear it during the run."""
        self.bytes[::_PAGE] = 0

    def wait(self) -> None:
        """Returns when it is filled."""
        for each in steps("load", self._loading, "classes"):
            each.result()


def pe_records(
    program: Program,
    flats: list[FlatClass],
    class_first: list[int],
    starts: list[int],
    place: np.ndarray,
    channels: Channels,
) -> tuple[np.ndarray, np.ndarray]:
    """The PE records and where each begins."""
    sizes = [sram.pes(cls) * int(flat.layout[w.C_SIZE]) for cls, flat in zip(program.classes, flats, strict=True)]
    firsts = np.cumsum([0, *sizes])
    pe = zeros((int(firsts[-1]),), np.int32)
    bases: list[np.ndarray] = [np.zeros(0, np.int64)]
    for k, (cls, flat) in enumerate(zip(program.classes, flats, strict=True)):
        layout = flat.layout
        size, n = int(layout[w.C_SIZE]), sram.pes(cls)
        bases.append(firsts[k] + size * np.arange(n))
        view = pe[firsts[k] : firsts[k + 1]].reshape(n, size)
        view[:, w.TASK] = view[:, w.DEFER] = -1
        view[:, w.START] = int(flat.tasks[:, w.K_START].any())
        view[:, w.CLASS] = k * w.CLASS_WORDS
        view[:, w.SRAM] = starts[k] // sram.ALIGN + np.arange(n) * (sram.stride(cls) // sram.ALIGN)
        view[:, w.EXTENT] = cls.sram_bytes
        at = place[class_first[k] : class_first[k] + n]
        for index, queue in enumerate(cls.queues):
            view[:, layout[w.C_QUEUES] + index] = channels.of_queue(at, queue.color, queue.is_input)
        for index, task in enumerate(cls.tasks):
            view[:, layout[w.C_TASKS] + w.TASK_WORDS * index + w.FLAGS] = w.BLOCKED if task.blocked else 0
        for index, register in enumerate(cls.registers):
            value = register.value
            values = program.tensors[value] if isinstance(value, str) else wrap(value)
            view[:, layout[w.C_REGISTERS] + index] = values
    return pe, np.concatenate(bases)
