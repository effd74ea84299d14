"""Every published row beside the simulated one: what `make validate` prints. Fails if an error leaves its band."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
BANDS = {"matvec": 0.01, "reduce_1d": 0.02}  # largest relative error that is accepted


def simulate(script: str, **parameters: int) -> int:
    """Cycles of one run of a validation script."""
    flags = [text for name, value in parameters.items() for text in (f"--{name}", str(value))]
    run = subprocess.run([sys.executable, str(HERE / script), *flags], check=True, capture_output=True, text=True)
    return int(json.loads(run.stdout)["cycles"])


def rows() -> list[tuple[str, str, float, int]]:
    """(table, parameters, published, simulated)."""
    published = tomllib.loads((HERE / "published.toml").read_text())
    table: list[tuple[str, str, float, int]] = []
    for row in published["matvec"]["rows"]:
        cycles = simulate("matvec.py", nb=row["nb"], padded=row["padded"])
        table.append(("matvec", f"nb {row['nb']} padded {row['padded']}", row["cycles"], cycles))
    reduce = published["reduce_1d"]
    for row in reduce["rows"]:
        cycles = simulate("reduce.py", pes=reduce["pes"], elements=reduce["elements"], group=row["group"])
        table.append(("reduce_1d", f"group {row['group']}", row["cycles"], cycles))
    return table


def main() -> int:
    """Print the table; 1 if a row misses its band."""
    missed = 0
    print(f"{'table':12}{'parameters':22}{'published':>11}{'simulated':>11}{'error':>9}{'band':>7}")
    for table, parameters, published, simulated in rows():
        error = simulated / published - 1
        miss = abs(error) > BANDS[table]
        missed += miss
        print(
            f"{table:12}{parameters:22}{published:>11.1f}{simulated:>11}{error:>+9.2%}{BANDS[table]:>7.0%}"
            + ("  missed" if miss else "")
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
