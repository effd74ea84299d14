"""The door of the fast engine: runs a program and gathers the result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from tulle_ir.program import Program
from tulle_ir.routes import RouteEntries, expand_routes
from tulle_ir.target import Target
from tulle_runtime.fast import sram
from tulle_runtime.fast import words as w
from tulle_runtime.fast.first import compile_engine
from tulle_runtime.fast.handle import addresses
from tulle_runtime.fast.layout import Layout, build
from tulle_runtime.fast.loop import run_slice
from tulle_runtime.fast.machine import Machine
from tulle_runtime.fast.waits import waits_of
from tulle_runtime.fast.workers import worthwhile
from tulle_runtime.result import Arrivals, Fault, PeCounts, RunResult

_SLICE = 50_000  # entities woken per slice: about a hundredth of a second, more if they run long vectors
_MOST = 2**31 - 2  # cycles that the engine's 32-bit times can hold

Progress = Callable[[int, int], None]
"""(cycle, crossings) so far; called between slices. May raise, to end the run."""
Dump = Callable[[int, int, np.ndarray], None]
"""(x, y, SRAM bytes) of each PE at the end of a run."""
Log = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Port, value and cycle of arrival of wavelets that left the mesh."""


def run_fast(
    program: Program,
    target: Target,
    inputs: list[list[np.ndarray]],
    max_cycles: int | None = None,
    *,
    entries: Callable[[], RouteEntries] | None = None,
    progress: Progress | None = None,
    dump: Dump | None = None,
    workers: int | None = None,
) -> RunResult:
    """Runs `program` on `target`; inputs[s][p] are the u32 wavelets of port p of the s-th input stream.

    Nothing is checked that the verifier checks. `entries` gives the program's, if somebody else wants them as well.
    A run of 2^31 - 2 cycles ends as if that were `max_cycles`. The result is the same with any number of `workers`
    (threads); without one, as many as pay. Raises ValueError if they are none or more than 16.
    """
    number = worthwhile(program) if workers is None else workers
    if not 1 <= number <= w.MOST_WORKERS:
        raise ValueError(f"{number} workers: there can be 1 to {w.MOST_WORKERS}")
    known = expand_routes(program)[0] if entries is None else entries()
    result = _attempt(program, known, target, inputs, max_cycles, progress, dump, ahead=True, workers=number)
    if result is None:
        result = _attempt(program, known, target, inputs, max_cycles, progress, dump, ahead=False)
    assert result is not None
    return result


def _attempt(
    program: Program,
    entries: RouteEntries,
    target: Target,
    inputs: list[list[np.ndarray]],
    max_cycles: int | None,
    progress: Progress | None,
    dump: Dump | None,
    *,
    ahead: bool,
    workers: int = 1,
) -> RunResult | None:
    """A run; None if it goes `ahead` and does not end `ok` within its limit, since then it is not exact (layout.py)."""
    layout = build(program, entries, target, inputs, ahead=ahead, workers=workers)
    m = layout.machine
    compile_engine()
    limit = _MOST if max_cycles is None else min(max_cycles, _MOST)
    for each in layout.machines:
        each.g[w.G_LATEST] = limit
    log: list[Log] = []
    state = m
    why = _drive(layout, log, progress)
    if ahead and (why != w.QUIET or m.g[w.G_LAST] >= limit or waits_of(program, layout)):
        return None
    if why == w.LIMIT and m.g[w.G_LAST] < limit:
        # Nothing is under way that uses a slot: go on, to see whether anything still happens.
        counted = {name: getattr(m, name).copy() for name in ("counts", "waited", "contended", "g")}
        state = m._replace(**counted)
        m.g[w.G_PROBE] = 1
        seen = len(log)
        why = _drive(layout, log, progress)
        if why == w.QUIET:
            state = m
        else:
            why = w.LIMIT
            del log[seen:]
    if dump is not None:
        _dump(program, layout, dump)
    return _result(program, layout, why, state, log)


def _drive(layout: Layout, log: list[Log], progress: Progress | None) -> int:
    """Runs slices until the run ends, and says why; Python's signals are handled in between."""
    first = layout.machine
    table, *tables = map(addresses, layout.machines)
    why = w.MORE
    with ThreadPoolExecutor(max(1, len(tables))) as pool:
        try:
            while why in (w.MORE, w.LOG_FULL):
                slices = [pool.submit(run_slice, other, _SLICE) for other in tables]
                why = run_slice(table, _SLICE)
                wait(slices)
                log += [taken for m in layout.machines if (taken := _take_log(m))]
                if progress is not None:
                    progress(int(first.g[w.G_TIME]), sum(int(m.g[w.G_CROSSINGS]) for m in layout.machines))
        except BaseException:
            first.left[0] = 1  # so that none of the others waits for this worker
            raise
    return int(why)


def _take_log(m: Machine) -> Log | None:
    """What a worker has logged, if anything; its log is empty then."""
    n = int(m.g[w.G_LOG])
    m.g[w.G_LOG] = 0
    return (m.log_port[:n].copy(), m.log_value[:n].copy(), m.log_time[:n].copy()) if n else None


