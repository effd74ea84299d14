"""Printing and writing: results to stdout, logs to stderr, files atomically.

On a terminal tables are drawn by rich; elsewhere, and with NO_COLOR set, they are plain aligned text.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tulle.cli.bar import CLEAR
from tulle.cli.table import Table, plain
from tulle_ir.files import atomic


def log(message: str) -> None:
    """A line for the reader of the terminal, not part of the result."""
    over = CLEAR if sys.stderr.isatty() else ""  # a progress line may stand there
    print(over + message, file=sys.stderr)


def show(*parts: Table | str) -> None:
    """Print tables and texts, a blank line between them."""
    for index, part in enumerate(parts):
        if index:
            print()
        if isinstance(part, str):
            print(part)
        elif sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            _show_rich(part)
        else:
            print(plain(part))


def show_json(value: Any) -> None:
    """Print one JSON document."""
    print(json_text(value), end="")


def json_text(value: Any) -> str:
    """Indented JSON with a final newline; numpy numbers and arrays become plain ones."""
    return json.dumps(value, indent=2, default=_plain_value) + "\n"


def write_text(path: Path, text: str) -> None:
    """Replace the file `path` by `text`, whole or not at all."""
    with atomic(path) as file:
        file.write(text.encode())


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Replace the file `path` by an .npz of the arrays by name, whole or not at all."""
    with atomic(path) as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]  (its stub knows no mapping of names)


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _show_rich(table: Table) -> None:
    from rich import box  # noqa: PLC0415  rich costs 0.1 s and is for terminals only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415

    drawn = RichTable(
        title=table.title or None,
        title_justify="left",
        title_style="bold",
        show_header=table.has_header,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),  # as wide as the plain text
    )
    for name, numeric in zip(table.columns, table.numeric(), strict=True):
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in table.cells():
        drawn.add_row(*row)
    console = Console(markup=False, highlight=False)
    console.print(drawn)
    if table.note:
        console.print(table.note, style="dim")
