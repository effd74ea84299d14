"""Structured code as rows of int32 words with jumps (words.py: R_*, O_*)."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from tulle_ir.code import (
    COSTED,
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Cmp,
    Compute,
    Control,
    Destination,
    DType,
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
    ScalarOp,
    Source,
    Stop,
    Store,
    TaskVerb,
    Vector,
    VectorOp,
    While,
)
from tulle_ir.program import ProgramClass, Table
from tulle_ir.target import Target
from tulle_runtime.fast import words as w

_TYPE = {DType.F16: w.F16, DType.F32: w.F32, DType.I32: w.I32, DType.U16: w.U16}


_VECTOR = {op: index for index, op in enumerate(VectorOp)}


_VECTOR.update({VectorOp.FMA: w.FMA, VectorOp.MAX: w.MAX, VectorOp.MIN: w.MIN})


_SCALAR: dict[ScalarOp | None, int] = {None: w.S_MOV}


_SCALAR.update({op: index for index, op in enumerate(ScalarOp, start=w.S_ADD)})


_COMPARE = {op: index for index, op in enumerate(Cmp)}


_VERB = {TaskVerb.ACTIVATE: w.ACTIVATE, TaskVerb.BLOCK: w.BLOCK, TaskVerb.UNBLOCK: w.UNBLOCK}


def wrap(value: int) -> int:
    """Modulo 2^32 as two's complement."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


