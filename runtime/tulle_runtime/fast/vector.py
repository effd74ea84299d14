"""Vector instructions without fabric operands: cost, bounds, effect."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.axpy import add_one_of, widen
from tulle_runtime.fast.banks import SEVERAL, conflicting_steps, group_of, same_group
from tulle_runtime.fast.jit import inlined, inner, kept
from tulle_runtime.fast.numbers import apply, from_bits
from tulle_runtime.fast.operands import (
    address,
    immediate,
    immediate_bits,
    length,
    load_bits,
    result_bits,
    store_bits,
    to_float,
    view_inside,
    view_span,
)
from tulle_runtime.fast.words import (
    EXTENT,
    F32,
    FMA,
    G_ISSUE,
    G_LOAD,
    G_ROW,
    I32,
    MEMORY,
    MOV,
    MUL,
    NONE,
    O_KIND,
    O_S0,
    O_S1,
    O_TYPE,
    R_A,
    R_B,
    R_D,
    R_N0,
    R_N1,
    R_OP,
    R_PER,
    R_WIDTH,
    SRAM,
)

_NO_READ, _SCALAR, _STREAM = 0, 1, 2  # a read of one element per row is a scalar: it is held in a register


@inlined
def _read(m, row, o):
    """How an operand is read from memory."""
    if m.code[row + o + O_KIND] != MEMORY:
        return _NO_READ
    return _SCALAR if m.code[row + o + O_S1] == 0 else _STREAM


@inner
def _group(m, row, o, at, n0, step, steps):
    """The bank group of all steps of an operand, which begins at byte `at`, or SEVERAL."""
    rows, last = (n0 - 1) * m.code[row + o + O_S0], (steps - 1) * step
    return group_of(m, at + min(rows, 0) + min(last, 0), at + max(rows, 0) + max(last, 0))


@inner
def _row_conflicts(m, reads_a, a, step_a, reads_b, b, step_b, reads_d, d, step_d, steps):
    """The steps of a row in which two of its streaming reads conflict."""
    if reads_a != _STREAM:
        return conflicting_steps(m, b, step_b, d, step_d, steps)
    if reads_b != _STREAM:
        return conflicting_steps(m, a, step_a, d, step_d, steps)
    if reads_d != _STREAM:
        return conflicting_steps(m, a, step_a, b, step_b, steps)
    count = np.int64(0)
    for i in range(steps):
        x, y, z = a + i * step_a, b + i * step_b, d + i * step_d
        if same_group(m, x, y) or same_group(m, x, z) or same_group(m, y, z):
            count += 1
    return count


@kept
def vector_cost(m, pb, row):
    """Slots of the instruction at code row `row`."""
    n0, n1 = length(m, pb, row, R_N0), length(m, pb, row, R_N1)
    if n0 == 0 or n1 == 0:
        return m.g[G_ISSUE]
    per = np.int64(m.code[row + R_PER])
    width = np.int64(m.code[row + R_WIDTH])
    steps = n1 * per if per > 0 else (n1 + width - 1) // width
    reads_a, reads_b = _read(m, row, R_A), _read(m, row, R_B)
    reads_d = _read(m, row, R_D) if m.code[row + R_OP] == FMA else _NO_READ
    scalars = (reads_a == _SCALAR) + (reads_b == _SCALAR) + (reads_d == _SCALAR)
    cost = m.g[G_ISSUE] + scalars * m.g[G_LOAD] + n0 * steps + (n0 - 1) * m.g[G_ROW]
    if (reads_a == _STREAM) + (reads_b == _STREAM) + (reads_d == _STREAM) < 2:
        return cost
    a, b, d = address(m, pb, row, R_A), address(m, pb, row, R_B), address(m, pb, row, R_D)
    step_a, step_b = width * m.code[row + R_A + O_S1], width * m.code[row + R_B + O_S1]
    step_d = width * m.code[row + R_D + O_S1]
    group_a = _group(m, row, R_A, a, n0, step_a, steps) if reads_a == _STREAM else -1
    group_b = _group(m, row, R_B, b, n0, step_b, steps) if reads_b == _STREAM else -2
    group_d = _group(m, row, R_D, d, n0, step_d, steps) if reads_d == _STREAM else -3
    if max(group_a, max(group_b, group_d)) < SEVERAL:
        return cost + (1 + n0 * steps if group_a in (group_b, group_d) or group_b == group_d else 0)
    cost += _row_conflicts(m, reads_a, a, step_a, reads_b, b, step_b, reads_d, d, step_d, 1)
    for _ in range(n0):
        cost += _row_conflicts(m, reads_a, a, step_a, reads_b, b, step_b, reads_d, d, step_d, steps)
        a += m.code[row + R_A + O_S0]
        b += m.code[row + R_B + O_S0]
        d += m.code[row + R_D + O_S0]
    return cost


@inner
def vector_inside(m, pb, row):
    """Whether all accesses of the instruction lie in the PE's extent."""
    n0, n1 = length(m, pb, row, R_N0), length(m, pb, row, R_N1)
    if n0 == 0 or n1 == 0:
        return True
    extent = m.pe[pb + EXTENT]
    for o in (R_D, R_A, R_B):
        if m.code[row + o + O_KIND] == MEMORY and not view_inside(m, row, o, address(m, pb, row, o), n0, n1, extent):
            return False
    return True


