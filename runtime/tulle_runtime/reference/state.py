"""What a compute engine holds: SRAM, registers, queues, microthreads, tasks; and the resolving of names in it."""

from __future__ import annotations

from tulle_ir.code import Axpy, Fabric, Mem, Number, Offset, Reg, Scalar, Vector
from tulle_ir.program import Buffer, ProgramClass, Table
from tulle_ir.target import Target
from tulle_runtime.reference.axpy import AxpyWork
from tulle_runtime.reference.memory import Sram
from tulle_runtime.reference.numbers import signed
from tulle_runtime.reference.operands import InMemory, InWavelet, Operand, immediate
from tulle_runtime.reference.steps import QueueEnd
from tulle_runtime.reference.tasks import TaskState
from tulle_runtime.reference.thread import Thread
from tulle_runtime.reference.vector import VectorWork


class PeState:
    """The state of one PE. Registers hold signed 32-bit values."""

    def __init__(
        self, kind: ProgramClass, target: Target, sram: Sram, registers: dict[str, int], queues: dict[str, QueueEnd]
    ) -> None:
        self.target = target
        self.sram = sram
        self.registers = registers
        self.queues = queues
        self.buffers: dict[str, Buffer] = {buffer.name: buffer for buffer in kind.buffers}
        self.tables: dict[str, Table] = {table.name: table for table in kind.tables}
        self.threads = [Thread(number) for number in range(target.threads)]
        self.tasks = [TaskState(task, queues[task.queue] if task.queue else None) for task in kind.tasks]
        self.task_by_name = {task.name: task for task in self.tasks}

    def scalar(self, operand: Scalar) -> int:
        """The value of a register or an immediate."""
        return self.registers[operand.name] if isinstance(operand, Reg) else signed(operand)

    def length(self, operand: Scalar) -> int:
        """A length: below zero counts as zero."""
        return max(0, self.scalar(operand))

    def assign(self, register: Reg, value: int) -> None:
        """Set a register, wrapped to 32 bits."""
        self.registers[register.name] = signed(value)

    def elements(self, offset: Offset) -> int:
        """The value of an offset."""
        return offset.constant + sum(self.scalar(register) * factor for register, factor in offset.terms)

    def address(self, buffer: Buffer, offset: Offset) -> int:
        """Byte address of the element at `offset`."""
        return buffer.address + self.elements(offset) * buffer.dtype.size

    def memory(self, view: Mem) -> InMemory:
        """A view of a buffer with its offset computed."""
        buffer = self.buffers[view.buffer]
        size = buffer.dtype.size
        start = self.address(buffer, view.offset)
        return InMemory(self.sram, buffer.dtype, start, view.strides[0] * size, view.strides[1] * size)

    def operand(self, operand: Mem | Fabric | Number) -> Operand:
        """Any operand of a vector instruction."""
        match operand:
            case Mem():
                return self.memory(operand)
            case Fabric():
                return InWavelet(self.queues[operand.queue].dtype)
            case Number():
                return immediate(operand.value)

    def vector(self, op: Vector) -> VectorWork:
        """A vector instruction with all names resolved."""
        b = None if op.b is None else self.operand(op.b)
        return VectorWork(
            op.op, self.operand(op.dst), self.operand(op.a), b, self.length(op.n0), self.length(op.n1)
        )  # fmt: skip

    def axpy(self, op: Axpy) -> AxpyWork:
        """An axpy instruction with all names resolved."""
        table = self.tables[op.table]
        return AxpyWork(
            self.sram, table, self.scalar(op.column), self.memory(op.x), self.memory(op.y), self.length(op.n)
        )
