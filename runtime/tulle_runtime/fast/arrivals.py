"""AXPYs that sparse wavelets trigger: cost and effect of one wavelet."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.axpy import add_row, table_inside
from tulle_runtime.fast.banks import conflicting_steps
from tulle_runtime.fast.jit import inner
from tulle_runtime.fast.operands import address, length, load_bits, result_bits, size_of, store_bits, to_float
from tulle_runtime.fast.words import (
    AXPY_COLUMNS,
    B_COLUMNS,
    B_PTR,
    B_ROW,
    B_TYPE,
    B_VALUE,
    EXTENT,
    F16,
    G_AXPY_ENTRY,
    G_AXPY_ISSUE,
    N_ARRIVED,
    N_SKIPPED,
    N_WORDS,
    O_S0,
    O_S1,
    O_TYPE,
    R_A,
    R_D,
    R_KIND,
    R_N1,
    R_WIDTH,
    ROW,
    SET,
    SRAM,
)


@inner
def arrival_cost(m, pb, row, word):
    """(slots, AXPYs, multiply-accumulates, 0 good | 1 out of bounds | 2 no such column) of a wavelet."""
    index = np.int64(word) >> 16 & 0xFFFF
    if m.code[row + R_KIND] == AXPY_COLUMNS:
        cost, entries, problem = _column_cost(m, pb, row, index)
        return cost, entries, entries, problem
    n = length(m, pb, row, R_N1)
    cost, problem = _entry_cost(m, pb, row, index & ROW, n)
    return cost, np.int64(n > 0), n, problem


@inner
def _column_cost(m, pb, row, column):
    """(slots, entries, problem) of a column on one element."""
    if column >= m.code[row + B_COLUMNS]:
        return max(m.g[G_AXPY_ISSUE], 1), np.int64(0), 2
    extent = np.int64(m.pe[pb + EXTENT])
    sram = np.int64(m.pe[pb + SRAM]) * 16
    ptr = (sram + m.code[row + B_PTR]) // 2 + column
    first, end = np.int64(m.half[ptr]), np.int64(m.half[ptr + 1])
    entries = max(end - first, 0)
    cost = max(m.g[G_AXPY_ISSUE] + entries * (m.g[G_AXPY_ENTRY] + 1), 1)
    if not table_inside(m, row, end, extent):
        return cost, entries, 1
    y, stride = address(m, pb, row, R_D), np.int64(m.code[row + R_D + O_S0])
    last = extent - size_of(m.code[row + R_D + O_TYPE])
    rows = (sram + m.code[row + B_ROW]) >> 1
    for e in range(first, end):
        at = y + (np.int64(m.half[rows + e]) & ROW) * stride
        if at < 0 or at > last:
            return cost, entries, 1
    return cost, entries, 0


@inner
def _entry_cost(m, pb, row, k, n):
    """(slots, problem) of an entry on row k of x."""
    width = np.int64(m.code[row + R_WIDTH])
    steps = (n + width - 1) // width
    x, y = address(m, pb, row, R_A) + k * m.code[row + R_A + O_S0], address(m, pb, row, R_D)
    x1, y1 = np.int64(m.code[row + R_A + O_S1]), np.int64(m.code[row + R_D + O_S1])
    if x1 != 0 and y1 != 0:
        steps += conflicting_steps(m, x, width * x1, y, width * y1, steps)
    cost = max(m.g[G_AXPY_ENTRY] + steps, 1)
    x_end, y_end = x + (n - 1) * x1, y + (n - 1) * y1
    extent = np.int64(m.pe[pb + EXTENT])
    inside = (
        min(x, x_end) >= 0
        and min(y, y_end) >= 0
        and max(x, x_end) + size_of(m.code[row + R_A + O_TYPE]) <= extent
        and max(y, y_end) + size_of(m.code[row + R_D + O_TYPE]) <= extent
    )
    return cost, 0 if inside or n == 0 else 1


@inner
def arrival_effect(m, pb, row, word):
    """Computes the AXPYs of a wavelet; they are inside bounds."""
    index, value = np.int64(word) >> 16 & 0xFFFF, to_float(F16, np.uint32(word) & np.uint32(0xFFFF))
    sram = np.int64(m.pe[pb + SRAM]) * 16
    y, y1 = sram + address(m, pb, row, R_D), np.int64(m.code[row + R_D + O_S1])
    if m.code[row + R_KIND] == AXPY_COLUMNS:
        _column_effect(m, pb, row, index, y, value)
        return
    n = length(m, pb, row, R_N1)
    x = sram + address(m, pb, row, R_A) + (index & ROW) * m.code[row + R_A + O_S0]
    x1 = np.int64(m.code[row + R_A + O_S1])
    add_row(m, m.code[row + R_A + O_TYPE], x, x1, m.code[row + R_D + O_TYPE], y, y1, value, n, index & SET != 0)


@inner
def _column_effect(m, pb, row, column, y, value):
    """The entries of a column times one value."""
    sram = np.int64(m.pe[pb + SRAM]) * 16
    ptr = (sram + m.code[row + B_PTR]) // 2 + column
    rows, values = (sram + m.code[row + B_ROW]) >> 1, sram + m.code[row + B_VALUE]
    kind_v, kind_y = m.code[row + B_TYPE], m.code[row + R_D + O_TYPE]
    stride = np.int64(m.code[row + R_D + O_S0])
    last = sram + m.pe[pb + EXTENT] - size_of(kind_y)
    for e in range(np.int64(m.half[ptr]), np.int64(m.half[ptr + 1])):
        stored = np.int64(m.half[rows + e])
        at = y + (stored & ROW) * stride
        if at < sram or at > last:
            return  # the table was overwritten by the instruction itself
        entry = to_float(kind_v, load_bits(m, kind_v, values + e * size_of(kind_v)))
        product = entry * value
        if stored & SET == 0:
            product += to_float(kind_y, load_bits(m, kind_y, at))
        store_bits(m, kind_y, at, result_bits(kind_y, product))


@inner
def end_of_arrivals(m, pe, pb, row):
    """The end mark has come: counts the AXPYs that did not."""
    at = pe * N_WORDS
    if m.code[row + R_KIND] == AXPY_COLUMNS:
        ptr = (np.int64(m.pe[pb + SRAM]) * 16 + m.code[row + B_PTR]) // 2
        entries = np.int64(m.half[ptr + m.code[row + B_COLUMNS]]) - np.int64(m.half[ptr])
        m.counts[at + N_SKIPPED] += max(entries - m.counts[at + N_ARRIVED], 0)
    m.counts[at + N_ARRIVED] = 0
