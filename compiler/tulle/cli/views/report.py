"""The report of a run or a compilation (its JSON form, design section 9) as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tulle.cli.table import Cell, Table
from tulle.cli.views.kernels import kernel_tables

Report = Mapping[str, Any]


def report_parts(report: Report) -> list[Table | str]:
    """All of a report; memory and kernels where there are any (a compilation may stop before)."""
    parts: list[Table | str] = [summary_table(report)]
    if report["memory"]["limit_bytes"]:
        parts.append(memory_table(report))
    if report["kernels"]:
        parts += kernel_tables(report)
    return parts


def summary_table(report: Report) -> Table:
    """The figures of the whole, one per line."""
    width, height = report["mesh"]
    use = report["utilization"]
    rows: list[tuple[Cell, ...]] = [("mesh", f"{width} x {height} PEs of {report['target']}")]
    if report["replicas"] > 1:
        rows.append(("replicas", f"{report['replicas']} of the pipeline"))
    if report.get("tokens"):
        rows.append(("tokens", f"{report['tokens']:,} in chunks of {report['chunk']}"))
    rows += [(label, f"{report[key]:,}") for key, label in _CYCLES if report.get(key)]
    rows += _prediction(report) + _limit(report)
    if report.get("time_us"):
        rows.append(("time", f"{report['time_us']:,.3f} us at the target's clock"))
    if report.get("tokens_per_second"):
        foretold = ", predicted for a long batch" if report["status"] == "compiled" else ""
        rows.append(("tokens per second", f"{report['tokens_per_second']:,}{foretold}"))
    if use["pes_used"]:
        rows.append(("PEs used", f"{use['pes_used']:,}"))
    if report.get("cycles"):
        rows.append(("datapath in use", f"{use['datapath']:.1%}, busiest PE {use['imbalance']:.2f} x the mean"))
    if report.get("axpy", {}).get("executed"):
        rows.append(("AXPYs", f"{report['axpy']['executed']:,} with {report['axpy']['macs']:,} multiply-accumulates"))
    if report.get("wavelets", {}).get("sent"):
        rows.append(("wavelets", f"{report['wavelets']['sent']:,} sent, {report['wavelets']['hops']:,} hops"))
    return Table("", ("", ""), tuple(rows))


_CYCLES = (
    ("cycles", "cycles"),
    ("bound_cycles", "cycles, bound of this mapping"),
    ("ideal_cycles", "cycles, ideal on these PEs"),
    ("first_token_cycles", "first chunk out at cycle"),
)


def _prediction(report: Report) -> list[tuple[Cell, ...]]:
    predicted, error = report.get("predicted_cycles"), report.get("prediction_error")
    if not predicted:
        return []
    if report["status"] == "compiled":
        return [("predicted", f"{predicted:,} cycles for one full chunk")]
    return [("predicted", f"{predicted:,} cycles" + ("" if error is None else f" ({error:+.1%})"))]


def _limit(report: Report) -> list[tuple[Cell, ...]]:
    """What takes most cycles by itself."""
    limit = report.get("limit")
    if limit is None:
        return []
    what = {"kernel": limit["name"], "latency": "first chunk's latency"}.get(limit["kind"], limit["kind"])
    scope = " per chunk" if report["status"] == "compiled" else ""
    predicted = f" (predicted {limit['predicted']:,}, {limit['error']:+.1%})" if limit.get("predicted") else ""
    return [("limited by", f"{what}: {limit['cycles']:,} cycles{scope}{predicted}")]


def memory_table(report: Report) -> Table:
    """SRAM by category, the fullest and the mean PE."""
    memory = report["memory"]
    total = memory["total_bytes"]
    rows: list[tuple[Cell, ...]] = [(name, held, _share(held, total)) for name, held in memory["by_category"].items()]
    rows.append(("all", total, _share(total, total)))
    limit = memory["limit_bytes"]
    note = (
        f"  fullest PE {memory['max_pe_bytes']:,} of {limit:,} bytes ({memory['max_pe_bytes'] / limit:.0%}), "
        f"mean {memory['mean_pe_bytes']:,.0f}"
    )
    return Table("memory", ("holds", "bytes", "share"), tuple(rows), note)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
