"""Sparsity becomes speed: the table of speedup.py for the other shapes of GPT-3 XL's linears."""

from __future__ import annotations

from speedup import SHAPES, table


def main() -> None:
    """Those that take long."""
    table(SHAPES[1:])


if __name__ == "__main__":
    main()
