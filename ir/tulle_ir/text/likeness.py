"""A class written like one before it: the blocks of a model run the same code, whose text then stands once.

Such a class has the queues, tasks and members of its model; its colors and some of its buffers, tables and registers
may be its own, and tensors named after the model are named after the class.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from lark import Token

from tulle_ir.program import Buffer, Grid, ProgramClass, Queue, Register, Table
from tulle_ir.text.reader import error

Member = Buffer | Table | Register
Kind = TypeVar("Kind", Buffer, Table, Register)


@dataclass(frozen=True, slots=True)
class Likeness:
    """`class NAME ... like MODEL colors ...` as it stands in the text; `own`: the members it has instead."""

    keyword: Token
    name: str
    grid: Grid
    sram_bytes: int
    model: Token
    colors: tuple[int, ...] | None
    own: tuple[Member, ...]

    def of(self, model: ProgramClass) -> ProgramClass:
        """The class. Raises TextError for a color too many or too few, or a member that the model does not have."""
        if self.colors is not None and len(self.colors) != len(model.queues):
            raise error(
                f"'{model.name}' has {len(model.queues)} queues, {len(self.colors)} colors are given", self.model
            )
        same = renamed(model, self.name)
        for member in self.own:
            if not any(type(other) is type(member) and other.name == member.name for other in members(same)):
                raise error(f"'{model.name}' has no such member '{member.name}'", self.model)
        return replace(
            same,
            grid=self.grid,
            sram_bytes=self.sram_bytes,
            buffers=_replaced(same.buffers, self.own),
            tables=_replaced(same.tables, self.own),
            registers=_replaced(same.registers, self.own),
            queues=recolored(same.queues, self.colors),
        )


def skeleton(of: ProgramClass) -> Hashable:
    """Equal for classes of which one can be written like the other."""
    queues = tuple((queue.name, queue.is_input, queue.index, queue.dtype) for queue in of.queues)
    return of.tasks, queues, tuple((type(member), member.name) for member in members(of))


def members(of: ProgramClass) -> tuple[Member, ...]:
    """What a class written like another may have of its own."""
    return (*of.buffers, *of.tables, *of.registers)


def renamed(model: ProgramClass, name: str) -> ProgramClass:
    """The model with tensors that are named after it named after the class `name`."""
    begin = f"{model.name}."

    def tensor(stored: str) -> str:
        return f"{name}.{stored.removeprefix(begin)}" if stored.startswith(begin) else stored

    return replace(
        model,
        name=name,
        buffers=tuple(replace(buffer, data=tensor(buffer.data)) for buffer in model.buffers),
        tables=tuple(replace(table, data=tensor(table.data)) for table in model.tables),
        registers=tuple(
            replace(register, value=tensor(register.value)) if isinstance(register.value, str) else register
            for register in model.registers
        ),
    )


def recolored(queues: tuple[Queue, ...], colors: Sequence[int] | None) -> tuple[Queue, ...]:
    """The queues on these colors, in order; None: as they are."""
    if colors is None:
        return queues
    return tuple(replace(queue, color=color) for queue, color in zip(queues, colors, strict=True))


def _replaced(given: tuple[Kind, ...], own: Sequence[Member]) -> tuple[Kind, ...]:
    mine = {(type(member), member.name): member for member in own}
    return tuple(mine.get((type(member), member.name), member) for member in given)  # pyright: ignore[reportReturnType]
