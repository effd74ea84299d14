"""Steps of instructions with fabric operands, one wavelet each, several in a row where they are certain."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.channels import SPACE, head_time, pop, source_push, space
from tulle_runtime.fast.jit import inlined, kept
from tulle_runtime.fast.numbers import apply, from_bits
from tulle_runtime.fast.operands import immediate_bits, load_bits, result_bits, store_bits, to_float
from tulle_runtime.fast.words import (
    COUNT,
    END_MARK,
    EXTENT,
    F16,
    F32,
    FMA,
    HEAD,
    IMMEDIATE,
    MEMORY,
    MOV,
    N_PASSED,
    N_RECEIVED,
    N_SENT,
    N_WORDS,
    NO_QUEUE,
    NONE,
    O_KIND,
    O_S0,
    O_S1,
    OUT_OF_BOUNDS,
    QUEUE,
    R_A,
    R_B,
    R_D,
    R_OP,
    R_TYPE,
    SPARSE,
    SRAM,
    T_A,
    T_B,
    T_D,
    T_DST,
    T_I,
    T_J,
    T_N0,
    T_N1,
    T_ROW,
    T_SINCE,
    T_SRC,
)

FINISHED = -1  # of fabric_step


@inlined
def _operand(m, row, o, at, kind, word, half):
    """Bits of one element of an operand: in memory at byte `at`, or half `half` of the wavelet `word`."""
    where = m.code[row + o + O_KIND]
    if where == MEMORY:
        return load_bits(m, kind, at)
    if where == QUEUE:
        return (
            np.uint32(np.uint32(word) >> np.uint32(16 * half)) & np.uint32(0xFFFF) if kind == F16 else np.uint32(word)
        )
    return immediate_bits(m, row, o)


@inlined
def _inside(m, row, o, at, elements, size, extent):
    """Whether `elements` elements from byte `at` of the PE on are inside its extent (or not in memory)."""
    if m.code[row + o + O_KIND] != MEMORY:
        return True
    last = at + (elements - 1) * m.code[row + o + O_S1]
    return min(at, last) >= 0 and max(at, last) + size <= extent


@inlined
def _place(m, tb, row, o, base, i, j):
    """Byte address of element (i, j) of an operand whose first lies at word `base` of the thread record."""
    return m.pe[tb + base] + i * m.code[row + o + O_S0] + j * m.code[row + o + O_S1]


@inlined
def _goes_on(m, source, sink, t):
    """Whether a wavelet of the source is visible and the sink has space in t."""
    if source >= 0 and (m.ch[source + COUNT] == 0 or head_time(m, source) > t):
        return False
    return sink < 0 or space(m, sink, t) == SPACE


@kept
def fabric_run(m, pe, pb, tb, t, until, in_row):
    """Steps of the instruction in the thread record at `tb`, which is ready, in t and each cycle after it as long as it
    is, before `until`, and within a row if `in_row`: (steps, 0, FINISHED, or the fault)."""
    row = m.pe[tb + T_ROW]
    if m.code[row + R_TYPE] == F16:
        steps, sent, ended = _pairs(m, pb, tb, row, t, until, in_row)
    else:
        steps, sent, ended = _words(m, pb, tb, row, t, until, in_row)
    m.counts[pe * N_WORDS + N_SENT] += sent
    if m.pe[tb + T_SRC] >= 0:
        m.counts[pe * N_WORDS + N_RECEIVED] += steps
        m.counts[pe * N_WORDS + N_PASSED] += sent
    m.pe[tb + T_SINCE] = t + steps
    return (steps if ended <= 0 else steps + 1), ended  # a step that faults moves nothing


@inlined
def _words(m, pb, tb, row, t, until, in_row):
    """Steps of one element of 32 bits."""
    op = m.code[row + R_OP]
    i, j, n0, n1 = np.int64(m.pe[tb + T_I]), np.int64(m.pe[tb + T_J]), m.pe[tb + T_N0], m.pe[tb + T_N1]
    extent = m.pe[pb + EXTENT]
    sram = np.int64(m.pe[pb + SRAM]) * 16
    source, sink = np.int64(m.pe[tb + T_SRC]), np.int64(m.pe[tb + T_DST])
    from_a, from_b = m.code[row + R_A + O_KIND], m.code[row + R_B + O_KIND]
    ended = 0
    steps = sent = 0
    while True:
        word = np.uint32(m.ch[m.ch[source + HEAD]]) if source >= 0 else np.uint32(0)
        a = b = word
        if from_a == MEMORY:
            at = _place(m, tb, row, R_A, T_A, i, j)
            if at < 0 or at + 4 > extent:
                ended = OUT_OF_BOUNDS
                break
            a = m.word[(sram + at) >> 2]
        elif from_a == IMMEDIATE:
            a = immediate_bits(m, row, R_A)
        d = np.int64(0)
        if sink < 0:
            d = _place(m, tb, row, R_D, T_D, i, j)
            if d < 0 or d + 4 > extent:
                ended = OUT_OF_BOUNDS
                break
            d = (sram + d) >> 2
        if op != MOV:
            if from_b == MEMORY:
                at = _place(m, tb, row, R_B, T_B, i, j)
                if at < 0 or at + 4 > extent:
                    ended = OUT_OF_BOUNDS
                    break
                b = m.word[(sram + at) >> 2]
            elif from_b == IMMEDIATE:
                b = immediate_bits(m, row, R_B)
            z = from_bits(m.word[d]) if op == FMA else np.float32(0)
            a = result_bits(F32, apply(op, z, from_bits(a), from_bits(b)))
        if sink >= 0:
            source_push(m, sink, np.int32(a), t + steps)
            sent += 1
        else:
            m.word[d] = a
        if source >= 0:
            pop(m, source, t + steps)
        steps += 1
        j += 1
        if j == n1:
            j = 0
            i += 1
            if i == n0:
                ended = FINISHED
                break
            if in_row:
                break
        if t + steps >= until or not _goes_on(m, source, sink, t + steps):
            break
    m.pe[tb + T_I] = i
    m.pe[tb + T_J] = j
    return steps, sent, ended


@inlined
def _pairs(m, pb, tb, row, t, until, in_row):
    """Steps of one or two f16 elements of a row."""
    op, kind = m.code[row + R_OP], F16
    i, j, n0, n1 = np.int64(m.pe[tb + T_I]), np.int64(m.pe[tb + T_J]), m.pe[tb + T_N0], m.pe[tb + T_N1]
    extent = m.pe[pb + EXTENT]
    source, to = np.int64(m.pe[tb + T_SRC]), np.int64(m.pe[tb + T_DST])
    sram = np.int64(m.pe[pb + SRAM]) * 16
    kind_a = F32 if m.code[row + R_A + O_KIND] == IMMEDIATE else kind
    kind_b = F32 if m.code[row + R_B + O_KIND] == IMMEDIATE else kind
    has_b = m.code[row + R_B + O_KIND] != NONE
    sparse = m.code[row + R_D + O_KIND] == SPARSE
    ended = 0
    steps = sent = 0
    while True:
        elements = 2 if j + 1 < n1 else 1
        a = _place(m, tb, row, R_A, T_A, i, j)
        b = _place(m, tb, row, R_B, T_B, i, j)
        d = _place(m, tb, row, R_D, T_D, i, j)
        if not (
            _inside(m, row, R_A, a, elements, 2, extent)
            and _inside(m, row, R_B, b, elements, 2, extent)
            and _inside(m, row, R_D, d, elements, 2, extent)
        ):
            ended = OUT_OF_BOUNDS
            break
        word = np.int32(0)
        if source >= 0:
            word = m.ch[m.ch[source + HEAD]]
        packed = np.uint32(0)
        sink = to
        for half in range(elements):
            result = _operand(m, row, R_A, sram + a, kind, word, half)
            if op != MOV or kind_a != kind:
                x, y, z = to_float(kind_a, result), np.float32(0), np.float32(0)
                if has_b:
                    y = to_float(kind_b, _operand(m, row, R_B, sram + b, kind, word, half))
                if op == FMA:
                    z = to_float(kind, load_bits(m, kind, sram + d))
                result = result_bits(kind, apply(op, z, x, y))
            if sink >= 0:
                packed = np.uint32(packed | np.uint32(result << np.uint32(16 * half)))
            else:
                store_bits(m, kind, sram + d, result)
            a += m.code[row + R_A + O_S1]
            b += m.code[row + R_B + O_S1]
            d += m.code[row + R_D + O_S1]
        if sink >= 0 and sparse:
            if packed & 0x7FFF == 0:
                sink = np.int64(NO_QUEUE)  # a zero does not travel
            packed = np.uint32(np.uint32(d & END_MARK) << np.uint32(16) | packed)
        if source >= 0:
            pop(m, source, t + steps)
        if sink >= 0:
            source_push(m, sink, np.int32(packed), t + steps)
            sent += 1
        steps += 1
        j += elements
        if j == n1:
            j = 0
            i += 1
            if i == n0:
                ended = FINISHED
                break
            if in_row:
                break
        if t + steps >= until or not _goes_on(m, source, to, t + steps):
            break
    m.pe[tb + T_I] = i
    m.pe[tb + T_J] = j
    return steps, sent, ended
