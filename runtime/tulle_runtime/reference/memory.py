"""SRAM of a PE, and the trap that a fault springs."""

from __future__ import annotations

import numpy as np

from tulle_ir.code import DType

NUMPY = {DType.F16: np.dtype("<f2"), DType.F32: np.dtype("<f4"), DType.I32: np.dtype("<i4"), DType.U16: np.dtype("<u2")}


class Trap(Exception):
    """A machine fault on its way from the instruction to the engine."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class Sram:
    """Bytes 0 .. extent - 1; elements are aligned to their size."""

    def __init__(self, extent: int) -> None:
        self.extent = extent
        self.bytes = np.zeros(-(-extent // 4) * 4, np.uint8)
        self._halves = self.bytes.view("<u2")
        self._words = self.bytes.view("<u4")

    def read(self, address: int, dtype: DType) -> int:
        """The bits of the element at `address`."""
        if dtype.size == 2:
            self._check(address, 2)
            return int(self._halves[address >> 1])
        self._check(address, 4)
        return int(self._words[address >> 2])

    def write(self, address: int, dtype: DType, bits: int) -> None:
        """Store an element's bits (the low 16 for the small types)."""
        if dtype.size == 2:
            self._check(address, 2)
            self._halves[address >> 1] = bits & 0xFFFF
        else:
            self._check(address, 4)
            self._words[address >> 2] = bits & 0xFFFFFFFF

    def load(self, address: int, array: np.ndarray, dtype: DType) -> None:
        """Copy an array into SRAM, before the run."""
        data = np.ascontiguousarray(array, dtype=NUMPY[dtype]).reshape(-1).view(np.uint8)
        if address < 0 or address + data.size > self.extent:
            raise ValueError(f"{data.size} bytes at {address} do not fit into {self.extent} bytes of SRAM")
        self.bytes[address : address + data.size] = data

    def _check(self, address: int, size: int) -> None:
        if address < 0 or address + size > self.extent:
            raise Trap("out of bounds", f"{size} bytes at {address}, SRAM has {self.extent}")
