"""The names of one class and what they stand for, and a walk over its instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tulle_ir.code import If, Instruction, Loop, While
from tulle_ir.program import Buffer, Program, ProgramClass, Queue, Register, Table, Task
from tulle_ir.verify.findings import class_path


@dataclass(frozen=True, slots=True)
class Scope:
    """Lookup by name; of several declarations of a name the last counts (that they are several is a finding)."""

    of: ProgramClass
    path: str
    buffers: dict[str, Buffer]
    tables: dict[str, Table]
    registers: dict[str, Register]
    queues: dict[str, Queue]
    tasks: dict[str, Task]

    @property
    def pes(self) -> int:
        """PEs of the class."""
        return self.of.grid.width * self.of.grid.height


def scope_of(program: Program, of: ProgramClass) -> Scope:
    """The scope of a class."""
    return Scope(
        of,
        class_path(program, of),
        {buffer.name: buffer for buffer in of.buffers},
        {table.name: table for table in of.tables},
        {register.name: register for register in of.registers},
        {queue.name: queue for queue in of.queues},
        {task.name: task for task in of.tasks},
    )


def walk(code: Iterable[Instruction], prefix: str = "") -> Iterator[tuple[str, Instruction]]:
    """Every instruction with its number (`3`, in a body `3.1`), bodies after their head."""
    for number, instruction in enumerate(code, start=1):
        yield f"{prefix}{number}", instruction
        yield from walk(bodies(instruction), f"{prefix}{number}.")


def bodies(instruction: Instruction) -> tuple[Instruction, ...]:
    """The instructions inside one, in order; none if it has no body."""
    match instruction:
        case Loop(body=body) | While(body=body):
            return body
        case If(then=then, other=other):
            return then + other
        case _:
            return ()


def instructions(scope: Scope) -> Iterator[tuple[str, Instruction]]:
    """Every instruction of a class with its path in words."""
    for task in scope.of.tasks:
        for number, instruction in walk(task.code):
            yield f"{scope.path}, task '{task.name}', instruction {number}", instruction
