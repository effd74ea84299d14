"""Prints instructions: one per line, blocks indented by two spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from tulle_ir.code import (
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Compute,
    Control,
    Fabric,
    If,
    Instruction,
    Leaf,
    Load,
    Loop,
    Mem,
    Number,
    Offset,
    Pop,
    Push,
    Reg,
    Scalar,
    ScalarOp,
    Source,
    Stop,
    Store,
    Vector,
    While,
)
from tulle_ir.text.lexical import linear, name, queue, real
from tulle_ir.text.path_printer import INDENT


def block(head: str, body: Iterable[Instruction], tail: str = "}") -> Iterator[str]:
    """`head {`, the body indented, `}`."""
    yield f"{head} {{"
    for instruction in body:
        for line in instruction_lines(instruction):
            yield INDENT + line
    yield tail


def instruction_lines(instruction: Instruction) -> Iterator[str]:
    """The canonical lines of one instruction; more than one only for `loop`, `if` and `while`."""
    match instruction:
        case Loop(counter, count, body):
            yield from block(f"loop {name(counter.name)} < {scalar(count)}", body)
        case While(a, cmp, b, body):
            yield from block(f"while {scalar(a)} {cmp} {scalar(b)}", body)
        case If(a, cmp, b, then, ()):
            yield from block(f"if {scalar(a)} {cmp} {scalar(b)}", then)
        case If(a, cmp, b, then, other):
            *opening, close = block(f"if {scalar(a)} {cmp} {scalar(b)}", then)
            yield from opening
            yield from block(f"{close} else", other)
        case _:
            yield _line(instruction)


def _line(instruction: Leaf) -> str:
    match instruction:
        case Vector():
            return _vector(instruction)
        case Axpy(y, table, column, x, n):
            return f"axpy {memory(y)}, {name(table)}[{scalar(column)}], {memory(x)} over {scalar(n)}"
        case AxpyColumns(y, table, source):
            return f"axpy {memory(y)}, {name(table)}[{queue(source)}]"
        case AxpyEntries(y, source, x, n):
            return f"axpy {memory(y)}, {queue(source)}, {memory(x)} over {scalar(n)}"
        case Compute():
            return _compute(instruction)
        case Load(dst, buffer, offset):
            return f"load {name(dst.name)} = {_cell(buffer, offset)}"
        case Store(buffer, value, offset):
            return f"store {_cell(buffer, offset)} = {scalar(value)}"
        case Pop(dst, source):
            return f"pop {name(dst.name)} = {queue(source)}"
        case Push(destination, value):
            return f"push {queue(destination)} = {scalar(value)}"
        case Await(thread, rows):
            return f"await t{thread}" + ("" if rows is None else f" rows {scalar(rows)}")
        case Control(verb, task):
            return f"{verb} {name(task)}"
        case Stop():
            return "stop"
        case _:
            assert_never(instruction)


def _vector(vector: Vector) -> str:
    operands = ", ".join(_operand(x) for x in (vector.dst, vector.a, vector.b) if x is not None)
    extent = scalar(vector.n1) if vector.n0 == 1 else f"{scalar(vector.n0)}, {scalar(vector.n1)}"
    text = f"{vector.op} {operands} over {extent}"
    if vector.launch is None:
        return text
    then = f" then {name(vector.launch.then)}" if vector.launch.then else ""
    return f"async t{vector.launch.thread} {text}{then}"


def _compute(compute: Compute) -> str:
    dst, a, b = name(compute.dst.name), scalar(compute.a), scalar(compute.b)
    match compute.op:
        case None:
            return f"{dst} = {a}"
        case ScalarOp.MIN | ScalarOp.MAX:
            return f"{dst} = {compute.op}({a}, {b})"
        case _:
            return f"{dst} = {a} {compute.op} {b}"


def scalar(value: Scalar) -> str:
    """A register's name or an integer."""
    return name(value.name) if isinstance(value, Reg) else str(value)


def _offset(offset: Offset) -> str:
    return linear([(name(register.name), elements) for register, elements in offset.terms], offset.constant)


def _cell(buffer: str, offset: Offset) -> str:
    return f"{name(buffer)}[{_offset(offset)}]"


def memory(view: Mem) -> str:
    """`x`, `x[k*16]`, `x(24)`, `x[3](24, 0)`: a unit inner stride is left out, and strides (0, 1) altogether."""
    cell = name(view.buffer) if view.offset == Offset() else _cell(view.buffer, view.offset)
    outer, inner = view.strides
    if (outer, inner) == (0, 1):
        return cell
    return f"{cell}({outer})" if inner == 1 else f"{cell}({outer}, {inner})"


def _operand(operand: Source) -> str:
    match operand:
        case Mem():
            return memory(operand)
        case Fabric(source, index):
            return queue(source) if index is None else f"{queue(source)}[{_offset(index)}]"
        case Number(value):
            return real(value)
        case _:
            assert_never(operand)
