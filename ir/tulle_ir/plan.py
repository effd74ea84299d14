"""The Plan stage: each operator of the Graph as a kernel, streams of lanes between them.

A kernel occupies a rectangle of PEs and is described in canonical coordinates (geometry.py): its terminals, where
lanes begin and end, and its internal routes. Every net joins one source terminal to one sink terminal, lane by lane;
a tensor with two consumers leaves its kernel through two terminals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from tulle_ir.code import DType
from tulle_ir.program import Affine, Bundle, Leg, Port
from tulle_ir.tensors import same_tensors

ORIGIN = Affine(0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One way into a sink terminal: lane i is received from the router at (x, y) on (affine in i), travelling in
    `heading`; the wavelets of lane i reach that router by a leg in `heading`, which then goes on along `leg`
    (delivering to the ramp at the entry and all along). `branches` are bundles (canonical, color 0 to be replaced)
    that fan the lane out further; bundle lane indices are (lane // colors, anything).
    """

    heading: Port
    x: Affine
    y: Affine
    leg: Leg
    branches: tuple[tuple[int, Bundle], ...] = ()  # (color group, bundle)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where the lanes of a stream leave (source) or enter (sink) a kernel.

    Source: lane i leaves from the ramp of the PE at (x, y), affine in i, in any direction. Sink: by one of `entries`.
    `colors` > 1 (sinks only): what arrives at *position* i (the i of the affine coordinates) travels on the
    (i % colors)-th color of its net. Terminals of a kernel with the same `order_group` carry their lanes in the same
    order: the router may reverse a whole group, and then position i carries lane L-1-i.
    """

    name: str
    lanes: int
    is_source: bool
    x: Affine = ORIGIN
    y: Affine = ORIGIN
    entries: tuple[Entry, ...] = ()
    colors: int = 1
    order_group: int = 0


@dataclass(frozen=True, slots=True)
class InternalRoute:
    """Bundles of one local color inside the kernel's rectangle (their `color` field is to be replaced)."""

    local_color: int
    bundles: tuple[Bundle, ...]


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What the cost model says of a kernel per full chunk, in cycles, and bytes of its heaviest PE.

    `predicted`: between two chunks when chunks follow each other; `bound`: busiest PE of this mapping; `ideal`: mean
    over its PEs; `latency`: what a lone chunk's last wavelet takes from entering to leaving. Where the cycles depend on
    the position they are those half-way through the context; `growth`: cycles per token farther on.
    """

    predicted: float
    bound: float
    ideal: float
    max_pe_bytes: int
    nonzeros: int = 0
    pes: int = 1
    latency: float = 0.0
    growth: float = 0.0


@dataclass(frozen=True)
class Kernel:
    """An operator (or several fused ones) as a rectangle of PEs.

    `kind` selects the emitter; `params` are plain numbers and names it needs; `tensors` its bulk data (partitions,
    permutations, tiles), which belong to equality through their bytes.
    """

    name: str
    kind: str
    origin: str
    width: int
    height: int
    terminals: tuple[Terminal, ...]
    internal: tuple[InternalRoute, ...]
    cost: KernelCost
    params: Mapping[str, int | float | str] = field(default_factory=dict)
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Equal fields, and tensors of equal names, types, shapes and bits."""
        return isinstance(other, Kernel) and same_fields(self, other)

    def terminal(self, name: str) -> int:
        """Index of a terminal by name."""
        return next(t for t, terminal in enumerate(self.terminals) if terminal.name == name)

    @property
    def internal_colors(self) -> int:
        """Number of local colors."""
        return 1 + max((r.local_color for r in self.internal), default=-1)


HOST = -1  # in place of a kernel


@dataclass(frozen=True, slots=True)
class End:
    """A terminal of a kernel, by index of both; the kernel HOST is the host."""

    kernel: int
    terminal: int = 0


@dataclass(frozen=True, slots=True)
class Net:
    """A stream from a source terminal to a sink terminal. `wavelets`: per lane and full chunk (header included)."""

    name: str
    source: End
    sink: End
    lanes: int
    dtype: DType
    wavelets: int


@dataclass(frozen=True, slots=True)
class HostNet:
    """A host stream as seen by the plan: which nets carry its ports, in order."""

    name: str
    is_input: bool
    nets: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Kernels and nets of one pipeline. `options` are the compile options that matter further on (plain values).

    Of a pipeline that stands several times on a mesh, `mesh` is the part of one copy.
    """

    name: str
    mesh: tuple[int, int]
    target: str
    kernels: tuple[Kernel, ...]
    nets: tuple[Net, ...]
    host: tuple[HostNet, ...]
    options: Mapping[str, int | float | str] = field(default_factory=dict)
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def replicas(self) -> int:
        """How many copies stand side by side on the whole mesh and share its host links."""
        told = self.options.get("replicas", 1)
        return told if isinstance(told, int) and told > 1 else 1

    def __eq__(self, other: object) -> bool:
        """Equal fields, and tensors of equal names, types, shapes and bits."""
        return isinstance(other, Plan) and same_fields(self, other)


def same_fields(a: Kernel | Plan, b: Kernel | Plan) -> bool:
    """Equality by fields, `tensors` by their bits."""
    names = (f.name for f in fields(a) if f.name != "tensors")
    return all(getattr(a, name) == getattr(b, name) for name in names) and same_tensors(a.tensors, b.tensors)
