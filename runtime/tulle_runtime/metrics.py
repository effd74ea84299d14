"""From a run to its report: the result of the engine, the program, and what the compiler foretold.

Utilization and kernels are counted in PE-cycles: the sum over PEs of cycles from 0 to the end of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tulle_ir.program import Symbol
from tulle_runtime.bounds import slot_bounds
from tulle_runtime.result import RunResult

Facts = Mapping[str, Any]


def utilization_section(result: RunResult, used: np.ndarray) -> dict[str, Any]:
    """datapath: used share of the PE-cycles; imbalance: slots of the busiest PE over the mean."""
    slots = result.counts.slots[used]
    pe_cycles = max(result.cycles, 1) * max(slots.size, 1)
    mean = slots.mean() if slots.size else 0.0
    return {
        "pes_used": int(used.sum()),
        "datapath": round(float(slots.sum() / pe_cycles), 4),
        "imbalance": round(float(slots.max() / mean), 4) if mean > 0 else 1.0,
    }


def kernel_section(
    symbol: Symbol, result: RunResult, pe_bytes: np.ndarray, used: np.ndarray, facts: Facts
) -> dict[str, Any]:
    """One kernel: the PEs with code of its region.

    cycles: from 0 to the last slot of any of its PEs; busy, waiting, blocked: shares of the PE-cycles of the run;
    `pe_bytes`: i64 [H, W]; `facts`: what the compiler says of the kernel ("nonzeros").
    """
    x, y, width, height = symbol.region
    inside = np.s_[y : y + height, x : x + width]
    here = used[inside]
    counts = result.counts
    slots = counts.slots[inside][here]
    pe_cycles = max(result.cycles, 1) * max(slots.size, 1)
    bounds = slot_bounds(slots)
    return {
        "name": symbol.name,
        "origin": symbol.origin,
        "region": list(symbol.region),
        "nonzeros": int(facts.get("nonzeros", 0)),
        "cycles": 1 + int(counts.last_slot[inside][here].max(initial=-1)),
        "busy": round(float(slots.sum() / pe_cycles), 4),
        "waiting": round(float(counts.waiting[inside][here].sum() / pe_cycles), 4),
        "blocked": round(float(counts.blocked[inside][here].sum() / pe_cycles), 4),
        "bound_cycles": bounds.bound,
        "ideal_cycles": bounds.ideal,
        "max_pe_bytes": int(pe_bytes[inside].max(initial=0)),
    }
