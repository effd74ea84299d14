"""From a run to its report: the result of the engine, the program, and what the compiler foretold.

Utilization and kernels are counted in PE-cycles: the sum over PEs of cycles from 0 to the end of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tulle_ir.memory import class_map, memory_map, memory_of, pes_used
from tulle_ir.program import Program, Symbol
from tulle_ir.report import Accounting, AxpyCounts, Kernel, Report, Utilization, Wall, WaveletCounts
from tulle_ir.routes import RouteEntries
from tulle_ir.target import Target
from tulle_runtime.arrival import first_token_cycles
from tulle_runtime.bounds import limit_of, link_loads, slot_bounds, whole_bounds
from tulle_runtime.host.chunking import Chunking
from tulle_runtime.host.dealing import Dealing
from tulle_runtime.kernels import Grids, KernelCounts, attribution, per_chunk, straggler
from tulle_runtime.result import PeCounts, RunResult
from tulle_runtime.upstream import upstream_of

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """All that is known of a run. `whole`: the program with its copies written out, `entries`: its route entries;
    `dealing`: what each copy ran; `inputs`: wavelets u32 per port of each input stream of all copies; `facts`: the
    manifest's key "report", the JSON of the compiler's report (empty for a bare program); `seconds`: wall time of the
    engine."""

    result: RunResult
    program: Program
    whole: Program
    entries: RouteEntries
    target: Target
    dealing: Dealing
    inputs: list[list[np.ndarray]]
    facts: Facts
    seconds: float


def run_report(run: Run) -> Report:
    """The report of the run; times are microseconds at the target's clock."""
    result, protocol = run.result, run.program.protocol
    held, used = memory_map(run.whole, run.target), pes_used(run.whole)
    loads = link_loads(run.program, run.whole, result, run.inputs)
    bounds = whole_bounds(result.counts.slots[used], loads)
    kernels = _kernels(run, held.sum(axis=0), used)
    first = first_token_cycles(run.program, result, run.dealing.first)
    predicted = predicted_cycles(run.facts, run.dealing.first)
    return Report(
        status=result.status,
        target=run.program.target,
        mesh=run.program.mesh,
        replicas=run.program.replicas.count,
        tokens=run.dealing.tokens,
        chunk=protocol.chunk if protocol else 0,
        context=protocol.context if protocol else 0,
        dtype=run.facts.get("dtype", ""),
        cycles=result.cycles,
        time_us=round(result.cycles / run.target.gigahertz / 1000, 6),
        tokens_per_second=_per_second(run),
        first_token_cycles=first,
        predicted_cycles=predicted,
        prediction_error=round(predicted / result.cycles - 1, 4) if predicted and result.status == "ok" else None,
        limit=limit_of(kernels, loads, first, _first_latency(run)) if result.status == "ok" else None,
        bound_cycles=bounds.bound,
        ideal_cycles=bounds.ideal,
        axpy=_axpys(result.counts),
        wavelets=WaveletCounts(int(result.counts.sent.sum()), result.hops, result.crossings),
        memory=memory_of(held, used, run.target),
        utilization=_utilization(result, used),
        accounting=Accounting(**run.facts.get("accounting", {})),
        kernels=kernels,
        wall=Wall(round(run.seconds, 6), round(result.crossings / max(run.seconds, 1e-9))),
    )


def _per_second(run: Run) -> int | None:
    """Tokens per second at the target's clock; None for a run without tokens, or one that did not end well."""
    if not run.dealing.tokens or run.result.status != "ok" or not run.result.cycles:
        return None
    return round(run.dealing.tokens / run.result.cycles * run.target.gigahertz * 1e9)


def predicted_cycles(facts: Facts, chunking: Chunking | None) -> int | None:
    """What the cost model says of this run: the latency of the last chunk, and an interval before each other one that
    takes the same way. A chunk that is not full counts by its tokens.

    The facts hold them as `prediction: {latency_cycles, interval_cycles}`, by how much the latency grows per token of
    history as `latency_growth`, kernels whose interval grows as `growing: [[cycles, cycles per token]]`, what each
    sequence before the last takes at least as `sequence_cycles`, and the ways that chunks take in turn as `turns`. None
    if there is no prediction.
    """
    prediction = facts.get("prediction")
    if prediction is None or chunking is None:
        return None
    past = np.arange(0, chunking.tokens, chunking.size)
    share = np.minimum(chunking.tokens - past, chunking.size) / chunking.size
    grown = [cycles + growth * past for cycles, growth in prediction.get("growing", [])]
    intervals = np.maximum.reduce([np.full(len(past), prediction["interval_cycles"]), *grown])
    latency = _latency(prediction, chunking, int(past[-1]))
    turns = prediction.get("turns", 1)
    by_tokens = share * intervals
    longer = max(0.0, prediction.get("sequence_cycles", 0.0) - float(by_tokens.sum()))
    by_tokens, intervals = (np.tile(each, chunking.batch)[::turns] for each in (by_tokens, intervals))
    return round(latency + by_tokens.sum() - share[0] * intervals[-1] + longer * (chunking.batch - 1))


