"""The kernels of a report as tables: predicted beside simulated, where the cycles went, who holds the others up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tulle.cli.table import Cell, Table

Kernel = Mapping[str, Any]

SLOWEST = 12  # kernels shown
STRAGGLERS = 6  # of them with their heaviest PE
TERMS = 3  # largest terms shown of where a kernel's cycles went
LEAST = 0.03  # share of a term that is shown
WIDE = 28  # characters of a list of features
NAMES = {
    "skew": "skew",
    "vectors": "vectors",
    "receiving": "receiving",
    "reducing": "reducing",
    "distance": "distance",
    "link_contention": "links",
    "waiting_for_input": "input",
    "blocked_by_output": "output",
    "remainder": "rest",
}


def kernel_tables(report: Mapping[str, Any]) -> list[Table]:
    """The slowest kernels of a run or a compilation, those that need most cycles first."""
    if report["status"] == "compiled":
        return [_foretold(report["kernels"])]
    kernels = sorted(report["kernels"], key=lambda k: (-k.get("own_cycles", 0), k["name"]))
    return [_gone(kernels), *_stragglers(kernels[:STRAGGLERS])]


def _foretold(kernels: Sequence[Kernel]) -> Table:
    """Predictions: the mean PE's work, what the heaviest has more, and the way along the kernel's lines."""
    rows: list[tuple[Cell, ...]] = []
    for kernel in sorted(kernels, key=lambda k: (-k["cycles"], k["name"]))[:SLOWEST]:
        ideal, bound, all_of_it = kernel["ideal_cycles"], kernel["bound_cycles"], kernel["cycles"]
        cycles = (all_of_it, ideal, bound - ideal, all_of_it - bound)
        rows.append((kernel["name"], _pes(kernel), *cycles, kernel["nonzeros"], kernel["max_pe_bytes"]))
    columns = ("kernel", "PEs", "predicted", "= ideal", "+ skew", "+ distance", "non-zeros", "PE bytes")
    return Table("kernels, slowest first (cycles per full chunk)", columns, tuple(rows), _more(kernels))


def _gone(kernels: Sequence[Kernel]) -> Table:
    """Where the cycles of a run went, per full chunk if it had chunks."""
    chunked = any("per_chunk" in kernel for kernel in kernels)
    columns = ("predicted", "simulated", "error", "ideal") if chunked else ("cycles", "bound", "ideal")
    rows = tuple((k["name"], *(_per_chunk(k) if chunked else _whole(k)), _where(k)) for k in kernels[:SLOWEST])
    title = f"kernels, slowest first (cycles {'per full chunk' if chunked else 'of the run'})"
    note = "  input: waiting for it; output: blocked by it; % of the kernel's time at work"
    more = _more(kernels)
    return Table(title, ("kernel", *columns, "beyond the ideal, %"), rows, f"{more}\n{note}" if more else note)


def _per_chunk(kernel: Kernel) -> tuple[Cell, ...]:
    per = kernel.get("per_chunk", {})
    error = per.get("error")
    cells = (_rounded(per.get("predicted")), _rounded(per.get("simulated")), "" if error is None else f"{error:+.1%}")
    return (*cells, _rounded(per.get("ideal")))


def _whole(kernel: Kernel) -> tuple[Cell, ...]:
    return (kernel.get("own_cycles"), kernel["bound_cycles"], kernel["ideal_cycles"])


def _where(kernel: Kernel) -> str:
    """The largest terms of the attribution, as shares of the time from the straggler's first slot to its last."""
    went = kernel.get("attribution")
    if went is None:
        return ""
    active = kernel["cycles"] - went["fill"] - went["drain"]
    terms = sorted(NAMES, key=lambda term: -abs(went[term]))[:TERMS]
    return ", ".join(f"{NAMES[t]} {100 * went[t] / active:.0f}" for t in terms if abs(went[t]) >= LEAST * active)


def _stragglers(kernels: Sequence[Kernel]) -> list[Table]:
    """The heaviest PE of each kernel, with its block of the matrix where the program says."""
    rows: list[tuple[Cell, ...]] = []
    for kernel in kernels:
        if "straggler" in kernel:
            heaviest = kernel["straggler"]
            code = heaviest["code"].removeprefix(f"{kernel['name']}.")
            block = (_shortened(heaviest["inputs"]), _shortened(heaviest["outputs"]))
            rows.append((kernel["name"], "{}, {}".format(*heaviest["pe"]), code, *block))
    columns = ("kernel", "PE", "runs", "inputs", "outputs")
    return [Table("heaviest PE of each, and its block of the matrix", columns, tuple(rows))] if rows else []


def _shortened(features: str) -> str:
    """A list of features that fits a table's cell."""
    if len(features) <= WIDE:
        return features
    return features[: features.rfind(",", 0, WIDE - 3)] + ", ..."


def _pes(kernel: Kernel) -> int:
    return kernel["region"][2] * kernel["region"][3]


def _rounded(cycles: float | None) -> int | None:
    return None if cycles is None else round(cycles)


def _more(kernels: Sequence[Kernel]) -> str:
    return f"  {len(kernels) - SLOWEST} more kernels" if len(kernels) > SLOWEST else ""