def _result(
    program: Program,
    layout: Layout,
    why: int,
    m: Machine,
    log: list[Log],
) -> RunResult:
    """The record of a run that ended for the reason `why`; `m`: the machine's counters as of the end."""
    g = m.g
    last = int(g[w.G_LAST])
    if why == w.LIMIT:
        end = int(g[w.G_LATEST])
    elif why == w.FAULT:
        end = int(g[w.G_TIME])
    else:
        end = last + 1
    fault = None
    if why == w.FAULT:
        x, y = _at(layout, int(g[w.G_FAULT_PE]))
        fault = Fault(
            x, y, w.FAULT_KINDS[int(g[w.G_FAULT])], _task_name(program, layout, int(g[w.G_FAULT_PE])), end - 1
        )
    waits = waits_of(program, layout) if why == w.QUIET else []
    status = {w.FAULT: "fault", w.LIMIT: "limit"}.get(why, "deadlock" if waits else "ok")
    return RunResult(
        status=status,
        cycles=min(last + 1, end),
        outputs=_outputs(program, log),
        counts=_pe_counts(program, m, end, last),
        hops=sum(int(each.g[w.G_HOPS]) for each in (m, *layout.machines[1:])),
        crossings=sum(int(each.g[w.G_CROSSINGS]) for each in (m, *layout.machines[1:])),
        contended=_contended(layout, m),
        waits=waits,
        fault=fault,
    )


def _contended(layout: Layout, m: Machine) -> np.ndarray:
    """Per route entry; nothing contends with one within a chain."""
    result = np.zeros(len(layout.runs), np.int64)
    result[layout.runs] = m.contended
    return result


def _at(layout: Layout, pe: int) -> tuple[int, int]:
    place = int(layout.machine.place[pe])
    width = layout.entries.mesh[0]
    return place % width, place // width


def _task_name(program: Program, layout: Layout, pe: int) -> str:
    m = layout.machine
    base = m.pe_base[pe]
    cls, task = program.classes[m.pe[base + w.CLASS] // w.CLASS_WORDS], int(m.pe[base + w.TASK])
    return f"class {cls.name}, task {cls.tasks[task].name}" if task >= 0 else f"class {cls.name}"


def _pe_counts(program: Program, m: Machine, end: int, last: int) -> PeCounts:
    """Counts per PE over cycles 0 .. end - 1: open ends are added, what was counted ahead is taken back."""
    n, waited, pes = m.counts.copy(), m.waited.astype(np.int64), np.arange(len(m.place))
    open_end = np.maximum(end - n[:, w.N_FROM], 0)
    n[:, w.N_BLOCKED] += np.where(n[:, w.N_KIND] == w.BLOCKS, open_end, 0)
    queue = n[:, w.N_KIND] - w.WAITS
    waited[pes, np.maximum(queue, 0)] += np.where(queue >= 0, open_end, 0)
    doubt = (n[:, w.N_EPOCH] == last) & (end == last + 1)
    n[:, w.N_BLOCKED] -= np.where(doubt, n[:, w.N_DOUBT_BLOCKED], 0)
    waited[pes, n[:, w.N_DOUBT_QUEUE]] -= np.where(doubt, n[:, w.N_DOUBT_WAITING], 0)
    ended = n[:, w.N_DONE] <= end
    n[pes, n[:, w.N_COST_OF]] += np.where(ended, n[:, w.N_COST], 0)
    n[:, w.N_AXPYS] += np.where(ended, n[:, w.N_AXPYS_COMING], 0)
    n[:, w.N_MACS] += np.where(ended, n[:, w.N_MACS_COMING], 0)
    n[:, w.N_SLOTS] -= np.maximum(n[:, w.N_DONE] - end, 0)
    n[:, w.N_LAST] = np.minimum(n[:, w.N_LAST], end - 1)
    width, height = program.mesh

    def spread(values: np.ndarray, fill: int = 0) -> np.ndarray:
        field = np.full(width * height, fill, np.int64)
        field[m.place] = values
        return field.reshape(height, width)

    return PeCounts(
        slots=spread(n[:, w.N_SLOTS]),
        axpy_slots=spread(n[:, w.N_AXPY_SLOTS]),
        vector_slots=spread(n[:, w.N_VECTOR_SLOTS]),
        received=spread(n[:, w.N_RECEIVED]),
        sent=spread(n[:, w.N_SENT]),
        passed=spread(n[:, w.N_PASSED]),
        blocked=spread(n[:, w.N_BLOCKED]),
        waited=np.stack([spread(waiting) for waiting in waited.T]),
        axpys=spread(n[:, w.N_AXPYS]),
        macs=spread(n[:, w.N_MACS]),
        skipped=spread(n[:, w.N_SKIPPED]),
        first_slot=spread(n[:, w.N_FIRST], -1),
        last_slot=spread(n[:, w.N_LAST], -1),
    )


def _outputs(program: Program, log: list[Log]) -> list[list[Arrivals]]:
    """The output log, per stream and port."""
    empty = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))
    port, value, time = (np.concatenate(parts) for parts in zip(*(log or [empty]), strict=True))
    order = np.argsort(port, kind="stable")
    port, value, time = port[order], value[order].view(np.uint32), time[order]
    result: list[list[Arrivals]] = []
    k = 0
    for stream in program.streams:
        if stream.is_input:
            continue
        result.append([])
        for _ in stream.ports:
            first, end = np.searchsorted(port, [k, k + 1])
            result[-1].append(Arrivals(value[first:end].copy(), time[first:end].copy()))
            k += 1
    return result


def _dump(program: Program, layout: Layout, dump: Dump) -> None:
    for k, cls in enumerate(program.classes):
        for pe in range(layout.class_first[k], layout.class_first[k + 1]):
            start = int(layout.machine.pe[layout.machine.pe_base[pe] + w.SRAM]) * sram.ALIGN
            dump(*_at(layout, pe), layout.memory[start : start + cls.sram_bytes])
