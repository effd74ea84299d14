"""The Program stage: per-PE programs in classes, routes as bundles, host streams, bulk data in flat arrays.

Coordinates: x east, y south, origin north-west; rectangles are [x, y, width, height], half-open.
Invariants are listed and checked in verify_program.py; the meaning is docs/machine.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from enum import StrEnum

import numpy as np

from tulle_ir.code import DType, Instruction
from tulle_ir.tensors import same_tensors


class Port(StrEnum):
    """The five ports of a router."""

    NORTH = "north"
    EAST = "east"
    SOUTH = "south"
    WEST = "west"
    RAMP = "ramp"


@dataclass(frozen=True, slots=True)
class Affine:
    """`constant + i * per_i + j * per_j`: a coordinate as a function of the lane (i, j)."""

    constant: int
    per_i: int = 0
    per_j: int = 0


@dataclass(frozen=True, slots=True)
class Leg:
    """Travel in a straight line up to and including the router whose coordinate is `to`.

    `to` is an x for EAST and WEST, a y for NORTH and SOUTH; zero distance is allowed (the leg is then absent for
    that lane). With `ramp`, every router that the leg *arrives at* (its last included, its first not) delivers to
    its ramp too.
    """

    direction: Port
    to: Affine
    ramp: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """Parallel paths of one color: for lanes (i, j) in `lanes` the path starts at router (x, y), entered through
    `source` (RAMP: the PE there sends; an edge side: the host sends; otherwise: joins a path that arrives there), goes
    along the legs and ends with `end`: RAMP delivers there, an edge side hands over to the host, None adds nothing.

    The route entries of a color are the union over all its bundles; two bundles that meet in a router must agree on
    the input port. `start_ramp` delivers at the starting router too.
    """

    color: int
    lanes: tuple[int, int]
    x: Affine
    y: Affine
    source: Port
    legs: tuple[Leg, ...] = ()
    end: Port | None = None
    start_ramp: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A named net: all its bundles (a net may use several colors, for example alternating along a chain)."""

    name: str
    bundles: tuple[Bundle, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """PEs (x + i*step_x, y + j*step_y) for i < width, j < height; numbered row by row (j outer, i inner)."""

    x: int
    y: int
    width: int
    height: int
    step_x: int = 1
    step_y: int = 1


class Category(StrEnum):
    """What SRAM holds, for the memory report."""

    WEIGHTS = "weights"
    ACTIVATIONS = "activations"
    CACHE = "cache"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array in SRAM at a byte address, zero at load unless `data` names a tensor of the program.

    `data` is shared by all PEs of the class if its size is `size`, else it has one row per PE of the class.
    """

    name: str
    dtype: DType
    size: int  # elements
    address: int  # bytes, a multiple of 4
    category: Category = Category.ACTIVATIONS
    data: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A compressed-column table per PE: in SRAM, `ptr` u16[columns + 1], `row` u16[capacity], `value` [capacity].

    Tensors (P PEs in the order of the class's grid, E entries in all): `<data>.ptr` u16[P, columns + 1] per-PE
    offsets, `<data>.start` i64[P + 1] offsets of each PE's entries, `<data>.row` u16[E] (bit 15: set),
    `<data>.value` f16|f32[E].
    """

    name: str
    dtype: DType
    columns: int
    capacity: int  # most entries of any PE
    ptr_address: int
    row_address: int
    value_address: int
    data: str


@dataclass(frozen=True, slots=True)
class Register:
    """A register, 0 at load unless `value` is an integer or the name of an i32 tensor [P] (one per PE)."""

    name: str
    value: int | str = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """Queue `index` (its depth is the target's) bound to a color, carrying elements of one type."""

    name: str
    is_input: bool
    index: int
    color: int
    dtype: DType


class Trigger(StrEnum):
    """What makes a task runnable."""

    START = "start"  # activated at launch_cycles
    ACTIVATION = "activation"
    DATA = "data"  # a wavelet in its queue


@dataclass(frozen=True, slots=True)
class Task:
    """Code that runs to completion. Tasks are numbered in order of declaration; the lowest runnable goes first."""

    name: str
    trigger: Trigger
    code: tuple[Instruction, ...]
    queue: str = ""  # for DATA
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class ProgramClass:
    """One code for all PEs of a grid. `sram_bytes` is the extent that instructions may touch."""

    name: str
    grid: Grid
    sram_bytes: int
    buffers: tuple[Buffer, ...] = ()
    tables: tuple[Table, ...] = ()
    registers: tuple[Register, ...] = ()
    queues: tuple[Queue, ...] = ()
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A region's kernel name and ONNX origin, for reports and faults only.

    `inputs` and `outputs` name i32 tensors [features, 3]: an input (output) feature of the origin's matrix, and the
    column and row of the region where it is held, -1 for all of them.
    """

    name: str
    region: tuple[int, int, int, int]
    origin: str = ""
    inputs: str = ""
    outputs: str = ""


class StreamFormat(StrEnum):
    """How the host turns an array into wavelets and back."""

    RAW = "raw"  # the array's elements in order, split over the ports in equal parts, f16 packed two to a wavelet
    CHUNKS = "chunks"  # chunks of tokens: a header, then per feature of the port one row of n elements
    IDS = "ids"  # chunks whose single row holds n token ids, one per wavelet


@dataclass(frozen=True, slots=True)
class HostPort:
    """Edge router, its side, a color; `features` names an i32 tensor: which features travel here, in order.

    In a chunked output a feature of -1 is padding that the host drops. `header`: the port's chunks begin with one.
    Of the chunks of a run, counted through all sequences, those travel here whose number is `turn` modulo `turns`.
    """

    x: int
    y: int
    side: Port
    color: int
    features: str = ""
    header: bool = True
    turn: int = 0
    turns: int = 1


@dataclass(frozen=True, slots=True)
class HostStream:
    """A named input or output of the program. `width` counts features (for RAW: elements in all)."""

    name: str
    is_input: bool
    format: StreamFormat
    dtype: DType
    width: int
    ports: tuple[HostPort, ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """What the host must know of a compiled model. chunk: most tokens per chunk; context: most tokens per sequence
    (0: no limit); vocab: bound of ids (0: none); last_only: only the last token's row of each sequence comes out."""

    chunk: int
    context: int = 0
    vocab: int = 0
    last_only: bool = False


@dataclass(frozen=True, slots=True)
class Replicas:
    """How often all that a program declares stands on its mesh: copy k is moved by k * (step_x, step_y). The host deals
    the sequences of a batch to the copies in turn; tensors are there once. See replicas.py."""

    count: int = 1
    step_x: int = 0
    step_y: int = 0


@dataclass(frozen=True)
class Program:
    """Everything an engine needs, and nothing of the model it came from but the symbols. Of a program that stands
    several times on the mesh all coordinates are those of the first copy."""

    target: str
    mesh: tuple[int, int]
    name: str = ""
    symbols: tuple[Symbol, ...] = ()
    routes: tuple[Route, ...] = ()
    classes: tuple[ProgramClass, ...] = ()
    streams: tuple[HostStream, ...] = ()
    protocol: Protocol | None = None
    replicas: Replicas = Replicas()
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Equal fields, and tensors of equal names, types, shapes and bits."""
        if not isinstance(other, Program):
            return NotImplemented
        fields = (f.name for f in dataclass_fields(self) if f.name != "tensors")
        return all(getattr(self, f) == getattr(other, f) for f in fields) and same_tensors(self.tensors, other.tensors)
