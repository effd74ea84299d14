"""The hand-written programs of examples/validation: right values, and cycles close to the published ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import sensitivity
import spmm_program
import summa_program
import validate
from running import run

from tulle_ir.target import SHIPPED, load_target
from tulle_ir.verify_program import verify_program

FOLDER = Path(__file__).parents[2] / "examples" / "validation"
PAGE = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
PUBLISHED = tomllib.loads((FOLDER / "published.toml").read_text(encoding="utf-8"))
WSE2 = load_target("wse2")
LAUNCH = WSE2.launch_cycles + WSE2.dispatch_cycles  # cycles before the first instruction
ENGINES = ("fast", "reference")


def script(name: str, *arguments: str, **options: object) -> dict:
    """The JSON object that a script prints."""
    flags = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    command = [sys.executable, str(FOLDER / f"{name}.py"), *flags, *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


# ---- matvec and reduce


@pytest.mark.parametrize("row", PUBLISHED["matvec"]["rows"], ids=str)
def test_matvec_is_within_one_percent_of_the_vendor_simulator(row: dict) -> None:
    report = script("matvec", engine="reference", nb=row["nb"], padded=row["padded"])
    assert report["cycles"] == LAUNCH + WSE2.load_cycles + row["nb"] * (row["padded"] + 1) + 1
    assert report["cycles"] == pytest.approx(row["cycles"], rel=0.01)


@pytest.mark.parametrize(("pes", "elements", "group"), [(8, 60, 8), (8, 60, 4), (9, 60, 3), (8, 60, 2)])
def test_a_small_reduce_follows_the_formula(pes: int, elements: int, group: int) -> None:
    report = script("reduce", engine="reference", pes=pes, elements=elements, group=group)
    chain = elements + 6 * (group - 1)
    leaders = elements + (group + 5) * (pes // group - 1) + 1 if group < pes else 0
    assert report["cycles"] == LAUNCH + 1 + chain + leaders


def test_the_delivered_results_are_right() -> None:
    assert script("matvec", "--deliver", engine="reference", nb=10, padded=12)["correct"]
    for group in (8, 4):
        assert script("reduce", "--deliver", engine="reference", pes=8, elements=40, group=group)["correct"]


# ---- SpMM


def spmm(format: str, mesh: tuple[int, int], shape: tuple[int, int, int]) -> spmm_program.Problem:
    return spmm_program.problem(format, mesh, shape, density=30, seed=1)


@pytest.mark.parametrize("format", ["coo", "csc"])
@pytest.mark.parametrize(("mesh", "shape"), [((5, 3), (20, 17, 5)), ((1, 2), (9, 4, 3)), ((2, 1), (3, 8, 6))])
def test_spmm_multiplies_at_any_sizes(format: str, mesh: tuple[int, int], shape: tuple[int, int, int]) -> None:
    given = spmm(format, mesh, shape)
    program = spmm_program.build(given, deliver=True)
    assert verify_program(program, WSE2) == []
    results = [run(program, engine) for engine in ENGINES]
    for result in results:
        assert np.array_equal(spmm_program.product(result, given), given.a @ given.b)
    assert results[0].cycles == results[1].cycles


def test_an_axpy_of_csc_costs_three_loads_a_branch_and_its_elements() -> None:
    """On one PE, in one bank: every step conflicts. Per column: two loads, a turn and an end."""
    given = spmm("csc", (1, 1), (6, 5, 7))
    slots = run(spmm_program.build(given), "fast").counts.slots[0, 0] - WSE2.dispatch_cycles
    load, branch = WSE2.load_cycles, WSE2.branch_cycles
    axpy = 3 * load + branch + WSE2.vector_issue + 1 + 2 * 7 + 1
    assert slots == np.count_nonzero(given.a) * axpy + 5 * (2 * load + 2 * branch + 1) + branch


def test_coo_pads_every_pe_to_the_fullest() -> None:
    given = spmm("coo", (4, 3), (12, 16, 4))
    tiles = spmm_program.sparse_tiles(given)
    fullest = max(np.count_nonzero(given.a[y : y + 4, x : x + 4]) for y in range(0, 12, 4) for x in range(0, 16, 4))
    assert tiles["val"].shape == (3, 4, fullest)
    slots = run(spmm_program.build(given), "fast").counts.slots
    assert slots.min() == slots.max()


@pytest.mark.parametrize(("tile", "m"), [((128, 16), 68), ((64, 12), 132), ((32, 8), 260)])
def test_the_read_bank_rule_makes_an_element_take_1_2_cycles_on_every_pe(tile: tuple[int, int], m: int) -> None:
    """Tiles of the published sizes: the slope of the SpMM tables comes out of addresses, whatever the pattern."""
    given = spmm_program.problem("coo", (4, 3), (3 * tile[0], 4 * tile[1], m), density=10, seed=0)
    entries = spmm_program.sparse_tiles(given)["val"].shape[2]
    slots = run(spmm_program.build(given), "fast").counts.slots - WSE2.dispatch_cycles
    scalars = 3 * WSE2.load_cycles + WSE2.branch_cycles + WSE2.vector_issue + 1
    per_element = (slots / entries - scalars) / m
    assert 1.15 < per_element.min() <= per_element.max() < 1.35
    assert slots.max() / slots.min() < 1.04


# ---- SUMMA


@pytest.mark.parametrize(("p", "t"), [(2, 3), (3, 2), (5, 4)])
def test_summa_multiplies_at_any_sizes(p: int, t: int) -> None:
    program = summa_program.build(p, t, deliver=True)
    assert verify_program(program, WSE2) == []
    results = [run(program, engine) for engine in ENGINES]
    a, b = summa_program.inputs(p, t)
    for result in results:
        assert np.array_equal(summa_program.delivered_product(result, p, t), a @ b)
    assert results[0].cycles == results[1].cycles


def test_a_step_of_summa_takes_as_long_on_a_larger_mesh() -> None:
    per_step = [run(summa_program.build(p, 4), "fast").cycles / p for p in (8, 16, 24)]
    assert max(per_step) / min(per_step) < 1.02


def test_a_stand_in_for_a_large_mesh_is_named() -> None:
    report = script("summa", p=512, t=2, mesh=4)
    assert (report["p"], report["mesh"], report["steps"]) == (512, 4, 4)
    assert report["cycles_per_step"] == round(report["cycles"] / 4, 1)


# ---- the table


def line(simulated: float, missed: float | None = None) -> validate.Line:
    return validate.Line("spmm", "row", "cycles", 100.0, simulated, 0.10, missed)


@pytest.mark.parametrize(
    ("simulated", "missed", "verdict"),
    [
        (109, None, ""),
        (89, None, "OUT OF BAND"),
        (111, None, "OUT OF BAND"),
        (71, -0.29, "missed"),
        (75, -0.29, "DRIFTED from -29%"),
        (100, -0.29, "DRIFTED from -29%"),
    ],
)
def test_a_figure_is_in_its_band_or_missed_as_recorded(simulated: float, missed: float | None, verdict: str) -> None:
    assert line(simulated, missed).verdict == verdict


QUICK = [
    *(("matvec", row) for row in PUBLISHED["matvec"]["rows"]),
    ("reduce", PUBLISHED["reduce"]["rows"][-1]),
    ("spmm", PUBLISHED["spmm"]["rows"][0]),
    ("spmm", PUBLISHED["spmm"]["rows"][10]),
    ("summa", PUBLISHED["summa"]["rows"][0]),
]


@pytest.mark.parametrize(("table", "row"), QUICK, ids=str)
def test_quick_rows_are_in_their_bands_and_as_the_page_says(table: str, row: dict) -> None:
    for found in validate.lines_of(table, PUBLISHED[table], row):
        assert found.verdict in ("", "missed")
        assert "| " + " | ".join(found.cells) + " |" in PAGE


def test_the_page_has_a_line_for_every_published_figure() -> None:
    lines = PAGE.split(validate.BEGIN)[1].split(validate.END)[0].strip().splitlines()
    assert len(lines) == 2 + sum(len(table["rows"]) * len(table["figures"]) for table in PUBLISHED.values())


@pytest.mark.slow
def test_all_rows_are_in_their_bands_and_as_the_page_says() -> None:
    table = list(validate.lines([]))
    assert {found.verdict for found in table} <= {"", "missed"}
    assert validate.markdown(table) in PAGE


# ---- sources and sensitivity


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_of_a_target_has_a_source_and_a_status(name: str) -> None:
    parameters = load_target(name).parameters
    assert {parameter.status for parameter in parameters} <= {"published", "derived", "assumed"}
    assert all(parameter.source for parameter in parameters)


def test_every_assumed_number_is_varied_or_costs_no_cycles() -> None:
    varied = {name for name, *_ in sensitivity.variations([])}
    assert {p.name for p in WSE2.parameters if p.status == "assumed"} <= varied | sensitivity.NO_CYCLES


def test_a_variation_changes_one_number() -> None:
    shipped = asdict(WSE2)
    for name, _, target in list(sensitivity.variations([]))[1:]:
        changed = [key for key, value in asdict(target).items() if value != shipped[key]]
        assert changed == ["cost" if name in {op.value for op, _ in WSE2.cost} else name]


def test_the_cost_of_a_branch_moves_the_hand_written_product_and_not_its_program() -> None:
    given = spmm("csc", (2, 2), (8, 8, 4))
    program = spmm_program.build(given)
    slots = [run(program, "fast", target=replace(WSE2, branch_cycles=b)).counts.slots for b in (11, 12)]
    evaluations = np.count_nonzero(given.a) + 4 * (2 * 4 + 1)
    assert (slots[1] - slots[0]).sum() == evaluations