class Rows:
    """The rows of one class under construction."""

    def __init__(self, cls: ProgramClass, target: Target, layout: np.ndarray, first_row: int) -> None:
        self.cls, self.target, self.first = cls, target, first_row
        self.rows: list[list[int]] = []
        registers = int(layout[w.C_REGISTERS])
        self.limits = registers + len(cls.registers)
        self.registers = {register.name: registers + index for index, register in enumerate(cls.registers)}
        self.buffers = {buffer.name: buffer for buffer in cls.buffers}
        self.tables = {table.name: table for table in cls.tables}
        self.queues = {queue.name: index for index, queue in enumerate(cls.queues)}
        self.tasks = {task.name: index for index, task in enumerate(cls.tasks)}

    @property
    def here(self) -> int:
        """The next row: the index of its first word."""
        return (self.first + len(self.rows)) * w.ROW_WORDS

    def add(self, kind: int, **fields: int) -> list[int]:
        """Appends a row; fields are named after the words R_*."""
        row = [0] * w.ROW_WORDS
        for at in (w.R_THREAD, w.R_THEN, w.R_SOURCE, w.R_SINK, w.R_N0, w.R_N1):
            row[at] = -1
        for o in (w.R_D, w.R_A, w.R_B):
            row[o + w.O_REG1] = row[o + w.O_REG2] = -1
        row[w.R_KIND] = kind
        for name, value in fields.items():
            row[getattr(w, name)] = value
        self.rows.append(row)
        return row

    def block(self, code: tuple[Instruction, ...], depth: int) -> None:
        """Appends the rows of a sequence of instructions inside `depth` loops."""
        for instruction in code:
            self._instruction(instruction, depth)

    def _instruction(self, one: Instruction, depth: int) -> None:
        match one:
            case Vector():
                self._vector(one)
            case Axpy() | AxpyColumns() | AxpyEntries():
                self._axpy(one)
            case Compute():
                row = self.add(w.COMPUTE, R_OP=_SCALAR[one.op], R_AUX=self.registers[one.dst.name])
                self._scalar(row, w.R_N0, one.a)
                self._scalar(row, w.R_N1, one.b)
            case Load():
                row = self.add(w.LOAD, R_AUX=self.registers[one.dst.name])
                self._memory(row, w.R_D, Mem(one.buffer, one.offset))
            case Store():
                row = self.add(w.STORE)
                self._scalar(row, w.R_N0, one.value)
                self._memory(row, w.R_D, Mem(one.buffer, one.offset))
            case Pop():
                row = self.add(w.POP, R_AUX=self.registers[one.dst.name])
                self._source(row, self.queues[one.queue])
            case Push():
                row = self.add(w.PUSH, R_SINK=self.queues[one.queue])
                self._scalar(row, w.R_N0, one.value)
            case Await():
                row = self.add(w.AWAIT, R_THREAD=one.thread, R_OP=int(one.rows is not None))
                self._scalar(row, w.R_N0, 0 if one.rows is None else one.rows)
            case Loop():
                self._loop(one, depth)
            case If():
                self._if(one, depth)
            case While():
                top = self.here
                branch = self._branch(one.a, one.cmp, one.b)
                self.block(one.body, depth)
                self.add(w.JUMP, R_TARGET=top)
                branch[w.R_TARGET] = self.here
            case Control():
                self.add(w.CONTROL, R_OP=_VERB[one.verb], R_AUX=self.tasks[one.task])
            case Stop():
                self.add(w.STOP)
            case _:
                assert_never(one)

    def _loop(self, one: Loop, depth: int) -> None:
        counter, limit = self.registers[one.counter.name], self.limits + depth
        start = self.add(w.LOOP, R_AUX=counter)
        self._scalar(start, w.R_N0, one.count)
        start[w.R_N1] = limit
        body = self.here
        self.block(one.body, depth + 1)
        self.add(w.NEXT, R_AUX=counter, R_N0=limit, R_TARGET=body)
        start[w.R_TARGET] = self.here

    def _if(self, one: If, depth: int) -> None:
        branch = self._branch(one.a, one.cmp, one.b)
        self.block(one.then, depth)
        if one.other:
            jump = self.add(w.JUMP)
            branch[w.R_TARGET] = self.here
            self.block(one.other, depth)
            jump[w.R_TARGET] = self.here
        else:
            branch[w.R_TARGET] = self.here

    def _branch(self, a: Scalar, cmp: Cmp, b: Scalar) -> list[int]:
        row = self.add(w.BRANCH, R_OP=_COMPARE[cmp])
        self._scalar(row, w.R_N0, a)
        self._scalar(row, w.R_N1, b)
        return row

    def _scalar(self, row: list[int], at: int, value: Scalar) -> None:
        if isinstance(value, Reg):
            row[at] = self.registers[value.name]
        else:
            row[at], row[at + 1] = -1, wrap(value)

    def _memory(self, row: list[int], o: int, mem: Mem) -> None:
        """A memory operand, strides and offsets in bytes."""
        buffer = self.buffers[mem.buffer]
        size = buffer.dtype.size
        row[o + w.O_KIND], row[o + w.O_TYPE] = w.MEMORY, _TYPE[buffer.dtype]
        self._offset(row, o, buffer.address, mem.offset, size)
        row[o + w.O_S0], row[o + w.O_S1] = mem.strides[0] * size, mem.strides[1] * size

    def _index(self, row: list[int], o: int, index: Offset) -> None:
        """A sparse destination: the offset is an index, one apart from row to row, and counts modulo 2^16."""
        row[o + w.O_KIND], row[o + w.O_S0] = w.SPARSE, 1
        factors = tuple((register, factor & w.END_MARK) for register, factor in index.terms)
        self._offset(row, o, 0, Offset(index.constant & w.END_MARK, factors), 1)

    def _offset(self, row: list[int], o: int, base: int, offset: Offset, size: int) -> None:
        row[o + w.O_BASE] = base + offset.constant * size
        for (register, elements), at in zip(offset.terms, (w.O_REG1, w.O_REG2), strict=False):
            row[o + at], row[o + at + 1] = self.registers[register.name], elements * size

    def _operand(self, row: list[int], o: int, operand: Source | Destination | None) -> None:
        match operand:
            case None:
                pass
            case Mem():
                self._memory(row, o, operand)
            case Fabric(queue=queue, index=index):
                at = self.queues[queue]
                row[o + w.O_KIND], row[o + w.O_TYPE] = w.QUEUE, _TYPE[self.cls.queues[at].dtype]
                row[w.R_TYPE] = row[o + w.O_TYPE]
                if o == w.R_D:
                    row[w.R_SINK] = at
                else:
                    self._source(row, at)
                if index is not None:
                    self._index(row, o, index)
            case Number(value=value):
                with np.errstate(over="ignore"):
                    bits = int(np.float32(value).view(np.int32))
                row[o + w.O_KIND], row[o + w.O_TYPE], row[o + w.O_BITS] = w.IMMEDIATE, w.F32, bits
            case _:
                assert_never(operand)

    def _source(self, row: list[int], index: int) -> None:
        row[w.R_SOURCE], row[w.R_INDEX] = index, self.cls.queues[index].index

    def _dtype(self, operand: Source | Destination | None) -> DType | None:
        match operand:
            case Mem(buffer=buffer):
                return self.buffers[buffer].dtype
            case Fabric(queue=queue):
                return self.cls.queues[self.queues[queue]].dtype
            case _:
                return None

    def _vector(self, one: Vector) -> None:
        kind = w.VECTOR
        if any(isinstance(operand, Fabric) for operand in (one.dst, one.a, one.b)):
            kind = w.VECTOR_SYNC if one.launch is None else w.VECTOR_ASYNC
        row = self.add(kind, R_OP=_VECTOR[one.op])
        self._operand(row, w.R_D, one.dst)
        self._operand(row, w.R_A, one.a)
        self._operand(row, w.R_B, one.b)
        self._scalar(row, w.R_N0, one.n0)
        self._scalar(row, w.R_N1, one.n1)
        dst = self._dtype(one.dst)
        assert dst is not None
        sources = tuple(kind for kind in map(self._dtype, (one.a, one.b)) if kind is not None)
        row[w.R_WIDTH] = self.target.widths.of(one.op, dst, sources)
        row[w.R_PER] = self.target.cost_of(one.op) if one.op in COSTED else 0
        if one.launch is not None:
            row[w.R_THREAD] = one.launch.thread
            row[w.R_THEN] = self.tasks[one.launch.then] if one.launch.then else -1

    def _axpy(self, one: Axpy | AxpyColumns | AxpyEntries) -> None:
        match one:
            case Axpy():
                table = self.tables[one.table]
                row = self._axpy_row(w.AXPY, one.y, one.x, table.dtype)
                self._table(row, table)
                self._scalar(row, w.R_N0, one.column)
                self._scalar(row, w.R_N1, one.n)
            case AxpyColumns():
                table = self.tables[one.table]
                row = self._axpy_row(w.AXPY_COLUMNS, one.y, None, table.dtype)
                self._table(row, table)
                self._source(row, self.queues[one.queue])
            case AxpyEntries():
                row = self._axpy_row(w.AXPY_ENTRIES, one.y, one.x, DType.F16)
                self._scalar(row, w.R_N1, one.n)
                self._source(row, self.queues[one.queue])

    def _axpy_row(self, kind: int, y: Mem, x: Mem | None, value: DType) -> list[int]:
        """A row with operands and width for values of a type; x None: an f16 value that arrives."""
        row = self.add(kind)
        self._memory(row, w.R_D, y)
        if x is not None:
            self._memory(row, w.R_A, x)
        dtype = DType.F16 if x is None else self.buffers[x.buffer].dtype
        row[w.R_WIDTH] = self.target.widths.of(VectorOp.FMA, self.buffers[y.buffer].dtype, (value, dtype))
        return row

    def _table(self, row: list[int], table: Table) -> None:
        row[w.B_TYPE], row[w.B_COLUMNS] = _TYPE[table.dtype], table.columns
        row[w.B_PTR], row[w.B_ROW], row[w.B_VALUE] = table.ptr_address, table.row_address, table.value_address
