"""What `run` and `inspect` open: an artifact (OUT.tulle) or a program text (TEXT.tlir)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tulle.cli.output import log
from tulle.cli.paths import require_file
from tulle_ir.artifact import Artifact, read_artifact, read_stage_with_places
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Program
from tulle_ir.target import load_target
from tulle_ir.text import Stage, level_of, print_program
from tulle_ir.verify_plan import require_valid_stage
from tulle_ir.verify_program import require_valid


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
    """The artifact or text in a file, by the suffix `.tlir`. Texts are verified. Raises BadInput."""
    require_file(path)
    if path.suffix == ".tlir":
        return _open_text(path)
    if path.suffix == ".onnx":
        raise BadInput("this is a model, not a program", where=str(path), remedy="`tulle compile` it first")
    artifact = read_artifact(path)
    return Source(artifact, artifact.program, artifact.manifest, artifact.stages)


def open_stage(path: Path) -> Stage | None:
    """The stage in a text, if it is one before the program; None for programs and artifacts. Raises BadInput."""
    if path.suffix != ".tlir" or not path.is_file():
        return None
    if level_of(path.read_text(encoding="utf-8", errors="replace")) == "program":
        return None  # before parsing it: `open_source` will
    stage, places = read_stage_with_places(path)
    if isinstance(stage, Program):
        return None
    for finding in require_valid_stage(stage, places):
        log(str(finding))
    return stage


def _open_text(path: Path) -> Source:
    """A program text without errors; its warnings go to the log."""
    program, places = read_stage_with_places(path)
    if not isinstance(program, Program):
        remedy = "`tulle inspect` shows it; `tulle compile` makes a program of its model"
        raise BadInput("this is an earlier stage, not a program", where=str(path), remedy=remedy)
    for finding in require_valid(program, load_target(program.target), places):
        log(str(finding))
    return Source(program, program)
