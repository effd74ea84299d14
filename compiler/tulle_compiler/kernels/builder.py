"""Building a program class: names, registers, queues and addresses, so that an emitter reads like the kernel's plan.

Emitters work in canonical coordinates; `ClassBuilder.finish` moves the class to its place on the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tulle_ir.code import (
    Await,
    Compute,
    DType,
    Fabric,
    Instruction,
    Launch,
    Mem,
    Number,
    Offset,
    Pop,
    Push,
    Reg,
    Scalar,
    ScalarOp,
    Source,
    Vector,
    VectorOp,
)
from tulle_ir.geometry import Frame
from tulle_ir.program import Buffer, Category, Grid, ProgramClass, Queue, Register, Table, Task, Trigger
from tulle_ir.target import Target

INPUT_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)  # the deepest input queues first
OUTPUT_ORDER = (2, 3, 0, 1, 4, 5)  # the deepest output queues first


@dataclass(frozen=True)
class Columns:
    """Compressed columns of many tiles: per tile (canonical order, row by row) offsets and entries.

    ptr: u16[T, K + 1]; start: i64[T + 1]; row: u16[E] (bit 15: set); value: [E]. PE p has tile `pe[p]` (i64[P]).
    """

    ptr: np.ndarray
    start: np.ndarray
    row: np.ndarray
    value: np.ndarray
    pe: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Entries of each PE: i64[P]."""
        return np.diff(self.start)[self.pe]

    @property
    def capacity(self) -> int:
        """Most entries of any PE."""
        return int(self.counts.max(initial=0))

    def arranged(self, order: np.ndarray) -> Columns:
        """The same with the tile of PE `order[p]` in place p. Copies nothing yet."""
        return replace(self, pe=self.pe[order])

    def packed(self) -> dict[str, np.ndarray]:
        """The arrays of a table in a Program, PE by PE."""
        counts = self.counts
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        take = np.repeat(self.start[:-1][self.pe] - start[:-1], counts) + np.arange(start[-1])
        return {"ptr": self.ptr[self.pe], "start": start, "row": self.row[take], "value": self.value[take]}


@dataclass(frozen=True, slots=True)
class _Wish:
    """A buffer or an array of a table that wants an address; `side` keeps hot operands in different banks."""

    name: str
    size: int  # bytes
    side: int


