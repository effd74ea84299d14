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
    G_LOAD,
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

_NO_READ, _SCALAR, _STREAM = 0, 1, 2  # a read of one element per row is a scalar: it is held in a register


@inlined
def _read(m, row, o):
    """How an operand is read from memory."""
    if m.code[row + o + O_KIND] != MEMORY:
        return _NO_READ
    return _SCALAR if m.code[row + o + O_S1] == 0 else _STREAM


@inlined
def same_group(m, p, q):
    """Whether two byte addresses lie in banks of one group."""
    bank = m.g[G_BANK]
    return (p // bank - q // bank) % m.g[G_GROUPS] == 0


@inlined
def _same_bank(m, p, step):
    """How many of the addresses p, p + step, ... lie in the bank of the first."""
    bank = m.g[G_BANK]
    inside = p % bank
    return 1 + ((bank - 1 - inside) // step if step > 0 else inside // -step)


@inner
def conflicting_steps(m, p, step_p, q, step_q, steps):
    """In how many steps i the addresses p + i * step_p and q + i * step_q lie in banks of one group; no step_* is 0."""
    count = np.int64(0)
    while steps > 0:
        run = min(steps, min(_same_bank(m, p, step_p), _same_bank(m, q, step_q)))
        if same_group(m, p, q):
            count += run
        steps -= run
        p += run * step_p
        q += run * step_q
    return count


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


@inner
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
