"""Resolved operands: registers are read, buffers are addresses, queues are wavelets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tulle_ir.code import DType
from tulle_runtime.reference.memory import Sram
from tulle_runtime.reference.numbers import F32, narrow, widen


class Operand(Protocol):
    """Element (i, j) as bits; `widen` and `narrow` (numbers.py) turn bits into f32 and back."""

    @property
    def dtype(self) -> DType: ...

    def read(self, i: int, j: int) -> int: ...

    def write(self, i: int, j: int, bits: int) -> None: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """Element (i, j) at address + i * row_bytes + j * step_bytes."""

    sram: Sram
    dtype: DType
    address: int
    row_bytes: int
    step_bytes: int

    def at(self, i: int, j: int) -> int:
        """Byte address of element (i, j)."""
        return self.address + i * self.row_bytes + j * self.step_bytes

    def read(self, i: int, j: int) -> int:
        return self.sram.read(self.at(i, j), self.dtype)

    def write(self, i: int, j: int, bits: int) -> None:
        self.sram.write(self.at(i, j), self.dtype, bits)


@dataclass(frozen=True, slots=True)
class Immediate:
    """An f32 number for every element."""

    bits: int
    dtype: DType = DType.F32

    def read(self, i: int, j: int) -> int:
        return self.bits

    def write(self, i: int, j: int, bits: int) -> None:
        raise ValueError("an immediate is no destination")


@dataclass(slots=True)
class InWavelet:
    """The elements of one row in the wavelet of this step: `first` is the column of the one in the low half."""

    dtype: DType
    word: int = 0
    first: int = 0

    @property
    def elements(self) -> int:
        """Most elements per wavelet."""
        return 4 // self.dtype.size

    def begin(self, first: int, word: int = 0) -> None:
        """Start the wavelet whose first element is in column `first`."""
        self.first, self.word = first, word

    def read(self, i: int, j: int) -> int:
        return self.word >> self._shift(j) & (0xFFFF if self.dtype.size == 2 else 0xFFFFFFFF)

    def write(self, i: int, j: int, bits: int) -> None:
        self.word |= bits << self._shift(j)

    def _shift(self, j: int) -> int:
        return 16 * (j - self.first) if self.dtype.size == 2 else 0


def immediate(value: float) -> Immediate:
    """The nearest f32."""
    return Immediate(narrow(F32(value), DType.F32))


def number(operand: Operand, i: int, j: int) -> np.float32:
    """Element (i, j), converted to f32."""
    return widen(operand.read(i, j), operand.dtype)
