"""Numbers bit by bit: f16 <-> f32 and the written-out functions. float32 throughout, nothing from libm."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import ADD, ERF, EXP, FMA, MAX, MIN, MUL, RECIP, RSQRT, SUB, TANH

_F = np.float32
ZERO, HALF, ONE, TWO, ONE_HALF = _F(0), _F(0.5), _F(1), _F(2), _F(1.5)
SMALL = np.uint32(113 << 23).view(np.float32)  # 2^-14, the smallest normal f16
SHIFT = np.uint32(126 << 23).view(np.float32)  # 0.5: its last mantissa bit is the last one of a subnormal f16
NAN_BITS = np.uint32(0x7FC00000)

EXP_LOW, EXP_HIGH = _F(-87.3), _F(88)
LOG2E, LN2_HIGH, LN2_LOW = _F(1.44269502), _F(0.693359375), _F(-2.12194440e-4)
E0, E1, E2 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
E3, E4, E5 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)

TANH_CLAMP = _F(7.90531111)
TP0, TP1, TP2, TP3 = (
    _F(-2.76076847742355e-16),
    _F(2.00018790482477e-13),
    _F(-8.60467152213735e-11),
    _F(5.12229709037114e-08),
)
TP4, TP5, TP6 = _F(1.48572235717979e-05), _F(6.37261928875436e-04), _F(4.89352455891786e-03)
TQ0, TQ1, TQ2, TQ3 = (
    _F(1.19825839466702e-06),
    _F(1.18534705686654e-04),
    _F(2.26843463243900e-03),
    _F(4.89352518554385e-03),
)

ERF_CLAMP = _F(4)
RP0, RP1, RP2 = _F(-2.72614225801306e-10), _F(2.77068142495902e-08), _F(-2.10102402082508e-06)
RP3, RP4, RP5, RP6 = (
    _F(-5.69250639462346e-05),
    _F(-7.34990630326855e-04),
    _F(-2.95459980854025e-03),
    _F(-1.60960333262415e-02),
)
RQ0, RQ1, RQ2 = _F(-1.45660718464996e-05), _F(-2.13374055278905e-04), _F(-1.68282697438203e-03)
RQ3, RQ4 = _F(-7.37332916720468e-03), _F(-1.42647390514189e-02)


@inlined
def bits(x):
    """The bits of an f32 as u32."""
    return np.float32(x).view(np.uint32)


@inlined
def from_bits(b):
    """The f32 of u32 bits."""
    return np.uint32(b).view(np.float32)


@inlined
def half_to_float(h):
    """f16 bits to f32, exactly."""
    magnitude = np.uint32(h & 0x7FFF) << np.uint32(13)
    exponent = magnitude & np.uint32(0x0F800000)
    shifted = np.uint32(magnitude + np.uint32(112 << 23))
    if exponent == np.uint32(0x0F800000):
        shifted = np.uint32(shifted + np.uint32(112 << 23))
    elif exponent == np.uint32(0):
        shifted = bits(from_bits(np.uint32(shifted + np.uint32(1 << 23))) - SMALL)
    return from_bits(np.uint32(shifted | (np.uint32(h & 0x8000) << np.uint32(16))))


@inlined
def float_to_half(x):
    """f32 to f16 bits, to nearest even; NaN becomes 0x7E00."""
    b = bits(x)
    sign = np.uint32(b >> np.uint32(16)) & np.uint32(0x8000)
    b = np.uint32(b & np.uint32(0x7FFFFFFF))
    if b > np.uint32(0x7F800000):
        return np.uint16(0x7E00)
    if b >= np.uint32(143 << 23):
        h = np.uint32(0x7C00)
    elif b < np.uint32(113 << 23):
        h = np.uint32(bits(from_bits(b) + SHIFT) - np.uint32(126 << 23))
    else:
        odd = np.uint32(b >> np.uint32(13)) & np.uint32(1)
        h = np.uint32(np.uint32(b - np.uint32(112 << 23)) + np.uint32(0xFFF) + odd) >> np.uint32(13)
    return np.uint16(h | sign)


@inlined
def canonical(x):
    """Bits of an f32 result, NaN as the one NaN."""
    if x != x:
        return NAN_BITS
    return bits(x)


@inner
def floor(x):
    """Floor of an f32 below 2^31 in magnitude, as f32."""
    k = np.float32(np.int32(x))
    return k - ONE if k > x else k


@inner
def recip(x):
    b = bits(x)
    sign = np.uint32(b & np.uint32(0x80000000))
    x = from_bits(b & np.uint32(0x7FFFFFFF))
    y = from_bits(np.uint32(np.uint32(0x7EF311C3) - bits(x)))
    for _ in range(3):
        y = y * (TWO - x * y)
    return from_bits(np.uint32(bits(y) ^ sign))


@inner
def rsqrt(x):
    y = from_bits(np.uint32(np.uint32(0x5F3759DF) - np.uint32(bits(x) >> np.uint32(1))))
    h = HALF * x
    for _ in range(3):
        y = y * (ONE_HALF - (h * y) * y)
    return y


@inner
def exp(x):
    if x != x:
        return x
    if x < EXP_LOW:
        return ZERO
    x = x if x < EXP_HIGH else EXP_HIGH
    k = floor(x * LOG2E + HALF)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = ((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + E5
    scale = from_bits(np.uint32(np.int32(k) + 127) << np.uint32(23))
    return ((p * (r * r) + r) + ONE) * scale


@inner
def clamp(x, c):
    x = x if x > -c else -c
    return x if x < c else c


@inner
def tanh(x):
    if x != x:
        return x
    x = clamp(x, TANH_CLAMP)
    z = x * x
    p = x * ((((((TP0 * z + TP1) * z + TP2) * z + TP3) * z + TP4) * z + TP5) * z + TP6)
    q = ((TQ0 * z + TQ1) * z + TQ2) * z + TQ3
    return p * recip(q)


@inner
def erf(x):
    if x != x:
        return x
    x = clamp(x, ERF_CLAMP)
    z = x * x
    p = x * ((((((RP0 * z + RP1) * z + RP2) * z + RP3) * z + RP4) * z + RP5) * z + RP6)
    q = (((RQ0 * z + RQ1) * z + RQ2) * z + RQ3) * z + RQ4
    return p * recip(q)


@inner
def costed(op, a):
    """The written-out function `op` of a."""
    if op == EXP:
        return exp(a)
    if op == TANH:
        return tanh(a)
    if op == ERF:
        return erf(a)
    if op == RECIP:
        return recip(a)
    if op == RSQRT:
        return rsqrt(a)
    return a


@inlined
def apply(op, d, a, b):
    """One element of a vector operation in f32 (MOV and the costed ones: of a)."""
    if op == ADD:
        return a + b
    if op == SUB:
        return a - b
    if op == MUL:
        return a * b
    if op == FMA:
        return d + a * b
    if op == MAX:
        return a if a > b else b
    if op == MIN:
        return a if a < b else b
    return costed(op, a)
