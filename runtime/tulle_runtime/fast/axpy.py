"""AXPYs over a compressed column: cost and effect."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.banks import SEVERAL, conflicting_steps, group_of
from tulle_runtime.fast.jit import inlined, inner, kept
from tulle_runtime.fast.operands import (
    address,
    length,
    load_bits,
    result_bits,
    scalar,
    size_of,
    store_bits,
    to_float,
)
from tulle_runtime.fast.words import (
    B_COLUMNS,
    B_PTR,
    B_ROW,
    B_TYPE,
    B_VALUE,
    EXTENT,
    F16,
    F32,
    G_AXPY_ENTRY,
    G_AXPY_ISSUE,
    O_S0,
    O_S1,
    O_TYPE,
    R_A,
    R_D,
    R_N0,
    R_N1,
    R_WIDTH,
    ROW,
    SET,
    SRAM,
    WIDE,
)

_NAN = np.uint32(0x7FC00000).view(np.float32)


@kept
def axpy_cost(m, pb, row):
    """(slots, entries of the column, 0 good | 1 out of bounds | 2 no such column)."""
    column = np.int64(scalar(m, pb, row, R_N0))
    if column < 0 or column >= m.code[row + B_COLUMNS]:
        return max(m.g[G_AXPY_ISSUE], 1), np.int64(0), 2
    n = length(m, pb, row, R_N1)
    extent = np.int64(m.pe[pb + EXTENT])
    sram = np.int64(m.pe[pb + SRAM]) * 16
    ptr = m.code[row + B_PTR] + 2 * column
    first, end = np.int64(m.half[(sram + ptr) >> 1]), np.int64(m.half[(sram + ptr + 2) >> 1])
    entries = max(end - first, 0)
    width = np.int64(m.code[row + R_WIDTH])
    steps = (n + width - 1) // width
    cost = m.g[G_AXPY_ISSUE] + entries * (m.g[G_AXPY_ENTRY] + steps)
    if entries == 0:
        return cost, entries, 0
    if not table_inside(m, row, end, extent):
        return cost, entries, 1
    if n == 0:
        return cost, entries, 0
    x, y = address(m, pb, row, R_A), address(m, pb, row, R_D)
    x1, y1 = np.int64(m.code[row + R_A + O_S1]), np.int64(m.code[row + R_D + O_S1])
    stride = np.int64(m.code[row + R_D + O_S0])
    rows = (sram + m.code[row + B_ROW]) >> 1
    low, high = np.int64(ROW), np.int64(0)
    for e in range(first, end):
        r = np.int64(m.half[rows + e]) & ROW
        low, high = min(low, r), max(high, r)
    low, high = y + min(low * stride, high * stride), y + max(low * stride, high * stride)
    if x1 != 0 and y1 != 0:
        step_x, step_y = width * x1, width * y1
        last_x, last_y = (steps - 1) * step_x, (steps - 1) * step_y
        group_x = group_of(m, x + min(last_x, 0), x + max(last_x, 0))
        group_y = group_of(m, low + min(last_y, 0), high + max(last_y, 0))
        if max(group_x, group_y) < SEVERAL:
            cost += entries * steps if group_x == group_y else 0
        else:
            for e in range(first, end):
                at = y + (np.int64(m.half[rows + e]) & ROW) * stride
                cost += conflicting_steps(m, x, step_x, at, step_y, steps)
    lowest = low + min((n - 1) * y1, 0)
    highest = high + max((n - 1) * y1, 0) + size_of(m.code[row + R_D + O_TYPE])
    x_low = x + min((n - 1) * x1, 0)
    x_high = x + max((n - 1) * x1, 0) + size_of(m.code[row + R_A + O_TYPE])
    inside = lowest >= 0 and highest <= extent and x_low >= 0 and x_high <= extent
    return cost, entries, 0 if inside else 1


@inlined
def table_inside(m, row, end, extent):
    """Whether the entries up to `end` lie in the PE's extent: they do unless the table was overwritten."""
    values = m.code[row + B_VALUE] + size_of(m.code[row + B_TYPE]) * end
    return m.code[row + B_ROW] + 2 * end <= extent and values <= extent


