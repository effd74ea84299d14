"""What `run` and `inspect` open: an artifact (.tulle) or a text (.tlir)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tulle_ir.artifact import Artifact, read_artifact
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Program