def _latency(prediction: Facts, chunking: Chunking, history: int) -> float:
    """Of the longest chunk, at a history: less if it is not full, down to `single_token` of a full one's."""
    full = prediction["latency_cycles"] + prediction.get("latency_growth", 0.0) * history
    lone = prediction.get("single_token", 1.0)
    return full * (lone + (1 - lone) * (min(chunking.tokens, chunking.size) - 1) / max(1, chunking.size - 1))


def _first_latency(run: Run) -> float | None:
    """What the plan says of the first chunk's way through all kernels; 0 if it says nothing, None without chunks."""
    chunking, prediction = run.dealing.first, run.facts.get("prediction")
    if chunking is None:
        return None
    return _latency(prediction, chunking, 0) if prediction else 0.0


def _axpys(counts: PeCounts) -> AxpyCounts:
    return AxpyCounts(int(counts.axpys.sum()), int(counts.macs.sum()), int(counts.skipped.sum()))


def _utilization(result: RunResult, used: np.ndarray) -> Utilization:
    """`used`: bool [H, W], the PEs with code."""
    slots = result.counts.slots[used]
    if not slots.any():
        return Utilization(int(used.sum()))
    datapath = slots.sum() / (result.cycles * slots.size)
    return Utilization(int(used.sum()), round(float(datapath), 4), round(float(slots.max() / slots.mean()), 4))


def _chunks(chunking: Chunking | None, turn: int = 0, turns: int = 1) -> float | None:
    """How many full chunks the tokens of a run make, those in turn alone; a shorter last one counts by its tokens."""
    return float(chunking.taken_tokens(turn, turns).sum()) / chunking.size if chunking else None


def _predicted_per_chunk(facts: Facts, run: Run) -> float | None:
    """What the plan says of a kernel's full chunk at the mean history of this run; its own figure is for half the
    context."""
    told, chunking = facts.get("per_chunk", {}), run.dealing.first
    if "predicted" not in told or chunking is None:
        return None
    history = float(np.arange(0, chunking.tokens, chunking.size).mean())
    more = told.get("growth", 0.0) * (history - run.facts.get("context", 0) // 2)
    return round(told["predicted"] + more, 1)


def _kernels(run: Run, pe_bytes: np.ndarray, used: np.ndarray) -> tuple[Kernel, ...]:
    """A row per symbol; `pe_bytes`: i64 [H, W]."""
    if not run.program.symbols:
        return ()
    counts = run.result.counts
    upstream = upstream_of(run.whole, run.entries, run.result.contended, len(counts.waited))
    code = class_map(run.whole) % max(1, len(run.program.classes))  # copies run the code of the first
    grids = Grids(counts, upstream, used, code, pe_bytes)
    facts = {kernel["name"]: kernel for kernel in run.facts.get("kernels", [])}
    return tuple(
        _kernel(symbol, _slowest(i, run, grids), run, facts.get(symbol.name, {}))
        for i, symbol in enumerate(run.program.symbols)
    )


def _slowest(i: int, run: Run, grids: Grids) -> tuple[int, KernelCounts]:
    """Of symbol i's copies with the largest share the one that needed most cycles, of several the first: its number."""
    busiest = [copy for copy, share in enumerate(run.dealing.shares) if share.chunking == run.dealing.first]
    symbols = run.whole.symbols[i :: len(run.program.symbols)]
    counted = [(copy, KernelCounts(symbols[copy], grids)) for copy in busiest]
    return max(counted, key=lambda each: each[1].needs if each[1].slots.size else 0)


def _kernel(symbol: Symbol, slowest: tuple[int, KernelCounts], run: Run, facts: Facts) -> Kernel:
    """The PEs with code in the symbol's region, in the slowest copy; `facts`: the compiler's row of the kernel, empty
    if there is none.

    cycles: from 0 to the last slot of any of its PEs; bound and ideal: datapath slots of the busiest and the mean PE.
    """
    copy, counts = slowest
    bounds = slot_bounds(counts.slots)
    pe_cycles = max(run.result.cycles, 1) * max(counts.slots.size, 1)
    shares = (counts.slots, counts.waited, counts.blocked)
    busy, waiting, blocked = (round(float(of.sum() / pe_cycles), 4) for of in shares)
    row = Kernel(
        name=symbol.name,
        origin=symbol.origin,
        region=counts.region,
        replica=copy if run.program.replicas.count > 1 else None,
        nonzeros=int(facts.get("nonzeros", 0)),
        cycles=1 + int(counts.last.max(initial=-1)),
        busy=busy,
        waiting=waiting,
        blocked=blocked,
        bound_cycles=bounds.bound,
        ideal_cycles=bounds.ideal,
        max_pe_bytes=int(counts.pe_bytes.max(initial=0)),
    )
    if run.result.status != "ok" or bounds.bound == 0:
        return row
    turn = facts.get("turn")
    if turn is not None:
        row = replace(row, turn=(turn[0], turn[1]))
    chunks, predicted = _chunks(run.dealing.first, *(turn or ())), _predicted_per_chunk(facts, run)
    return replace(
        row,
        own_cycles=counts.needs,
        per_chunk=per_chunk(counts, chunks, predicted) if chunks else None,
        attribution=attribution(counts),
        straggler=straggler(counts, symbol, run.program),
    )
