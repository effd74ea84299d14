"""Reads the canonical text of a large program: its many classes repeat each other, so each distinct member of a
class is parsed once. A text laid out otherwise goes to the ordinary parser, and so do all errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from tulle_ir.diagnostics import BadInput
from tulle_ir.program import Buffer, Program, ProgramClass, Queue, Register, Table, Task
from tulle_ir.progress import steps
from tulle_ir.text.class_reader import all_of
from tulle_ir.text.parse import parse_member, parse_program

_CLASS = re.compile(r"^  class .*?(?:\{\}|^  \})\n", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"^    (?!task)\S.*\n|^    task .*(?<!\})\n(?:     .*\n)*    \}\n|^    task .*\}\n", re.MULTILINE)
Members = dict[str, tuple[object, ...]]


def parse_repeated(text: str, tensors: Mapping[str, np.ndarray], file: str) -> Program:
    """The same as `parse_program`, several times as fast for programs of many classes. Raises BadInput."""
    try:
        members: Members = {}
        classes = tuple(_class(found, members) for found in steps("open", _CLASS.findall(text), "classes"))
        program = parse_program(_CLASS.sub("", text), tensors, file)
    except (BadInput, _OtherLayout):
        return parse_program(text, tensors, file)
    return replace(program, classes=classes)


class _OtherLayout(Exception):
    """The text is not laid out as the printer does it."""


def _class(text: str, known: Members) -> ProgramClass:
    head, _, body = text.partition("\n")
    (shell,) = parse_member(head if head.endswith("}") else head + "}")
    items = [item for member in _members(body.removesuffix("  }\n")) for item in _parsed(member, known)]
    assert isinstance(shell, ProgramClass)
    return replace(
        shell,
        buffers=all_of(Buffer, items),
        tables=all_of(Table, items),
        registers=all_of(Register, items),
        queues=all_of(Queue, items),
        tasks=all_of(Task, items),
    )


def _members(body: str) -> Iterator[str]:
    at = 0
    while at < len(body):
        found = _MEMBER.match(body, at)
        if found is None:
            raise _OtherLayout
        yield found[0]
        at = found.end()


def _parsed(member: str, known: Members) -> tuple[object, ...]:
    if member not in known:
        known[member] = parse_member(member)
    return known[member]
