"""Errors that a user can act on. Each kind carries the exit code the `tulle` command ends with.

An error says what went wrong, where (an ONNX node, or file:line:col), the limit, the amount and the
shortfall where there are any, and what to change. Anything else that escapes is a bug (exit code 1).
"""

from __future__ import annotations

from typing import ClassVar


class TulleError(Exception):
    """Base of every error meant for the user.

    `what` is one sentence; `where` names an ONNX node or file:line:col; `remedy` says what to change.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        remedy = f"\n  to change: {self.remedy}" if self.remedy else ""
        return f"{where}{self.what}{remedy}"


class UsageError(TulleError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class BadInput(TulleError):
    """An unsupported or broken file, text, feed, token id or sequence."""

    exit_code = 3


class DoesNotFit(TulleError):
    """The model does not fit the mesh, or a net cannot be routed."""

    exit_code = 4


class Mismatch(TulleError):
    """Outputs differ from the reference by more than the stated tolerance."""

    exit_code = 5


class MachineFault(TulleError):
    """A deadlock, an SRAM access out of bounds, or a queue violation at run time."""

    exit_code = 6


class LimitReached(TulleError):
    """A limit the user set (`--max-cycles`) ended the run."""

    exit_code = 7
