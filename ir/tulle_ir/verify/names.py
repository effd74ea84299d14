"""Names are unique, counts and small numbers are in range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol as Interface

from tulle_ir.program import Program, Task, Trigger
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.scope import Scope

CHUNK_LIMIT = 255  # tokens: eight bits of the header


class Named(Interface):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


def check_program_names(program: Program, findings: Findings) -> None:
    """Classes, routes, streams and symbols each have names of their own; the protocol's numbers are in range."""
    for what, nodes in (
        ("class", program.classes),
        ("route", program.routes),
        ("stream", program.streams),
        ("symbol", program.symbols),
    ):
        _unique(what, nodes, "", findings)
    protocol = program.protocol
    if protocol and not 1 <= protocol.chunk <= CHUNK_LIMIT:
        findings.error(f"a chunk of {protocol.chunk} tokens: 1 to {CHUNK_LIMIT} travel together", protocol, "protocol")
    if protocol and min(protocol.context, protocol.vocab) < 0:
        findings.error("context and vocab are not negative", protocol, "protocol")


def check_class_names(scope: Scope, target: Target, findings: Findings) -> None:
    """Names inside a class, the number of registers, and what triggers the tasks."""
    of, path = scope.of, scope.path
    _unique("buffer or table", (*of.buffers, *of.tables), path, findings)
    _unique("register", of.registers, path, findings)
    _unique("queue", of.queues, path, findings)
    _unique("task", of.tasks, path, findings)
    for register in of.registers[target.registers :]:
        findings.error(f"register '{register.name}' is one too many: a PE has {target.registers}", register, path)
    for register in of.registers:
        if isinstance(register.value, int) and not -(2**31) <= register.value < 2**32:
            findings.error(f"{register.value} does not fit in 32 bits", register, path)
    for task in of.tasks:
        _check_trigger(task, scope, findings)


def _check_trigger(task: Task, scope: Scope, findings: Findings) -> None:
    path = f"{scope.path}, task '{task.name}'"
    if task.trigger is not Trigger.DATA:
        if task.queue:
            findings.error(f"task '{task.name}' names a queue but is not triggered by data", task, path)
    elif task.queue not in scope.queues:
        findings.error(f"there is no queue '%{task.queue}'", task, path)
    elif not scope.queues[task.queue].is_input:
        findings.error(f"'%{task.queue}' is an output queue: no wavelet arrives there", task, path)


def _unique(what: str, nodes: Iterable[Named], path: str, findings: Findings) -> None:
    first: dict[str, Named] = {}
    for node in nodes:
        if node.name in first:
            where = f"{path}, {what} '{node.name}'".removeprefix(", ")
            earlier = findings.site(first[node.name], where)
            findings.error(f"there are two of the name '{node.name}' ({what})", node, where, earlier)
        first.setdefault(node.name, node)
