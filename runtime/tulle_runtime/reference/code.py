"""Structured code as a flat list: loops, ifs and whiles become jumps to positions in the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from tulle_ir.code import (
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Cmp,
    Compute,
    Control,
    If,
    Instruction,
    Load,
    Loop,
    Pop,
    Push,
    Reg,
    Scalar,
    Stop,
    Store,
    Vector,
    While,
)  # fmt: skip


@dataclass(slots=True)
class LoopStart:
    """Costs 1: counter = 0; without turns go to `end`."""

    counter: Reg
    count: Scalar
    end: int = -1


@dataclass(slots=True)
class LoopEnd:
    """Free: counter += 1; go back to `body` while it is less than the count saved at the start."""

    start: LoopStart
    body: int


@dataclass(slots=True)
class Branch:
    """Costs `branch_cycles`: go to `otherwise` if the comparison is false."""

    a: Scalar
    cmp: Cmp
    b: Scalar
    otherwise: int = -1


@dataclass(slots=True)
class Jump:
    """Free: go to `to`."""

    to: int = -1


OnArrival = AxpyColumns | AxpyEntries
Leaf = Vector | Axpy | OnArrival | Compute | Load | Store | Pop | Push | Await | Control | Stop
Operation = Leaf | LoopStart | LoopEnd | Branch | Jump


def flatten(code: tuple[Instruction, ...]) -> list[Operation]:
    """The operations of a task; it ends with `stop`."""
    flat: list[Operation] = []
    _append(flat, code)
    flat.append(Stop())
    return flat


def _append(flat: list[Operation], code: tuple[Instruction, ...]) -> None:
    for instruction in code:
        match instruction:
            case Loop():
                start = LoopStart(instruction.counter, instruction.count)
                flat.append(start)
                body = len(flat)
                _append(flat, instruction.body)
                flat.append(LoopEnd(start, body))
                start.end = len(flat)
            case While():
                top = len(flat)
                branch = Branch(instruction.a, instruction.cmp, instruction.b)
                flat.append(branch)
                _append(flat, instruction.body)
                flat.append(Jump(top))
                branch.otherwise = len(flat)
            case If():
                _append_if(flat, instruction)
            case Vector() | Axpy() | AxpyColumns() | AxpyEntries() | Compute() | Load() | Store() | Pop() | Push():
                flat.append(instruction)
            case Await() | Control() | Stop():
                flat.append(instruction)
            case _:
                assert_never(instruction)


def _append_if(flat: list[Operation], instruction: If) -> None:
    branch = Branch(instruction.a, instruction.cmp, instruction.b)
    flat.append(branch)
    _append(flat, instruction.then)
    over = Jump()
    flat.append(over)
    branch.otherwise = len(flat)
    _append(flat, instruction.other)
    over.to = len(flat)