@inlined
def _scales(m, row, d, a, n0, n1):
    """Whether operand a is one element per row that the instruction does not overwrite; first bytes are d and a."""
    if _read(m, row, R_A) != _SCALAR:
        return False
    low_a, high_a = view_span(m, row, R_A, a, n0, n1)
    low_d, high_d = view_span(m, row, R_D, d, n0, n1)
    return high_a <= low_d or high_d <= low_a


@inner
def vector_effect(m, pb, row):
    """Computes the instruction; it is inside bounds."""
    n0, n1 = length(m, pb, row, R_N0), length(m, pb, row, R_N1)
    op = m.code[row + R_OP]
    sram = np.int64(m.pe[pb + SRAM]) * 16
    d, a, b = sram + address(m, pb, row, R_D), sram + address(m, pb, row, R_A), sram + address(m, pb, row, R_B)
    kind_d, kind_a, kind_b = m.code[row + R_D + O_TYPE], m.code[row + R_A + O_TYPE], m.code[row + R_B + O_TYPE]
    fixed_a, fixed_b = immediate(m, row, R_A), immediate(m, row, R_B)
    has_b = m.code[row + R_B + O_KIND] != NONE
    copies = op == MOV and (kind_a == kind_d or (fixed_a and kind_d == F32) or kind_d == I32)
    bits_a = immediate_bits(m, row, R_A)
    x, y, z = from_bits(bits_a), np.float32(0), np.float32(0)
    if fixed_b:
        y = from_bits(immediate_bits(m, row, R_B))
    d0, d1 = np.int64(m.code[row + R_D + O_S0]), np.int64(m.code[row + R_D + O_S1])
    a0, a1 = np.int64(m.code[row + R_A + O_S0]), np.int64(m.code[row + R_A + O_S1])
    b0, b1 = np.int64(m.code[row + R_B + O_S0]), np.int64(m.code[row + R_B + O_S1])
    if op in (MUL, FMA) and has_b and not fixed_b and _scales(m, row, d, a, n0, n1):
        wide = b0 == 0 and n0 > 1 and widen(m, kind_b, b, b1, kind_d, d1, n1)
        for i in range(n0):
            x = to_float(kind_a, load_bits(m, kind_a, a + i * a0))
            wide = add_one_of(m, wide, kind_b, b + i * b0, b1, kind_d, d + i * d0, d1, x, n1, op == MUL)
        return
    for i in range(n0):
        if copies:
            for j in range(n1):
                if not fixed_a:
                    bits_a = load_bits(m, kind_a, a + i * a0 + j * a1)
                store_bits(m, kind_d, d + i * d0 + j * d1, bits_a)
            continue
        for j in range(n1):
            if not fixed_a:
                x = to_float(kind_a, load_bits(m, kind_a, a + i * a0 + j * a1))
            if has_b and not fixed_b:
                y = to_float(kind_b, load_bits(m, kind_b, b + i * b0 + j * b1))
            at = d + i * d0 + j * d1
            if op == FMA:
                z = to_float(kind_d, load_bits(m, kind_d, at))
            store_bits(m, kind_d, at, result_bits(kind_d, apply(op, z, x, y)))
