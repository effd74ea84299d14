"""Targets: the parameters of a machine, each with its source and status, read from TOML.

The meaning of every parameter is in docs/machine.md; `tulle inspect --target NAME` prints them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from tulle_ir.code import COSTED, DType, VectorOp
from tulle_ir.diagnostics import BadInput

SHIPPED = ("generic", "wse2", "wse3")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a target: `status` is published, derived or assumed; `source` names where it comes from."""

    section: str
    name: str
    value: Any
    status: str
    source: str


@dataclass(frozen=True, slots=True)
class Widths:
    """Elements per cycle of vector instructions, by operand types (docs/machine.md, section 5)."""

    f16: int  # all operands f16
    f16_to_f32: int  # mul, fma: f16 sources, f32 destination
    f32_move: int  # mov, add, sub: all f32 (or i32)
    f32_multiply: int  # mul, fma: all f32
    other: int  # max, min, mixed types

    def of(self, op: VectorOp, dst: DType, sources: tuple[DType, ...]) -> int:
        """Elements per cycle of `op`; the costed operations run one element at a time."""
        if op in (VectorOp.MAX, VectorOp.MIN) or op in COSTED:
            return self.other
        kinds = {dst, *sources}
        if kinds == {DType.F16}:
            return self.f16
        multiplies = op in (VectorOp.MUL, VectorOp.FMA)
        if len(kinds) == 1:
            return self.f32_multiply if multiplies else self.f32_move
        if multiplies and dst == DType.F32 and set(sources) == {DType.F16}:
            return self.f16_to_f32
        return self.other


@dataclass(frozen=True, slots=True)
class Target:
    """A machine. Cycles, bytes, elements per cycle; queue depths in wavelets; `gigahertz` turns cycles into time."""

    name: str
    width: int
    height: int
    any_size: bool  # a mesh may be larger than width x height (for tests and tutorials)
    gigahertz: float
    sram_bytes: int
    banks: int
    bank_groups: int
    colors: int
    host_colors: int  # taken by the host runtime, not for programs
    hop_cycles: int
    ramp_cycles: int
    router_depth: int
    io_links: int  # host links of the whole width x height mesh, each one wavelet per cycle and direction
    input_queues: tuple[int, ...]
    output_queues: tuple[int, ...]
    threads: int
    registers: int
    instruction_bytes: int
    launch_cycles: int
    dispatch_cycles: int
    vector_issue: int
    row_overhead: int
    axpy_issue: int
    axpy_overhead: int
    load_cycles: int
    branch_cycles: int
    divide_cycles: int
    widths: Widths
    cost: tuple[tuple[VectorOp, int], ...]  # slots per element of the written-out functions
    parameters: tuple[Parameter, ...] = ()

    def cost_of(self, op: VectorOp) -> int:
        """Slots per element of a written-out function."""
        return dict(self.cost)[op]

    @property
    def usable_colors(self) -> int:
        """Colors a program may use: 0 .. usable_colors - 1."""
        return self.colors - self.host_colors

    def up_ramp_capacity(self, output_queue: int) -> int:
        """Wavelets between the compute engine and its router, by output queue index."""
        return self.output_queues[output_queue] + self.ramp_cycles + self.router_depth

    def down_ramp_capacity(self, input_queue: int) -> int:
        """Wavelets between a router and its compute engine, by input queue index."""
        return self.input_queues[input_queue] + self.ramp_cycles


def load_target(name: str) -> Target:
    """The shipped target `name`, or the one in the TOML file of that path. Raises BadInput."""
    path = Path(name)
    if name in SHIPPED:
        text = files("tulle_ir").joinpath("targets", f"{name}.toml").read_text(encoding="utf-8")
    elif path.suffix == ".toml" and path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        raise BadInput(f"there is no target '{name}'", remedy=f"one of {', '.join(SHIPPED)}, or a .toml file")
    try:
        return parse_target(text)
    except KeyError as error:
        raise BadInput(f"the target is malformed: it lacks {error}", where=name) from error
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise BadInput(f"the target is malformed: {error}", where=name) from error


def parse_target(text: str) -> Target:
    """A target from TOML text: `name = ...`, then sections of `key = {value, status, source}`."""
    document = tomllib.loads(text)
    name = document.pop("name")
    parameters = tuple(
        Parameter(section, key, entry["value"], entry["status"], entry["source"])
        for section, entries in document.items()
        for key, entry in entries.items()
    )
    plain = {p.name: p.value for p in parameters if p.section not in ("width", "cost")}
    for queues in ("input_queues", "output_queues"):
        plain[queues] = tuple(plain[queues])
    widths = Widths(**{p.name: p.value for p in parameters if p.section == "width"})
    cost = tuple((VectorOp(p.name), p.value) for p in parameters if p.section == "cost")
    return Target(name=name, widths=widths, cost=cost, parameters=parameters, **plain)
