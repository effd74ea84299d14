"""The hand-written programs of examples/validation: right sums, and cycles close to the published ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tulle_ir.target import load_target

FOLDER = Path(__file__).parents[2] / "examples" / "validation"
PUBLISHED = tomllib.loads((FOLDER / "published.toml").read_text(encoding="utf-8"))
WSE2 = load_target("wse2")
LAUNCH = WSE2.launch_cycles + WSE2.dispatch_cycles  # cycles before the first instruction


def script(name: str, engine: str, **options: int) -> dict:
    """The JSON object that a script prints."""
    arguments = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return _run(name, "--engine", engine, *arguments)


def _run(name: str, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("row", PUBLISHED["matvec"]["rows"], ids=str)
def test_matvec_is_within_two_percent_of_the_vendor_simulator(row: dict) -> None:
    report = script("matvec", "reference", nb=row["nb"], padded=row["padded"])
    assert report["cycles"] == LAUNCH + WSE2.load_cycles + row["nb"] * (row["padded"] + 1) + 1
    assert report["cycles"] == pytest.approx(row["cycles"], rel=0.02)


@pytest.mark.parametrize(("pes", "elements", "group"), [(8, 60, 8), (8, 60, 4), (9, 60, 3), (8, 60, 2)])
def test_a_small_reduce_follows_the_formula(pes: int, elements: int, group: int) -> None:
    report = script("reduce", "reference", pes=pes, elements=elements, group=group)
    chain = elements + 6 * (group - 1)
    leaders = elements + (group + 5) * (pes // group - 1) + 1 if group < pes else 0
    assert report["cycles"] == LAUNCH + 1 + chain + leaders


def test_the_delivered_results_are_right() -> None:
    assert _run("matvec", "--engine", "reference", "--nb", "10", "--padded", "12", "--deliver")["correct"]
    for group in ("8", "4"):
        arguments = ("--engine", "reference", "--pes", "8", "--elements", "40", "--group", group, "--deliver")
        assert _run("reduce", *arguments)["correct"]


@pytest.mark.slow
@pytest.mark.parametrize("row", PUBLISHED["reduce_1d"]["rows"], ids=str)
def test_the_published_reduce_is_within_two_percent_of_the_vendor_simulator(row: dict) -> None:
    table = PUBLISHED["reduce_1d"]
    report = script("reduce", "fast", pes=table["pes"], elements=table["elements"], group=row["group"])
    assert report["cycles"] == pytest.approx(row["cycles"], rel=0.02)