@inner
def axpy_effect(m, pb, row):
    """Computes all AXPYs of the column; it is inside bounds."""
    n = length(m, pb, row, R_N1)
    column = np.int64(scalar(m, pb, row, R_N0))
    sram = np.int64(m.pe[pb + SRAM]) * 16
    ptr = (sram + m.code[row + B_PTR]) // 2 + column
    rows, values = (sram + m.code[row + B_ROW]) >> 1, sram + m.code[row + B_VALUE]
    kind_v, kind_x, kind_y = m.code[row + B_TYPE], m.code[row + R_A + O_TYPE], m.code[row + R_D + O_TYPE]
    x, y = sram + address(m, pb, row, R_A), sram + address(m, pb, row, R_D)
    x1, y1 = np.int64(m.code[row + R_A + O_S1]), np.int64(m.code[row + R_D + O_S1])
    stride = np.int64(m.code[row + R_D + O_S0])
    low = sram - min((n - 1) * y1, 0)
    high = sram + m.pe[pb + EXTENT] - size_of(kind_y) - max((n - 1) * y1, 0)
    first, end = np.int64(m.half[ptr]), np.int64(m.half[ptr + 1])
    wide = end > first + 1 and widen(m, kind_x, x, x1, kind_y, y1, n)
    for e in range(first, end):
        stored = np.int64(m.half[rows + e])
        value = to_float(kind_v, load_bits(m, kind_v, values + e * size_of(kind_v)))
        at = y + (stored & ROW) * stride
        if at < low or at > high:
            return  # the table was overwritten by the instruction itself
        wide = add_one_of(m, wide, kind_x, x, x1, kind_y, at, y1, value, n, stored & SET != 0)


@inlined
def widen(m, kind_x, x, x1, kind_y, y1, n):
    """Converts the row of contiguous f16 elements at byte x to f32, for several AXPYs into contiguous f32 rows; False
    if it is no such row."""
    if kind_x != F16 or x1 != 2 or kind_y != F32 or y1 != 4 or n > WIDE:
        return False
    for j in range(n):
        m.row[j] = to_float(F16, m.half[(x >> 1) + j])
    return True


@inlined
def add_one_of(m, wide, kind_x, x, x1, kind_y, y, y1, value, n, fresh):
    """As `add_row`, one of several AXPYs from x. `wide`: x was widened and is still the same; returns whether it is
    after this one."""
    if wide and (y + 4 * n <= x or x + 2 * n <= y):
        _axpy_f32(m.real, y >> 2, m.row, 0, value, n, fresh)
        return True
    add_row(m, kind_x, x, x1, kind_y, y, y1, value, n, fresh)
    return False


@inlined
def add_row(m, kind_x, x, x1, kind_y, y, y1, value, n, fresh):
    """One AXPY from byte x to byte y of all SRAM, elements x1 and y1 bytes apart; `fresh`: y is set."""
    straight = x1 == size_of(kind_x) and y1 == 4 and kind_y == F32
    if straight and kind_x == F32:
        _axpy_f32(m.real, y >> 2, m.real, x >> 2, value, n, fresh)
    elif straight and kind_x == F16:
        _axpy_f16(m.real, m.half, y >> 2, x >> 1, value, n, fresh)
    else:
        for j in range(n):
            product = value * to_float(kind_x, load_bits(m, kind_x, x + j * x1))
            if not fresh:
                product += to_float(kind_y, load_bits(m, kind_y, y + j * y1))
            store_bits(m, kind_y, y + j * y1, result_bits(kind_y, product))


@inlined
def _clean(r):
    """The one NaN for any NaN."""
    return r if r == r else _NAN


@inner
def _axpy_f32(real, y, row, x, value, n, fresh):
    """Contiguous f32 rows, from element x of `row` to element y of `real`."""
    if fresh:
        for j in range(n):
            real[y + j] = _clean(value * row[x + j])
    else:
        for j in range(n):
            real[y + j] = _clean(value * row[x + j] + real[y + j])


@inner
def _axpy_f16(real, half, y, x, value, n, fresh):
    """A contiguous f16 row into a contiguous f32 row."""
    if fresh:
        for j in range(n):
            real[y + j] = _clean(value * to_float(F16, half[x + j]))
    else:
        for j in range(n):
            real[y + j] = _clean(value * to_float(F16, half[x + j]) + real[y + j])
