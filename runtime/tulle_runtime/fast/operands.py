"""Operands of instructions: scalars, addresses, bounds, single elements."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.numbers import float_to_half, from_bits, half_to_float
from tulle_runtime.fast.words import (
    F16,
    IMMEDIATE,
    O_BASE,
    O_BITS,
    O_KIND,
    O_PER1,
    O_PER2,
    O_REG1,
    O_REG2,
    O_S0,
    O_S1,
    O_TYPE,
)

FAR_OUT = -(1 << 30)  # stands for every address that int32 cannot hold: out of bounds in any case


@inlined
def scalar(m, pb, row, at):
    """The scalar operand at word `at` of a code row: a register (its offset in the PE record) or an immediate."""
    register = m.code[row + at]
    return m.pe[pb + register] if register >= 0 else m.code[row + at + 1]


@inlined
def length(m, pb, row, at):
    """A scalar operand as a length."""
    return max(np.int64(scalar(m, pb, row, at)), 0)


@inner
def address(m, pb, row, o):
    """Byte address of element (0, 0) of the operand at word `o` of a code row."""
    result = np.int64(m.code[row + o + O_BASE])
    if m.code[row + o + O_REG1] >= 0:
        result += np.int64(m.pe[pb + m.code[row + o + O_REG1]]) * m.code[row + o + O_PER1]
    if m.code[row + o + O_REG2] >= 0:
        result += np.int64(m.pe[pb + m.code[row + o + O_REG2]]) * m.code[row + o + O_PER2]
    return result


@inner
def short_address(m, pb, row, o):
    """The same as an int32 word."""
    result = address(m, pb, row, o)
    return np.int32(result if -FAR_OUT > result > FAR_OUT else FAR_OUT)


@inlined
def size_of(kind):
    """Bytes of an element type."""
    return 2 if kind == F16 else 4


@inner
def view_span(m, row, o, base, n0, n1):
    """(first byte, byte after the last) of all elements of a view (n0, n1 > 0)."""
    last0 = (n0 - 1) * np.int64(m.code[row + o + O_S0])
    last1 = (n1 - 1) * np.int64(m.code[row + o + O_S1])
    low = base + min(last0, 0) + min(last1, 0)
    return low, base + max(last0, 0) + max(last1, 0) + size_of(m.code[row + o + O_TYPE])


@inlined
def view_inside(m, row, o, base, n0, n1, extent):
    """Whether all elements of a view (n0, n1 > 0) lie in the PE's extent."""
    low, high = view_span(m, row, o, base, n0, n1)
    return low >= 0 and high <= extent


@inlined
def load_bits(m, kind, at):
    """The bits of the element at byte `at` of all SRAM."""
    if kind == F16:
        return np.uint32(m.half[at >> 1])
    return m.word[at >> 2]


@inlined
def store_bits(m, kind, at, value):
    """Stores the bits of an element at byte `at` of all SRAM."""
    if kind == F16:
        m.half[at >> 1] = np.uint16(value)
    else:
        m.word[at >> 2] = np.uint32(value)


@inlined
def to_float(kind, value):
    """Bits of an f16 or f32 as f32."""
    return half_to_float(value) if kind == F16 else from_bits(value)


@inlined
def result_bits(kind, x):
    """An f32 result as bits of f16 or f32, NaN as the one NaN."""
    if kind == F16:
        return np.uint32(float_to_half(x))
    if x != x:
        return np.uint32(0x7FC00000)
    return np.float32(x).view(np.uint32)


@inlined
def immediate(m, row, o):
    """Whether the operand is an f32 immediate."""
    return m.code[row + o + O_KIND] == IMMEDIATE


@inlined
def immediate_bits(m, row, o):
    """The bits of an f32 immediate."""
    return np.uint32(m.code[row + o + O_BITS])
