"""What each kernel of a run took, and where its cycles went.

A kernel is the region of a symbol; nothing here knows what it computes. docs/report.md defines every figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tulle_ir.program import Program, Symbol
from tulle_ir.report import Attribution, PerChunk, Straggler
from tulle_ir.symbols import block_of
from tulle_runtime.result import PeCounts
from tulle_runtime.upstream import HOST, Upstream

PRESSED = 0.05  # share of a kernel's cycles from which being blocked counts


@dataclass(frozen=True, slots=True)
class Grids:
    """What the kernels of a run share: its counters, `used` bool [H, W] (PEs with code) and their class's number in
    `code` (i32 [H, W]), `pe_bytes` i64 [H, W]."""

    counts: PeCounts
    upstream: Upstream
    used: np.ndarray
    code: np.ndarray
    pe_bytes: np.ndarray


class KernelCounts:
    """The counters of a kernel's PEs with code, i64 [PEs] each, row by row."""

    def __init__(self, symbol: Symbol, grids: Grids) -> None:
        self.region = symbol.region
        x, y, width, height = symbol.region
        counts, up = grids.counts, grids.upstream
        region = np.s_[..., y : y + height, x : x + width]
        here = grids.used[region]

        def of(grid: np.ndarray) -> np.ndarray:
            return grid[region][..., here]

        rows, columns = np.nonzero(here)
        self.x, self.y, self.code = columns + x, rows + y, of(grids.code)
        self.pe_bytes = of(grids.pe_bytes)
        self.slots, self.first, self.last = of(counts.slots), of(counts.first_slot), of(counts.last_slot)
        self.axpy_slots, self.vector_slots = of(counts.axpy_slots), of(counts.vector_slots)
        self.receiving, self.sending = of(counts.received - counts.passed), of(counts.sent)
        self.blocked, self.waited = of(counts.blocked), of(counts.waited)
        sender = of(up.sender)
        from_y, from_x = np.divmod(sender, grids.used.shape[1])
        inside = (from_x >= x) & (from_x < x + width) & (from_y >= y) & (from_y < y + height)
        self.waited_inside = (self.waited * inside).sum(axis=0)
        self.feeders_blocked = counts.blocked.reshape(-1)[sender[~inside & (sender != HOST)]]
        self.lost_before, self.lost_behind = (of(up.lost) * ~inside).sum(axis=0), of(up.lost_behind)

    @property
    def straggler(self) -> int:
        """The PE with the most slots; of several the first."""
        return int(self.slots.argmax())

    @property
    def needs(self) -> int:
        """Cycles that the kernel needs by itself: its straggler's slots, and what it waits for other PEs of it.

        Those may wait in turn for late input or for space. Unless the kernel is pressed, only what the PE that waits
        least shows is certain.
        """
        busy = self.slots + self.waited_inside
        return int(busy[self.straggler] if self.pressed else max(self.slots.max(), busy.min()))

    @property
    def pressed(self) -> bool:
        """Whether it runs as fast as it can: nothing holds it up, and it holds up a PE that feeds it, if one does."""
        much = PRESSED * (self.last[self.straggler] + 1 - self.first[self.straggler])
        holds_up = not len(self.feeders_blocked) or self.feeders_blocked.max() >= much
        return bool(holds_up and self.blocked.max() < much)


def per_chunk(kernel: KernelCounts, chunks: float, predicted: float | None) -> PerChunk:
    """Figures of a kernel that worked on `chunks` full chunks; `predicted` cycles for one of them."""
    straggler, needs = kernel.straggler, kernel.needs / chunks
    return PerChunk(
        chunks=round(chunks, 4),
        predicted=predicted,
        simulated=round(needs, 1),
        bound=round(float(kernel.slots.max()) / chunks, 1),
        ideal=round(float(kernel.slots.mean()) / chunks, 1),
        interval=round(int(kernel.last[straggler] + 1 - kernel.first[straggler]) / chunks, 1),
        error=None if predicted is None else round(predicted / needs - 1, 4),
    )


def attribution(kernel: KernelCounts) -> Attribution:
    """All cycles of the kernel's straggler, from the start of the run to the end of the kernel's work."""
    at = kernel.straggler
    slots, blocked = int(kernel.slots[at]), int(kernel.blocked[at])
    fill, end, cycles = int(kernel.first[at]), 1 + int(kernel.last[at]), 1 + int(kernel.last.max())
    distance = kernel.needs - slots
    waiting = end - fill - slots - blocked - distance  # for input, or for others whose input is late
    lost_before, lost_behind = min(waiting, int(kernel.lost_before[at])), min(blocked, int(kernel.lost_behind[at]))
    ideal = int(np.ceil(kernel.slots.mean()))
    skew, vectors, receiving, reducing = (
        int(of[at]) - round(float(of.mean()))
        for of in (kernel.axpy_slots, kernel.vector_slots, kernel.receiving, kernel.sending)
    )
    return Attribution(
        ideal=ideal,
        skew=skew,
        vectors=vectors,
        receiving=receiving,
        reducing=reducing,
        distance=distance,
        link_contention=lost_before + lost_behind,
        waiting_for_input=waiting - lost_before,
        blocked_by_output=blocked - lost_behind,
        fill=fill,
        drain=cycles - end,
        remainder=slots - ideal - skew - vectors - receiving - reducing,
    )


def straggler(kernel: KernelCounts, symbol: Symbol, program: Program) -> Straggler:
    """The kernel's straggler by name, and what it holds; `symbol` as declared, the kernel may be a copy."""
    at = kernel.straggler
    pe = (int(kernel.x[at]), int(kernel.y[at]))
    block = block_of(replace(symbol, region=kernel.region), *pe, program)
    return Straggler(pe, program.classes[kernel.code[at]].name, int(kernel.slots[at]), *block)
