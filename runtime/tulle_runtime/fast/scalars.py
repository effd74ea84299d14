"""Scalar operations and comparisons on 64-bit integers; the caller wraps to 32 bits."""

from __future__ import annotations

from tulle_runtime.fast.jit import inner
from tulle_runtime.fast.words import (
    EQ,
    GT,
    LE,
    LT,
    NE,
    S_ADD,
    S_AND,
    S_DIV,
    S_MAX,
    S_MIN,
    S_MOD,
    S_MUL,
    S_OR,
    S_SHL,
    S_SHR,
    S_SUB,
)


@inner
def compute(op, a, b):
    """`a op b`; S_MOV is a; the divisor is not zero."""
    if op == S_ADD:
        return a + b
    if op == S_SUB:
        return a - b
    if op == S_MUL:
        return a * b
    if op == S_AND:
        return a & b
    if op == S_OR:
        return a | b
    if op == S_SHL:
        return a << (b & 31)
    if op == S_SHR:
        return a >> (b & 31)
    if op == S_MIN:
        return min(a, b)
    if op == S_MAX:
        return max(a, b)
    if op == S_DIV:
        return a // b
    if op == S_MOD:
        return a % b
    return a


@inner
def compare(op, a, b):
    """`a op b`."""
    if op == EQ:
        return a == b
    if op == NE:
        return a != b
    if op == LT:
        return a < b
    if op == LE:
        return a <= b
    if op == GT:
        return a > b
    return a >= b
