"""Findings accumulate: each says what is wrong, how badly, where, and what else has a part in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Program, ProgramClass
from tulle_ir.text.places import Places

MOST_SHOWN = 20  # errors in one message


class Severity(StrEnum):
    """An error cannot run; a warning may."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`where` is file:line:col if the program came from text, else the class, task and instruction."""

    severity: Severity
    message: str
    where: str = ""
    related: tuple[str, ...] = ()

    def __str__(self) -> str:
        also = "".join(f"\n  see {place}" for place in self.related)
        return f"{self.where}: {self.severity}: {self.message}{also}"


@dataclass(slots=True)
class Findings:
    """Collects findings about one stage; `places` knows where its parts stand in a text."""

    stage: object
    places: Places | None = None
    found: list[Finding] = field(default_factory=list)

    def error(self, message: str, node: object, path: str, *related: str) -> None:
        """Something that cannot run. `path` says in words where `node` is, for programs without text."""
        self._add(Finding(Severity.ERROR, message, self.site(node, path), related))

    def warning(self, message: str, node: object, path: str, *related: str) -> None:
        """Something suspicious, or that could not be proved."""
        self._add(Finding(Severity.WARNING, message, self.site(node, path), related))

    def _add(self, finding: Finding) -> None:
        if finding not in self.found[-8:]:  # two operands of one instruction may say the same
            self.found.append(finding)

    def site(self, node: object, path: str) -> str:
        """`file:line:col`, or else the path in words."""
        return (self.places.of(node) if self.places else "") or path


def refuse_errors(findings: list[Finding], what: str) -> list[Finding]:
    """The findings, all warnings. Raises BadInput with the errors (the first 20) if there are any."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        shown = "\n".join(str(finding) for finding in errors[:MOST_SHOWN])
        left = f"\n... and {len(errors) - MOST_SHOWN} more" if len(errors) > MOST_SHOWN else ""
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        raise BadInput(f"{what} is not valid: {count}\n{shown}{left}")
    return findings


def class_path(program: Program, of: ProgramClass) -> str:
    """A class in words, with the kernel whose region it begins in."""
    for symbol in program.symbols:
        x, y, width, height = symbol.region
        if x <= of.grid.x < x + width and y <= of.grid.y < y + height:
            origin = f" from {symbol.origin}" if symbol.origin else ""
            return f"class '{of.name}' of kernel '{symbol.name}'{origin}"
    return f"class '{of.name}'"
