"""Where the parts of a parsed program stand in its text, kept beside the dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field

from tulle_ir.diagnostics import BadInput


class TextError(Exception):
    """Something wrong at a place of the text; `parse` turns it into BadInput with the file's name."""

    def __init__(self, what: str, line: int, column: int, remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.column, self.remedy = what, line, column, remedy

    def as_bad_input(self, file: str) -> BadInput:
        """The error for the user."""
        return BadInput(self.what, where=f"{file}:{self.line}:{self.column}", remedy=self.remedy)


@dataclass(slots=True)
class Places:
    """Line and column (from 1) of declarations and instructions, by identity: equal nodes stand at many places.

    Nodes are held here, so their identities stay valid. Tensors are known by name (`tensor`).
    """

    file: str
    _nodes: dict[int, tuple[object, int, int]] = field(default_factory=dict)
    _tensors: dict[str, tuple[int, int]] = field(default_factory=dict)

    def put(self, node: object, line: int, column: int) -> None:
        """Remember where a node stands."""
        self._nodes[id(node)] = (node, line, column)

    def put_tensor(self, name: str, line: int, column: int) -> None:
        """Remember where a tensor is declared."""
        self._tensors[name] = (line, column)

    def of(self, node: object) -> str:
        """`file:line:col` of a node, "" if it did not come from this text."""
        if id(node) not in self._nodes:
            return ""
        _, line, column = self._nodes[id(node)]
        return f"{self.file}:{line}:{column}"

    def of_tensor(self, name: str) -> str:
        """`file:line:col` of a tensor's declaration, "" if there is none."""
        if name not in self._tensors:
            return ""
        line, column = self._tensors[name]
        return f"{self.file}:{line}:{column}"