@dataclass
class ClassBuilder:
    """Collects one class. Buffers of different `side` (0, 1, ...) end up in different banks."""

    name: str
    grid: Grid
    target: Target
    buffers: list[tuple[str, DType, int, Category, str]] = field(default_factory=list)
    tables: list[tuple[str, DType, int, int, str]] = field(default_factory=list)
    registers: list[tuple[str, int | np.ndarray]] = field(default_factory=list)
    queues: list[Queue] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    data: dict[str, np.ndarray | Columns] = field(default_factory=dict)
    wishes: list[_Wish] = field(default_factory=list)

    def buffer(
        self,
        name: str,
        dtype: DType,
        size: int,
        category: Category = Category.ACTIVATIONS,
        data: np.ndarray | None = None,
        side: int = -1,
    ) -> str:
        """An array of `size` elements; `data` is [size] (shared) or [height, width, size] (one per PE). Asking again
        for a name returns the same array."""
        if any(known == name for known, *_ in self.buffers):
            return name
        if data is not None:
            self.data[name] = data
        self.buffers.append((name, dtype, size, category, name if data is not None else ""))
        self.wishes.append(_Wish(name, size * dtype.size, side))
        return name

    def table(self, name: str, dtype: DType, columns: int, data: Columns) -> str:
        """A compressed-column table, one tile per PE in canonical order."""
        self.data[name] = data
        self.tables.append((name, dtype, columns, data.capacity, name))
        self.wishes += [
            _Wish(f"{name}.ptr", 2 * (columns + 1), -1),
            _Wish(f"{name}.row", 2 * data.capacity, -1),
            _Wish(f"{name}.value", dtype.size * data.capacity, -1),
        ]
        return name

    def register(self, name: str, value: int | np.ndarray = 0) -> Reg:
        """A register; `value` is an integer or [height, width] integers. Asking again returns the same register."""
        if any(known == name for known, _ in self.registers):
            return Reg(name)
        self.registers.append((name, value))
        return Reg(name)

    def input(self, name: str, color: int, dtype: DType) -> Fabric:
        """An input queue; asking again for a name returns the same queue."""
        if any(q.name == name for q in self.queues):
            return Fabric(name)
        index = INPUT_ORDER[sum(q.is_input for q in self.queues)]
        self.queues.append(Queue(name, True, index, color, dtype))
        return Fabric(name)

    def output(self, name: str, color: int, dtype: DType) -> Fabric:
        """An output queue; asking again for a name returns the same queue."""
        if any(q.name == name for q in self.queues):
            return Fabric(name)
        index = OUTPUT_ORDER[sum(not q.is_input for q in self.queues)]
        self.queues.append(Queue(name, False, index, color, dtype))
        return Fabric(name)

    def task(self, name: str, code: list[Instruction], on: Fabric | None = None, blocked: bool = False) -> None:
        """A task, triggered by data in queue `on` or by activation."""
        trigger = Trigger.DATA if on else Trigger.ACTIVATION
        self.tasks.append(Task(name, trigger, tuple(code), on.queue if on else "", blocked))

    def finish(self, prefix: str, frame: Frame, tensors: dict[str, np.ndarray]) -> ProgramClass:
        """The class on the mesh; its bulk data goes to `tensors` under names beginning with `prefix`."""
        addresses = allocate(self.wishes, self.target)
        stem = f"{prefix}.{self.name}"
        order = frame.arrange(np.arange(self.grid.width * self.grid.height).reshape(self.grid.height, self.grid.width))
        for name, data in self.data.items():
            _store(tensors, f"{stem}.{name}", data, frame, order.reshape(-1))
        registers = []
        for name, value in self.registers:
            if isinstance(value, np.ndarray):
                tensors[f"{stem}.{name}"] = np.ascontiguousarray(frame.arrange(value).reshape(-1).astype(np.int32))
                registers.append(Register(name, f"{stem}.{name}"))
            else:
                registers.append(Register(name, value))
        extent = max((addresses[w.name] + w.size for w in self.wishes), default=0)
        return ProgramClass(
            name=stem,
            grid=frame.grid(self.grid),
            sram_bytes=-(-extent // 4) * 4,
            buffers=tuple(
                Buffer(n, d, s, addresses[n], c, f"{stem}.{t}" if t else "") for n, d, s, c, t in self.buffers
            ),
            tables=tuple(
                Table(n, d, k, e, addresses[f"{n}.ptr"], addresses[f"{n}.row"], addresses[f"{n}.value"], f"{stem}.{t}")
                for n, d, k, e, t in self.tables
            ),
            registers=tuple(registers),
            queues=tuple(self.queues),
            tasks=tuple(self.tasks),
        )


def _store(
    tensors: dict[str, np.ndarray], name: str, data: np.ndarray | Columns, frame: Frame, order: np.ndarray
) -> None:
    """Put one item of bulk data into the program's tensors, in mesh order."""
    if isinstance(data, Columns):
        for part, array in data.arranged(order).packed().items():
            tensors[f"{name}.{part}"] = array
    elif data.ndim == 1:
        tensors[name] = data
    else:
        tensors[name] = np.ascontiguousarray(frame.arrange(data)).reshape(order.size, -1)


def allocate(wishes: list[_Wish], target: Target) -> dict[str, int]:
    """Byte addresses (multiples of 4): each side begins in a bank of its own after the sides before it, so that hot
    operands of different sides do not conflict; everything else goes first-fit into the gaps, largest first."""
    bank = target.sram_bytes // target.banks
    placed: list[tuple[int, int, str]] = []
    cursor = 0
    for side in sorted({w.side for w in wishes if w.side >= 0}):
        cursor = -(-cursor // bank) * bank
        for wish in (w for w in wishes if w.side == side):
            placed.append((cursor, wish.size, wish.name))
            cursor += -(-wish.size // 4) * 4
    for wish in sorted((w for w in wishes if w.side < 0), key=lambda w: (-w.size, w.name)):
        placed.append((_first_gap(placed, wish.size), wish.size, wish.name))
    return {name: address for address, _, name in placed}


def _first_gap(placed: list[tuple[int, int, str]], size: int) -> int:
    """The lowest address with `size` free bytes."""
    address = 0
    for start, length, _ in sorted(placed):
        if start - address >= size:
            return address
        address = max(address, start + -(-length // 4) * 4)
    return address


# Shorthands that make emitted code read like docs/machine.md.


def mem(buffer: str, strides: tuple[int, int] = (0, 1), at: int = 0, *terms: tuple[Reg, int]) -> Mem:
    """`buffer[at + terms](strides)`."""
    return Mem(buffer, Offset(at, terms), strides)


def vector(op: str, dst: Mem | Fabric, a: Source | float, b: Source | float | None, n0: Scalar, n1: Scalar) -> Vector:
    """A vector instruction on the main thread; plain numbers become immediates."""
    return Vector(VectorOp(op), dst, _source(a), None if b is None else _source(b), n0, n1)


def add_to(sums: Mem, values: Mem, dtype: DType, n0: Scalar, n1: Scalar) -> Vector:
    """`sums` += values of type `dtype`, in f32; f16 values go through the multiplier, which takes two a cycle."""
    if dtype is DType.F16:
        return Vector(VectorOp.FMA, sums, values, Number(1.0), n0, n1)
    return Vector(VectorOp.ADD, sums, sums, values, n0, n1)


def launch(
    thread: int,
    op: str,
    dst: Mem | Fabric,
    a: Source,
    b: Source | None,
    n0: Scalar,
    n1: Scalar,
    then: str = "",
) -> Vector:
    """A vector instruction on a microthread."""
    return Vector(VectorOp(op), dst, a, b, n0, n1, Launch(thread, then))


def _source(value: Source | float) -> Source:
    return Number(float(value)) if isinstance(value, (int, float)) else value


def compute(dst: Reg, a: Scalar, op: str | None = None, b: Scalar = 0) -> Compute:
    """`dst = a [op b]`."""
    return Compute(dst, a, None if op is None else ScalarOp(op), b)


def divide(dst: Reg, by: int) -> Compute:
    """`dst = dst / by`, rounded down; a power of two takes no division."""
    return compute(dst, dst, ">>", by.bit_length() - 1) if by & (by - 1) == 0 else compute(dst, dst, "/", by)


def take_header(queue: Fabric, header: Reg, count: Reg) -> list[Instruction]:
    """Read a chunk's header and its token count."""
    return [Pop(header, queue.queue), compute(count, header, "&", 255)]


def send_header(queue: Fabric, header: Reg) -> Push:
    """Begin a chunk."""
    return Push(queue.queue, header)


def wait(thread: int) -> Await:
    """Wait for a microthread to end."""
    return Await(thread)
