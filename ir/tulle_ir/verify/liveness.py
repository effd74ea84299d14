"""Signs that something waits for ever. None of this is proof, so all of it is a warning."""

from __future__ import annotations

from tulle_ir.code import AxpyColumns, AxpyEntries, Control, Fabric, Instruction, Pop, Push, TaskVerb, Vector
from tulle_ir.program import Trigger
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.scope import Scope, instructions


def check_liveness(scope: Scope, findings: Findings) -> None:
    """Tasks that nothing starts, blocked tasks that nothing unblocks, queues that no code uses."""
    code = [instruction for _, instruction in instructions(scope)]
    _check_tasks(scope, code, findings)
    used = {queue for instruction in code for queue in _queues(instruction)}
    used |= {task.queue for task in scope.of.tasks if task.trigger is Trigger.DATA}
    for queue in scope.of.queues:
        if queue.name not in used:
            does = "takes what arrives at" if queue.is_input else "sends through"
            findings.warning(f"no instruction {does} '%{queue.name}'", queue, scope.path)


def _check_tasks(scope: Scope, code: list[Instruction], findings: Findings) -> None:
    activated = {i.task for i in code if isinstance(i, Control) and i.verb is TaskVerb.ACTIVATE}
    activated |= {i.launch.then for i in code if isinstance(i, Vector) and i.launch}
    unblocked = {i.task for i in code if isinstance(i, Control) and i.verb is TaskVerb.UNBLOCK}
    for task in scope.of.tasks:
        if task.trigger is Trigger.ACTIVATION and task.name not in activated:
            findings.warning(f"nothing activates task '{task.name}'", task, scope.path)
        if task.blocked and task.name not in unblocked:
            findings.warning(f"task '{task.name}' is blocked, and nothing unblocks it", task, scope.path)


def _queues(instruction: Instruction) -> list[str]:
    match instruction:
        case Vector(dst=dst, a=a, b=b):
            return [operand.queue for operand in (dst, a, b) if isinstance(operand, Fabric)]
        case Pop(queue=queue) | Push(queue=queue) | AxpyColumns(queue=queue) | AxpyEntries(queue=queue):
            return [queue]
        case _:
            return []
