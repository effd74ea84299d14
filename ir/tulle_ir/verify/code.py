"""Names in code resolve, and every instruction obeys the rules of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    Load,
    Loop,
    Mem,
    Number,
    Offset,
    Pop,
    Push,
    Reg,
    Scalar,
    Stop,
    Store,
    Vector,
    While,
)
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.scope import Scope, instructions
from tulle_ir.verify.vectors import check_arrivals, check_axpy_types, check_column, check_vector_types

MOST_TERMS = 2


def check_code(scope: Scope, target: Target, findings: Findings) -> None:
    """All instructions of a class. An instruction whose names do not resolve is not looked at further."""
    for path, instruction in instructions(scope):
        check = CodeCheck(scope, target, findings, instruction, path)
        unknown = list(check.unknown())
        for what in unknown:
            findings.error(what, instruction, path)
        if not unknown:
            check.rules()


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """One instruction under the verifier."""

    scope: Scope
    target: Target
    findings: Findings
    instruction: Instruction
    path: str

    def error(self, what: str) -> None:
        """A finding at this instruction."""
        self.findings.error(what, self.instruction, self.path)

    def unknown(self) -> Iterator[str]:
        """A sentence for every name that is not declared."""
        for kind, name in _names(self.instruction):
            known = {
                "register": self.scope.registers,
                "buffer": self.scope.buffers,
                "table": self.scope.tables,
                "queue": self.scope.queues,
                "task": self.scope.tasks,
            }[kind]
            if name not in known:
                yield f"there is no {kind} '{'%' if kind == 'queue' else ''}{name}'"

    def rules(self) -> None:
        """What the kind of instruction asks for."""
        self._numbers()
        match self.instruction:
            case Vector():
                check_vector_types(self.instruction, self.scope, self.error)
                if self.instruction.launch:
                    self._thread(self.instruction.launch.thread)
            case Axpy(y, _, _, x):
                check_axpy_types({"y": y, "x": x}, self.scope, self.error)
                check_column(self.instruction, self.scope, self.error)
            case AxpyColumns(y, _, queue):
                check_axpy_types({"y": y}, self.scope, self.error)
                check_arrivals(queue, self.scope, self.error)
            case AxpyEntries(y, queue, x):
                check_axpy_types({"y": y, "x": x}, self.scope, self.error)
                check_arrivals(queue, self.scope, self.error)
            case Pop(_, queue):
                if not self.scope.queues[queue].is_input:
                    self.error(f"'%{queue}' is an output queue: nothing can be taken from it")
            case Push(queue, _):
                if self.scope.queues[queue].is_input:
                    self.error(f"'%{queue}' is an input queue: nothing can be sent through it")
            case Await(thread, _):
                self._thread(thread)
            case Loop(body=body) | While(body=body):
                if all(isinstance(inner, Await | Stop) for inner in body):
                    self.error("the body has no instruction that costs a slot: it would turn for ever in one cycle")
            case Compute() | Load() | Store() | If() | Control() | Stop():
                pass
            case _:
                assert_never(self.instruction)

    def _thread(self, thread: int) -> None:
        if not 0 <= thread < self.target.threads:
            self.error(f"there is no microthread t{thread}: a PE has t0 to t{self.target.threads - 1}")

    def _numbers(self) -> None:
        for offset in _offsets(self.instruction):
            if len(offset.terms) > MOST_TERMS:
                self.error(f"an offset has at most {MOST_TERMS} register terms, not {len(offset.terms)}")
        for scalar in _scalars(self.instruction):
            if isinstance(scalar, int) and not -(2**31) <= scalar < 2**32:
                self.error(f"{scalar} does not fit in 32 bits")


def _names(instruction: Instruction) -> Iterator[tuple[str, str]]:
    """(kind, name) of everything an instruction refers to, its bodies apart."""
    for scalar in _scalars(instruction):
        if isinstance(scalar, Reg):
            yield "register", scalar.name
    for offset in _offsets(instruction):
        yield from (("register", register.name) for register, _ in offset.terms)
    match instruction:
        case Vector(launch=launch):
            for operand in operands(instruction):
                yield ("buffer", operand.buffer) if isinstance(operand, Mem) else ("queue", operand.queue)
            if launch and launch.then:
                yield "task", launch.then
        case Axpy(y, table, _, x, _):
            yield from (("buffer", y.buffer), ("table", table), ("buffer", x.buffer))
        case AxpyColumns(y, table, queue):
            yield from (("buffer", y.buffer), ("table", table), ("queue", queue))
        case AxpyEntries(y, queue, x, _):
            yield from (("buffer", y.buffer), ("queue", queue), ("buffer", x.buffer))
        case Load(buffer=buffer) | Store(buffer=buffer):
            yield "buffer", buffer
        case Pop(queue=queue) | Push(queue=queue):
            yield "queue", queue
        case Control(task=task):
            yield "task", task
        case Compute() | Await() | Loop() | If() | While() | Stop():
            pass
        case _:
            assert_never(instruction)


def operands(vector: Vector) -> list[Mem | Fabric]:
    """Destination and sources, numbers apart."""
    return [operand for operand in (vector.dst, vector.a, vector.b) if operand and not isinstance(operand, Number)]


def _offsets(instruction: Instruction) -> list[Offset]:
    match instruction:
        case Vector():
            offsets = (x.offset if isinstance(x, Mem) else x.index for x in operands(instruction))
            return [offset for offset in offsets if offset is not None]
        case Axpy(y=y, x=x) | AxpyEntries(y=y, x=x):
            return [y.offset, x.offset]
        case AxpyColumns(y=y):
            return [y.offset]
        case Load(offset=offset) | Store(offset=offset):
            return [offset]
        case _:
            return []


def _scalars(instruction: Instruction) -> tuple[Scalar, ...]:
    """The scalar operands and register results of an instruction, its bodies apart."""
    match instruction:
        case Vector(n0=n0, n1=n1):
            return n0, n1
        case Axpy(column=column, n=n):
            return column, n
        case AxpyEntries(n=n):
            return (n,)
        case Compute(dst, a, op, b):
            return (dst, a) if op is None else (dst, a, b)
        case Load(dst=dst) | Pop(dst=dst):
            return (dst,)
        case Store(value=value) | Push(value=value):
            return (value,)
        case Await(rows=rows):
            return () if rows is None else (rows,)
        case Loop(counter=counter, count=count):
            return counter, count
        case If(a=a, b=b) | While(a=a, b=b):
            return a, b
        case AxpyColumns() | Control() | Stop():
            return ()
        case _:
            assert_never(instruction)
