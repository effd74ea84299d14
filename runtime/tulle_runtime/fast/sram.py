"""SRAM of the whole mesh as one array: each PE's extent, 16-byte aligned, filled from the program's tensors in bulk."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit

from tulle_ir.code import DType
from tulle_ir.program import ProgramClass, Table
from tulle_runtime.fast.lines import BYTES, whole
from tulle_runtime.host.packing import numpy_dtype

ALIGN = 16


def stride(cls: ProgramClass) -> int:
    """Bytes from one PE of the class to the next."""
    return int(whole(cls.sram_bytes, BYTES))


def pes(cls: ProgramClass) -> int:
    """PEs of the class."""
    return cls.grid.width * cls.grid.height


def load(memory: np.ndarray, start: int, cls: ProgramClass, tensors: Mapping[str, np.ndarray]) -> None:
    """Fills the SRAM of all PEs of the class, from byte `start` of `memory` on."""
    rows = memory[start : start + pes(cls) * stride(cls)].reshape(pes(cls), stride(cls))
    for buffer in cls.buffers:
        if buffer.data:
            data = np.ascontiguousarray(tensors[buffer.data], dtype=numpy_dtype(buffer.dtype)).view(np.uint8)
            size = buffer.size * buffer.dtype.size
            rows[:, buffer.address : buffer.address + size] = data.reshape(-1, size)
    for table in cls.tables:
        _load_table(memory, rows, start, cls, table, tensors)


def _load_table(
    memory: np.ndarray,
    rows: np.ndarray,
    start: int,
    cls: ProgramClass,
    table: Table,
    tensors: Mapping[str, np.ndarray],
) -> None:
    ptr = np.ascontiguousarray(tensors[table.data + ".ptr"], dtype=np.uint16)
    size = 2 * (table.columns + 1)
    rows[:, table.ptr_address : table.ptr_address + size] = ptr.view(np.uint8).reshape(pes(cls), size)
    begins = np.ascontiguousarray(tensors[table.data + ".start"], dtype=np.int64)
    entries = np.ascontiguousarray(tensors[table.data + ".row"], dtype=np.uint16)
    values = np.ascontiguousarray(tensors[table.data + ".value"], dtype=numpy_dtype(table.dtype))
    _scatter(memory.view(np.uint16), entries, begins, (start + table.row_address) // 2, stride(cls) // 2)
    if table.dtype == DType.F16:
        _scatter(
            memory.view(np.uint16), values.view(np.uint16), begins, (start + table.value_address) // 2, stride(cls) // 2
        )
    else:
        _scatter(
            memory.view(np.uint32), values.view(np.uint32), begins, (start + table.value_address) // 4, stride(cls) // 4
        )


@njit(cache=True, nogil=True)
def _scatter(memory, values, begins, first, step):
    """Copies the part of `values` of each PE to its place."""
    for pe in range(begins.shape[0] - 1):
        at = first + pe * step
        for e in range(begins[pe], begins[pe + 1]):
            memory[at] = values[e]
            at += 1
