"""Every published row beside the simulated one: what `make validate` prints. Fails if an error leaves its band.

    python examples/validation/validate.py [TABLE ...] [--write PAGE | --check PAGE]

A row that is known to leave its band is listed as missed, with its error (published.toml) and the analysis
(docs/validation.md); it fails only if it drifts from that error. `--write` puts the table into a page between the two
comments that mark its place; `--check` fails if the table on the page is another one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PUBLISHED = HERE / "published.toml"
DRIFT = 0.02  # how far the error of a missed row may be from the recorded one
BEGIN, END = "<!-- The table is written by examples/validation/validate.py. -->", "<!-- End of the table. -->"
HEADER = ("table", "row", "figure", "published", "simulated", "error", "band", "")


@dataclass(frozen=True)
class Line:
    """A published figure and the simulated one. `missed`: the recorded error of a figure outside its band, or None."""

    table: str
    row: str
    figure: str
    published: float
    simulated: float
    band: float
    missed: float | None

    @property
    def error(self) -> float:
        """Relative to the published figure."""
        return self.simulated / self.published - 1

    @property
    def verdict(self) -> str:
        """ "" within the band; "missed" as recorded; else what is wrong."""
        if self.missed is None:
            return "" if abs(self.error) <= self.band else "OUT OF BAND"
        return "missed" if abs(self.error - self.missed) <= DRIFT else f"DRIFTED from {self.missed:+.0%}"

    @property
    def cells(self) -> tuple[str, ...]:
        """As printed."""
        numbers = (f"{self.published:,.1f}", f"{self.simulated:,.1f}", f"{self.error:+.1%}", f"{self.band:.0%}")
        return (self.table, self.row, self.figure, *numbers, self.verdict)


def simulate(script: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that one run of a validation script prints."""
    flags = [text for name, value in parameters.items() for text in (f"--{name}", str(value))]
    run = subprocess.run([sys.executable, str(HERE / script), *flags], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def lines_of(name: str, table: Mapping[str, Any], row: Mapping[str, Any]) -> list[Line]:
    """Simulate one row."""
    parameters = {key: value for key, value in row.items() if key != "missed" and not key.startswith("cycles")}
    simulated = simulate(table["script"], parameters)
    text = " ".join(f"{key} {value}" if key != "format" else value for key, value in parameters.items())
    return [
        Line(name, text, figure, row[figure], simulated[figure], table["band"], row.get("missed"))
        for figure in table["figures"]
    ]


def lines(names: list[str]) -> Iterator[Line]:
    """The lines of the tables, in order; several rows are simulated at a time."""
    tables = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
    rows = [(name, tables[name], row) for name in names or tables for row in tables[name]["rows"]]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done in pool.map(lambda given: lines_of(*given), rows):
            yield from done


def markdown(table: list[Line]) -> str:
    """The table of a page, with its marks."""
    rows = [HEADER, ("---",) * len(HEADER), *(line.cells for line in table)]
    return "\n".join([BEGIN, *("| " + " | ".join(cells) + " |" for cells in rows), END])


def replaced(page: str, table: list[Line]) -> str:
    """The page with this table."""
    before, rest = page.split(BEGIN)
    return before + markdown(table) + rest.split(END)[1]


def main() -> int:
    """Print the table; 1 if a row is wrong or the page is not current."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="which tables of published.toml (all)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--write", metavar="PAGE", type=Path, help="put the table into this page")
    where.add_argument("--check", metavar="PAGE", type=Path, help="fail unless this page has the table")
    options = parser.parse_args()
    form = "{:8}{:58}{:17}{:>11}{:>12}{:>8}{:>6}  {}"
    print(form.format(*HEADER))
    table: list[Line] = []
    for line in lines(options.tables):
        table.append(line)
        print(form.format(*line.cells), flush=True)
    failed = sum(line.verdict not in ("", "missed") for line in table)
    missed = sum(line.verdict == "missed" for line in table)
    print(f"{len(table)} figures: {len(table) - failed - missed} within their band, {missed} missed, {failed} wrong")
    if options.write:
        options.write.write_text(replaced(options.write.read_text(encoding="utf-8"), table), encoding="utf-8")
    if options.check and markdown(table) not in options.check.read_text(encoding="utf-8"):
        print(f"the table of {options.check} is not current: make validate-page")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
