"""Vector instructions without fabric operands: cost, bounds, effect."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, inner
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
)
from tulle_runtime.fast.words import (
    EXTENT,
    F32,
    FMA,
    G_BANK,
    G_GROUPS,
    G_ISSUE,
    G_ROW,
    I32,
    MEMORY,
    MOV,
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


@inlined
def _counts(m, row, o):
    """Whether an operand counts for bank conflicts."""
    return m.code[row + o + O_KIND] == MEMORY and m.code[row + o + O_S1] != 0


@inner
def same_group(m, p, q):
    """Whether two byte addresses lie in banks of one group."""
    bank = m.g[G_BANK]
    return (p // bank - q // bank) % m.g[G_GROUPS] == 0


@inner
def vector_cost(m, pb, row):
    """Slots of the instruction at code row `row`."""
    n0, n1 = length(m, pb, row, R_N0), length(m, pb, row, R_N1)
    if n0 == 0 or n1 == 0:
        return m.g[G_ISSUE]
    per = np.int64(m.code[row + R_PER])
    width = np.int64(m.code[row + R_WIDTH])
    steps = n1 * per if per > 0 else (n1 + width - 1) // width
    cost = m.g[G_ISSUE] + n0 * steps + (n0 - 1) * m.g[G_ROW]
    reads_a, reads_b = _counts(m, row, R_A), _counts(m, row, R_B)
    reads_d = m.code[row + R_OP] == FMA and _counts(m, row, R_D)
    if (1 if reads_a else 0) + (1 if reads_b else 0) + (1 if reads_d else 0) < 2:
        return cost
    a, b, d = address(m, pb, row, R_A), address(m, pb, row, R_B), address(m, pb, row, R_D)
    for i in range(n0):
        conflict = (
            (reads_a and reads_b and same_group(m, a, b))
            or (reads_a and reads_d and same_group(m, a, d))
            or (reads_b and reads_d and same_group(m, b, d))
        )
        if conflict:
            cost += steps
            if i == 0:
                cost += 1
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
