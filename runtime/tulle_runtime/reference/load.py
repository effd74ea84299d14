"""Loads classes: which PE runs which class, and what its SRAM and registers hold at the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tulle_ir.code import DType
from tulle_ir.program import Buffer, Program, ProgramClass, Queue, Register, Table
from tulle_ir.target import Target
from tulle_runtime.reference.channel import Channel
from tulle_runtime.reference.memory import Sram
from tulle_runtime.reference.numbers import signed
from tulle_runtime.reference.state import PeState
from tulle_runtime.reference.steps import QueueEnd


@dataclass(frozen=True, slots=True)
class Site:
    """PE number `index` of its class's grid (row by row)."""

    x: int
    y: int
    kind: ProgramClass
    index: int


def load(program: Program) -> dict[tuple[int, int], Site]:
    """The sites of all PEs that have a program, by (x, y)."""
    sites: dict[tuple[int, int], Site] = {}
    for kind in program.classes:
        grid = kind.grid
        for index in range(grid.width * grid.height):
            j, i = divmod(index, grid.width)
            x, y = grid.x + i * grid.step_x, grid.y + j * grid.step_y
            if (x, y) in sites:
                raise ValueError(f"PE ({x}, {y}) is in two classes")
            sites[x, y] = Site(x, y, kind, index)
    return sites


def pe_state(
    site: Site, target: Target, tensors: Mapping[str, np.ndarray], channel_of: Callable[[Queue], Channel]
) -> PeState:
    """The PE at the start of cycle 0; `channel_of` gives the ramp channel of a queue."""
    sram = Sram(site.kind.sram_bytes)
    for buffer in site.kind.buffers:
        if buffer.data:
            sram.load(buffer.address, _buffer_data(buffer, tensors[buffer.data], site), buffer.dtype)
    for table in site.kind.tables:
        _load_table(sram, table, tensors, site)
    registers = {register.name: _register_value(register, tensors, site) for register in site.kind.registers}
    queues = {q.name: QueueEnd(q.name, q.index, q.color, q.dtype, channel_of(q)) for q in site.kind.queues}
    return PeState(site.kind, target, sram, registers, queues)


def _buffer_data(buffer: Buffer, tensor: np.ndarray, site: Site) -> np.ndarray:
    """The PE's row of the tensor, or all of it if the class shares it."""
    if tensor.size == buffer.size:
        return tensor
    pes = site.kind.grid.width * site.kind.grid.height
    return tensor.reshape(pes, buffer.size)[site.index]


def _load_table(sram: Sram, table: Table, tensors: Mapping[str, np.ndarray], site: Site) -> None:
    start = tensors[f"{table.data}.start"]
    entries = slice(int(start[site.index]), int(start[site.index + 1]))
    sram.load(table.ptr_address, tensors[f"{table.data}.ptr"][site.index], DType.U16)
    sram.load(table.row_address, tensors[f"{table.data}.row"][entries], DType.U16)
    sram.load(table.value_address, tensors[f"{table.data}.value"][entries], table.dtype)


def _register_value(register: Register, tensors: Mapping[str, np.ndarray], site: Site) -> int:
    value = register.value
    return signed(value) if isinstance(value, int) else signed(int(tensors[value].reshape(-1)[site.index]))
