"""The parameters of a machine, each with its status and source."""

from __future__ import annotations

from typing import Any

from tulle.cli.table import Table
from tulle_ir.target import Target


def target_table(target: Target) -> Table:
    """One row per parameter."""
    rows = tuple((p.section, p.name, _text(p.value), p.status, p.source) for p in target.parameters)
    return Table(f"target {target.name}", ("section", "parameter", "value", "status", "source"), rows)


def target_json(target: Target) -> dict[str, Any]:
    """The same as JSON: section -> parameter -> value, status, source."""
    sections: dict[str, Any] = {}
    for p in target.parameters:
        entry = {"value": p.value, "status": p.status, "source": p.source}
        sections.setdefault(p.section, {})[p.name] = entry
    return {"name": target.name, **sections}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
