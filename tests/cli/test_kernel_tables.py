"""The kernels of a report as tables: order, terms, widths."""

from __future__ import annotations

from dataclasses import replace

from tulle.cli.table import plain
from tulle.cli.views.report import report_parts
from tulle_ir.report import Attribution, Kernel, Limit, Memory, PerChunk, Report, Straggler

COLUMNS = 100

WENT = Attribution(400, 100, -20, 30, 20, 300, 40, 130, 0, 5000, 80, 0)  # 1,000 cycles between fill and drain
KERNEL = Kernel(
    name="blocks.10.attention.project",
    origin="/blocks.10/attention/project/MatMul",
    region=(0, 0, 24, 12),
    nonzeros=123_456,
    cycles=6080,
    bound_cycles=530,
    ideal_cycles=400,
    max_pe_bytes=40_000,
    own_cycles=830,
    per_chunk=PerChunk(900.0, 830.0, 530.0, 400.0, 1000.0, 900 / 830 - 1),
    attribution=WENT,
    straggler=Straggler((123, 456), "blocks.10.attention.project.finish1", 530, "0-15", ", ".join(map(str, range(90)))),
)


def report(*kernels: Kernel, status: str = "ok") -> Report:
    limit = Limit("kernel", KERNEL.name, 13_280, 14_400, 0.0843)
    return Report(status, "wse2", (750, 994), 64, 4, cycles=13_500, memory=Memory(49152), limit=limit, kernels=kernels)


def lines(of: Report) -> list[str]:
    return "\n".join(part if isinstance(part, str) else plain(part) for part in report_parts(of.to_json())).splitlines()


def test_the_kernel_that_needs_most_comes_first_with_its_largest_terms() -> None:
    light = replace(KERNEL, name="light", own_cycles=10)
    shown = lines(report(light, KERNEL))
    rows = [line.split() for line in shown if line.strip().startswith(("light", KERNEL.name))]
    assert [row[0] for row in rows[:2]] == [KERNEL.name, "light"]
    assert rows[0][1:5] == ["900", "830", "+8.4%", "400"]
    assert " ".join(rows[0][5:]) == "distance 30, input 13, skew 10"


def test_the_heaviest_pe_is_named_with_its_block() -> None:
    (row,) = [line.split() for line in lines(report(KERNEL)) if "finish1" in line]
    assert row[1:5] == ["123,", "456", "finish1", "0-15"]
    assert row[-1] == "..."


def test_the_limit_is_named_with_its_prediction() -> None:
    assert any(
        line.split()[:2] == ["limited", "by"] and "13,280" in line and "(predicted 14,400, +8.4%)" in line
        for line in lines(report(KERNEL))
    )


def test_a_kernel_without_chunks_or_attribution_is_shown_all_the_same() -> None:
    idle = replace(KERNEL, name="idle", per_chunk=None, attribution=None, straggler=None, own_cycles=None)
    assert any(line.split()[:1] == ["idle"] for line in lines(report(idle)))


def test_a_compilation_shows_where_the_cycles_would_go() -> None:
    foretold = replace(KERNEL, cycles=600, own_cycles=None, attribution=None, straggler=None)
    row = next(line.split() for line in lines(report(foretold, status="compiled")) if line.split()[:1] == [KERNEL.name])
    assert row[1:6] == ["288", "600", "400", "130", "70"]


def test_tables_fit_a_terminal_of_100_columns() -> None:
    kernels = [replace(KERNEL, own_cycles=n) for n in range(20)]
    assert max(map(len, lines(report(*kernels)))) <= COLUMNS
    assert max(map(len, lines(report(*kernels, status="compiled")))) <= COLUMNS
