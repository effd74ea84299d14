"""Builds classes and their members while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from lark import Token, v_args

from tulle_ir.code import DType
from tulle_ir.program import Buffer, Category, Grid, ProgramClass, Queue, Register, Table, Task, Trigger
from tulle_ir.text.code_reader import Block, CodeReader
from tulle_ir.text.likeness import Likeness
from tulle_ir.text.reader import error

Kind = TypeVar("Kind")


class ClassReader(CodeReader):
    """Methods are named after the grammar's rules."""

    def direction(self, token: Token) -> Token:
        return token

    def pe_class(
        self,
        keyword: Token,
        name: Token,
        at: tuple[int, int, int, int],
        step: tuple[int, int] | None,
        sram: int,
        *members: object,
    ) -> ProgramClass:
        program_class = ProgramClass(
            name=str(name),
            grid=Grid(*at, *(step or (1, 1))),
            sram_bytes=sram,
            buffers=all_of(Buffer, members),
            tables=all_of(Table, members),
            registers=_registers(members),
            queues=all_of(Queue, members),
            tasks=all_of(Task, members),
        )
        return self.put(keyword, program_class)

    def like_class(
        self,
        keyword: Token,
        name: Token,
        at: tuple[int, int, int, int],
        step: tuple[int, int] | None,
        sram: int,
        model: Token,
        colors: tuple[int, ...] | None,
        *own: object,
    ) -> Likeness:
        mine = (*all_of(Buffer, own), *all_of(Table, own), *_registers(own))
        return Likeness(keyword, str(name), Grid(*at, *(step or (1, 1))), sram, model, colors, mine)

    def buffer(
        self, keyword: Token, name: Token, dtype: Token, size: int, address: int, kind: Token | None, data: Token | None
    ) -> Buffer:
        category = Category(kind) if kind else Category.ACTIVATIONS
        return self.put(keyword, Buffer(str(name), element_type(dtype), size, address, category, str(data or "")))

    def table(
        self,
        keyword: Token,
        name: Token,
        dtype: Token,
        capacity: int,
        columns: int,
        ptr: int,
        row: int,
        value: int,
        data: Token,
    ) -> Table:
        return self.put(keyword, Table(str(name), element_type(dtype), columns, capacity, ptr, row, value, str(data)))

    def register_list(self, _keyword: Token, *registers: Register) -> tuple[Register, ...]:
        return registers

    def register(self, name: Token, value: int | Token | None) -> Register:
        return self.put(name, Register(str(name), str(value) if isinstance(value, Token) else value or 0))

    def data(self, name: Token) -> Token:
        return name

    def stored(self, name: Token) -> Token:
        return name

    def queue(self, direction: Token, name: Token, dtype: Token, color: int, index: int) -> Queue:
        is_input = direction.type == "INPUT"
        return self.put(direction, Queue(str(name), is_input, index, color, element_type(dtype)))

    def trigger(self, token: Token) -> Token:
        return token

    def task(self, keyword: Token, name: Token, on: Token | None, blocked: Token | None, code: Block) -> Task:
        trigger, queue = _trigger(on)
        return self.put(keyword, Task(str(name), trigger, code, queue, blocked is not None))


v_args(inline=True)(ClassReader)  # lark passes the children as arguments


def _registers(members: tuple[object, ...]) -> tuple[Register, ...]:
    return tuple(register for group in members if isinstance(group, tuple) for register in group)


def _trigger(on: Token | None) -> tuple[Trigger, str]:
    if on is None:
        return Trigger.ACTIVATION, ""
    return (Trigger.DATA, str(on)) if on.type == "QUEUE" else (Trigger.START, "")


def all_of(kind: type[Kind], items: Iterable[object]) -> tuple[Kind, ...]:
    """The items of one kind, in order."""
    return tuple(item for item in items if isinstance(item, kind))


def element_type(token: Token) -> DType:
    """The machine's element type. Raises TextError."""
    if token not in list(DType):
        raise error(f"{token} is not a type of the machine: {', '.join(DType)}", token)
    return DType(token)
