"""Paths on the command line, looked at before the work begins."""

from __future__ import annotations

from pathlib import Path

from tulle_ir.diagnostics import BadInput


def require_file(path: Path) -> None:
    """Raise BadInput unless there is a file to read."""
    if path.is_dir():
        raise BadInput("this is a folder, not a file", where=str(path))
    if not path.exists():
        raise BadInput("there is no such file", where=str(path))


def require_place(*paths: Path | None) -> None:
    """Raise BadInput unless files can stand at all these paths, so that no long run ends in vain."""
    for path in paths:
        if path is not None and path.is_dir():
            raise BadInput("the file cannot be written: this is a folder", where=str(path))
        if path is not None and not path.absolute().parent.is_dir():
            raise BadInput(f"the file cannot be written: there is no folder '{path.parent}'", where=str(path))
