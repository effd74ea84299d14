"""What `run` and `inspect` open: an artifact (OUT.tulle) or a program text (TEXT.tlir)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tulle_ir.artifact import Artifact, read_artifact, read_program_text
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Program
from tulle_ir.text import print_program


@dataclass(frozen=True)
class Source:
    """An opened file: what a session runs, and what stands beside the program (nothing beside a text)."""

    runnable: Artifact | Program
    program: Program
    manifest: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)

    def text(self, level: str) -> str:
        """The canonical text of a stage. Raises BadInput if the file does not hold it."""
        if level in self.stages:
            return self.stages[level]
        if level == "program":
            return print_program(self.program)
        held = ", ".join(sorted({*self.stages, "program"}))
        raise BadInput(f"the file holds no stage '{level}'", remedy=f"it holds {held}")


def open_source(path: Path) -> Source:
    """The artifact or text in a file, by the suffix `.tlir`. Raises BadInput."""
    if not path.is_file():
        raise BadInput("there is no such file", where=str(path))
    if path.suffix == ".tlir":
        program = read_program_text(path)
        return Source(program, program)
    if path.suffix == ".onnx":
        raise BadInput("this is a model, not a program", where=str(path), remedy="`tulle compile` it first")
    artifact = read_artifact(path)
    return Source(artifact, artifact.program, artifact.manifest, artifact.stages)
