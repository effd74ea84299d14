"""Numbers on the machine: f32 arithmetic on np.float32 scalars, conversions, integers of 32 bits."""

from __future__ import annotations

import numpy as np

from tulle_ir.code import DType

F32 = np.float32
NAN = F32(np.nan)
NAN_BITS = {DType.F16: 0x7E00, DType.F32: 0x7FC00000}


def f32_from_bits(bits: int) -> np.float32:
    """The f32 with this bit pattern (taken modulo 2**32)."""
    return np.uint32(bits & 0xFFFFFFFF).view(np.float32)


def bits_of_f32(value: np.float32) -> int:
    """The bit pattern of an f32."""
    return int(value.view(np.uint32))


def widen(bits: int, dtype: DType) -> np.float32:
    """The exact f32 value of an f16 or f32 bit pattern."""
    match dtype:
        case DType.F16:
            return F32(np.uint16(bits).view(np.float16))
        case DType.F32:
            return f32_from_bits(bits)
        case DType.I32 | DType.U16:
            raise ValueError(f"{dtype} takes part in no arithmetic of vectors")


def narrow(value: np.float32, dtype: DType) -> int:
    """The bit pattern of `value` rounded to f16 or f32; every NaN becomes the one NaN."""
    if value != value:
        return NAN_BITS[dtype]
    match dtype:
        case DType.F16:
            return int(np.float16(value).view(np.uint16))
        case DType.F32:
            return bits_of_f32(value)
        case DType.I32 | DType.U16:
            raise ValueError(f"{dtype} takes part in no arithmetic of vectors")


def maximum(a: np.float32, b: np.float32) -> np.float32:
    """a if it is greater, else b (so b if either is a NaN)."""
    return a if a > b else b


def minimum(a: np.float32, b: np.float32) -> np.float32:
    """a if it is less, else b (so b if either is a NaN)."""
    return a if a < b else b


def signed(value: int) -> int:
    """The two's complement value of the low 32 bits."""
    return ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000
