"""The instruction set: what a task is made of. Meaning and cost: docs/machine.md, section 5.

Registers, buffers, queues, tables and tasks are named; `ProgramClass` (program.py) declares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DType(StrEnum):
    """Element type of a buffer, table or fabric operand."""

    F16 = "f16"
    F32 = "f32"
    I32 = "i32"
    U16 = "u16"  # SRAM only: scalar loads and the arrays of a table

    @property
    def size(self) -> int:
        """Bytes per element."""
        return 2 if self in (DType.F16, DType.U16) else 4

    def wavelets(self, elements: int) -> int:
        """Wavelets of a row of `elements`: 32 bits each, so two f16 of one row, or one element of four bytes."""
        return -(-elements // (4 // self.size))


class VectorOp(StrEnum):
    """Element-wise operations; the ones from EXP on cost `cost[op]` slots per element."""

    MOV = "mov"
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    FMA = "fma"
    MAX = "max"
    MIN = "min"
    EXP = "exp"
    TANH = "tanh"
    ERF = "erf"
    RECIP = "recip"
    RSQRT = "rsqrt"


BINARY = frozenset({VectorOp.ADD, VectorOp.SUB, VectorOp.MUL, VectorOp.FMA, VectorOp.MAX, VectorOp.MIN})
COSTED = frozenset({VectorOp.EXP, VectorOp.TANH, VectorOp.ERF, VectorOp.RECIP, VectorOp.RSQRT})


class ScalarOp(StrEnum):
    """Integer operations on registers; all but `/` and `%` cost one slot."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    AND = "&"
    OR = "|"
    SHL = "<<"
    SHR = ">>"
    MIN = "min"
    MAX = "max"
    DIV = "/"
    MOD = "%"


class Cmp(StrEnum):
    """Signed comparisons of `if` and `while`."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class Reg:
    """A register by name."""

    name: str


Scalar = Reg | int


@dataclass(frozen=True, slots=True)
class Offset:
    """`constant + sum(register * elements)`, in elements; at most two terms."""

    constant: int = 0
    terms: tuple[tuple[Reg, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Mem:
    """A strided view of a buffer: element (i, j) lies offset + i*strides[0] + j*strides[1] elements in."""

    buffer: str
    offset: Offset = Offset()
    strides: tuple[int, int] = (0, 1)


@dataclass(frozen=True, slots=True)
class Fabric:
    """A queue as operand; the declaration of the queue gives its element type.

    With `index` it is a sparse destination: row i travels as (index + i, value), and zeros do not travel.
    """

    queue: str
    index: Offset | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """An f32 immediate."""

    value: float


Source = Mem | Fabric | Number
Destination = Mem | Fabric


@dataclass(frozen=True, slots=True)
class Launch:
    """Run asynchronously on microthread `thread`; activate task `then` when it ends ("" for none)."""

    thread: int
    then: str = ""


@dataclass(frozen=True, slots=True)
class Vector:
    """`op dst, a[, b] over n0, n1`."""

    op: VectorOp
    dst: Destination
    a: Source
    b: Source | None
    n0: Scalar
    n1: Scalar
    launch: Launch | None = None


@dataclass(frozen=True, slots=True)
class Axpy:
    """`axpy y, table[column], x over n`: one AXPY per stored entry of the column.

    `y.strides[0]` is the distance of two rows of y in elements; x.strides[0] is unused; inner strides are free.
    """

    y: Mem
    table: str
    column: Scalar
    x: Mem
    n: Scalar


@dataclass(frozen=True, slots=True)
class AxpyColumns:
    """`axpy y, table[%queue]`: each arriving (k, v) adds v times column k, until the end mark.

    `y.strides[0]` is the distance of two rows of y in elements; y.strides[1] is unused.
    """

    y: Mem
    table: str
    queue: str


@dataclass(frozen=True, slots=True)
class AxpyEntries:
    """`axpy y, %queue, x over n`: each arriving (k, v) adds v times row k of x, until the end mark.

    `x.strides[0]` is the distance of two rows of x in elements; y.strides[0] is unused; inner strides are free.
    """

    y: Mem
    queue: str
    x: Mem
    n: Scalar


@dataclass(frozen=True, slots=True)
class Compute:
    """`dst = a op b`; with op None, `dst = a`."""

    dst: Reg
    a: Scalar
    op: ScalarOp | None = None
    b: Scalar = 0


@dataclass(frozen=True, slots=True)
class Load:
    """`load dst = buffer[offset]`."""

    dst: Reg
    buffer: str
    offset: Offset = Offset()


@dataclass(frozen=True, slots=True)
class Store:
    """`store buffer[offset] = value`."""

    buffer: str
    value: Scalar
    offset: Offset = Offset()


@dataclass(frozen=True, slots=True)
class Pop:
    """`pop dst = queue`: one wavelet as 32 bits."""

    dst: Reg
    queue: str


@dataclass(frozen=True, slots=True)
class Push:
    """`push queue = value`: one wavelet."""

    queue: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until the microthread is idle or, with `rows`, has completed more than `rows` rows."""

    thread: int
    rows: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """`loop counter < count { body }`."""

    counter: Reg
    count: Scalar
    body: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class If:
    """`if a cmp b { then } else { other }`."""

    a: Scalar
    cmp: Cmp
    b: Scalar
    then: tuple[Instruction, ...]
    other: tuple[Instruction, ...] = ()


@dataclass(frozen=True, slots=True)
class While:
    """`while a cmp b { body }`."""

    a: Scalar
    cmp: Cmp
    b: Scalar
    body: tuple[Instruction, ...]


class TaskVerb(StrEnum):
    """What `Control` does to a task."""

    ACTIVATE = "activate"
    BLOCK = "block"
    UNBLOCK = "unblock"


@dataclass(frozen=True, slots=True)
class Control:
    """`activate`, `block` or `unblock` a task of this PE, effective in the next cycle."""

    verb: TaskVerb
    task: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End the running task."""


Leaf = (  # an instruction without a body
    Vector | Axpy | AxpyColumns | AxpyEntries | Compute | Load | Store | Pop | Push | Await | Control | Stop
)
Instruction = Leaf | Loop | If | While
