"""Prints a `Program` canonically: `parse(print(x)) == x`, and equal programs print equal text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import assert_never

import numpy as np

from tulle_ir.program import (
    Buffer,
    Category,
    HostPort,
    HostStream,
    Program,
    ProgramClass,
    Protocol,
    Queue,
    Register,
    Replicas,
    Route,
    Symbol,
    Table,
    Task,
    Trigger,
)
from tulle_ir.text import code_printer
from tulle_ir.text.lexical import name, queue, string
from tulle_ir.text.likeness import Member, members, renamed, skeleton
from tulle_ir.text.path_printer import braces, bundle
from tulle_ir.text.tensor_text import inline_values, shape_text


def print_program(program: Program) -> str:
    """The canonical text; tensors too large to stand in it are `text.stored_tensors(program)`."""
    width, height = program.mesh
    head = f"program {string(program.name)} target {string(program.target)} mesh {width}x{height}"
    return "\n".join(braces(head, _items(program))) + "\n"


def _items(program: Program) -> Iterator[str]:
    if program.protocol is not None:
        yield _protocol(program.protocol)
    if program.replicas != Replicas():
        yield _replicas(program.replicas)
    for symbol in program.symbols:
        yield _symbol(symbol)
    for stream in program.streams:
        yield from _stream(stream)
    for route in program.routes:
        yield from _route(route)
    yield from _classes(program.classes)
    for tensor in sorted(program.tensors):
        yield _tensor(tensor, program.tensors[tensor])


def _protocol(protocol: Protocol) -> str:
    context = f" context {protocol.context}" if protocol.context else ""
    vocab = f" vocab {protocol.vocab}" if protocol.vocab else ""
    last = " last only" if protocol.last_only else ""
    return f"protocol chunk {protocol.chunk}{context}{vocab}{last}"


def _replicas(replicas: Replicas) -> str:
    return f"replicas {replicas.count} step ({replicas.step_x}, {replicas.step_y})"


def _symbol(symbol: Symbol) -> str:
    named = ("origin", "inputs", "outputs")
    more = "".join(f" {part} {string(getattr(symbol, part))}" for part in named if getattr(symbol, part))
    return f"symbol {string(symbol.name)} at {list(symbol.region)}{more}"


def _tensor(tensor: str, array: np.ndarray) -> str:
    values = inline_values(array)
    return f"tensor {string(tensor)} : {shape_text(array)}" + ("" if values is None else f" = [{', '.join(values)}]")


def _stream(stream: HostStream) -> Iterator[str]:
    direction = "input" if stream.is_input else "output"
    head = f"{direction} {string(stream.name)} : {stream.format} {stream.dtype}[{stream.width}]"
    return braces(head, (_port(port) for port in stream.ports))


def _port(port: HostPort) -> str:
    features = f" features {string(port.features)}" if port.features else ""
    header = "" if port.header else " without header"
    turn = f" turn {port.turn} of {port.turns}" if (port.turn, port.turns) != (0, 1) else ""
    return f"port ({port.x}, {port.y}) {port.side} color {port.color}{features}{header}{turn}"


def _route(route: Route) -> Iterator[str]:
    return braces(f"route {string(route.name)}", (bundle(part) for part in route.bundles))


def _classes(classes: Sequence[ProgramClass]) -> Iterator[str]:
    """Classes in full, or like the first before them that has the same code."""
    names = Counter(of.name for of in classes)
    models: dict[Hashable, ProgramClass] = {}
    for of in classes:
        model = models.setdefault(skeleton(of), of) if of.tasks and names[of.name] == 1 else of
        yield from braces(_class_head(of), _members(of)) if model is of else _like(of, model)


def _class_head(of: ProgramClass) -> str:
    grid = of.grid
    step = "" if (grid.step_x, grid.step_y) == (1, 1) else f" step ({grid.step_x}, {grid.step_y})"
    return f"class {string(of.name)} at {[grid.x, grid.y, grid.width, grid.height]}{step} sram {of.sram_bytes}"


def _like(of: ProgramClass, model: ProgramClass) -> Iterator[str]:
    """A class by what tells it from its model."""
    colors = [queue.color for queue in of.queues]
    same = colors == [queue.color for queue in model.queues]
    head = f"{_class_head(of)} like {string(model.name)}" + ("" if same else f" colors {', '.join(map(str, colors))}")
    pairs = zip(members(of), members(renamed(model, of.name)), strict=True)
    own = [_member(member) for member, other in pairs if member != other]
    return braces(head, own) if own else iter([head])


def _members(program_class: ProgramClass) -> Iterator[str]:
    for member in members(program_class):
        yield _member(member)
    for declared in program_class.queues:
        yield _queue(declared)
    for task in program_class.tasks:
        yield from code_printer.block(_task_head(task), task.code)


def _member(member: Member) -> str:
    match member:
        case Buffer():
            return _buffer(member)
        case Table():
            return _table(member)
        case Register():
            return _register(member)
        case _:
            assert_never(member)


def _buffer(buffer: Buffer) -> str:
    category = "" if buffer.category is Category.ACTIVATIONS else f" {buffer.category}"
    data = f" = tensor {string(buffer.data)}" if buffer.data else ""
    return f"buffer {name(buffer.name)} : {buffer.dtype}[{buffer.size}] at {buffer.address}{category}{data}"


def _table(table: Table) -> str:
    shape = f"{table.dtype}[{table.capacity}] columns {table.columns}"
    places = f"ptr at {table.ptr_address}, row at {table.row_address}, value at {table.value_address}"
    return f"table {name(table.name)} : {shape} {places} = tensor {string(table.data)}"


def _register(register: Register) -> str:
    if isinstance(register.value, str):
        return f"register {name(register.name)} = tensor {string(register.value)}"
    return f"register {name(register.name)}" + (f" = {register.value}" if register.value else "")


def _queue(declared: Queue) -> str:
    direction = "input" if declared.is_input else "output"
    return f"{direction} {queue(declared.name)} : {declared.dtype} color {declared.color} queue {declared.index}"


def _task_head(task: Task) -> str:
    match task.trigger:
        case Trigger.START:
            trigger = " on start"
        case Trigger.DATA:
            trigger = f" on {queue(task.queue)}"
        case Trigger.ACTIVATION:
            trigger = ""
    return f"task {name(task.name)}{trigger}" + (" blocked" if task.blocked else "")
