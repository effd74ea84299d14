"""Tables as values, and as plain text. Nothing here prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; numbers are right-aligned, text left-aligned. `note` stands below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    @property
    def has_header(self) -> bool:
        """Whether any column has a name."""
        return any(self.columns)

    def cells(self) -> Iterator[tuple[str, ...]]:
        """The rows as text."""
        return (tuple(text_of(cell) for cell in row) for row in self.rows)

    def numeric(self) -> tuple[bool, ...]:
        """Per column, whether it holds numbers only."""
        columns = [[row[i] for row in self.rows] for i in range(len(self.columns))]
        return tuple(all(isinstance(c, int | float) or c is None for c in column) for column in columns)


def text_of(cell: Cell) -> str:
    """A cell as text: thousands separated, at most three decimals, nothing for None."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.3f}".rstrip("0").rstrip(".") if abs(cell) >= 0.001 or cell == 0 else f"{cell:.2e}"
        case str():
            return cell


def plain(table: Table) -> str:
    """Aligned text with two blanks between columns, no trailing blanks."""
    body = [table.columns, *table.cells()]
    widths = [max(len(row[i]) for row in body) for i in range(len(table.columns))]
    numeric = table.numeric()
    lines = [table.title] if table.title else []
    for row in body if table.has_header else body[1:]:
        aligned = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True)]
        lines.append("  " + "  ".join(aligned).rstrip())
    return "\n".join([*lines, *([table.note] if table.note else [])])
