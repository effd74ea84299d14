"""`tulle.load`: an artifact from its file. Apart from `tulle.compile`, so that running needs no ONNX."""

from __future__ import annotations

from pathlib import Path

from tulle_ir.artifact import Artifact, read_artifact


def load(path: str | Path) -> Artifact:
    """The artifact in the file `path` (.tulle). Raises BadInput if it is missing, truncated or tampered with."""
    return read_artifact(Path(path))
