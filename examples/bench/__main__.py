"""The tables of `make bench` and `make bench-large`: `python examples/bench [--large] [TABLE ...]`.

One file a table, each with a `main()` that prints it. Cycles are exact; seconds and rates are this machine's, so
compare ratios within one run.
"""

from __future__ import annotations

import argparse
from importlib import import_module

QUICK = ("sparsity", "prediction", "speedup", "resident", "engine", "tools")
LARGE = ("shapes", "growth", "compiling", "large", "replicas", "streaming")


def main() -> None:
    """Print the tables asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(QUICK + LARGE)}")
    parser.add_argument("--large", action="store_true", help="the tables of large models")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.tables) - {*QUICK, *LARGE}):
        parser.error(f"no such table: {', '.join(unknown)}")
    for table in arguments.tables or (LARGE if arguments.large else QUICK):
        import_module(table).main()
        print(flush=True)


if __name__ == "__main__":
    main()
