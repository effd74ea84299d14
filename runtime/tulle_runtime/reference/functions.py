"""The written-out functions (docs/machine.md, end of section 5): every operation rounds to nearest even in f32."""

from __future__ import annotations

from functools import reduce

import numpy as np

from tulle_runtime.reference.numbers import F32, NAN, bits_of_f32, f32_from_bits, maximum, minimum


def _constants(*values: float) -> tuple[np.float32, ...]:
    return tuple(F32(value) for value in values)


ONE, ONE_AND_HALF, TWO, HALF = _constants(1.0, 1.5, 2.0, 0.5)
EXP_LOWEST, EXP_HIGHEST, LOG2_E, LN2_HIGH, LN2_LOW = _constants(-87.3, 88.0, 1.44269502, 0.693359375, -2.12194440e-4)
EXP = _constants(
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
)  # fmt: skip
(TANH_LIMIT,) = _constants(7.90531111)
TANH_P = _constants(
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
TANH_Q = _constants(1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
(ERF_LIMIT,) = _constants(4.0)
ERF_P = _constants(
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
ERF_Q = _constants(
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02
)


def horner(coefficients: tuple[np.float32, ...], x: np.float32) -> np.float32:
    """The polynomial with these coefficients, highest first."""
    return reduce(lambda p, c: p * x + c, coefficients)


def clamp(x: np.float32, limit: np.float32) -> np.float32:
    """x between -limit and limit."""
    return maximum(minimum(x, limit), -limit)


def recip(x: np.float32) -> np.float32:
    """1 / x by three Newton steps from a guess on the bits."""
    bits = bits_of_f32(x)
    magnitude = f32_from_bits(bits & 0x7FFFFFFF)
    y = f32_from_bits(0x7EF311C3 - bits_of_f32(magnitude))
    for _ in range(3):
        y = y * (TWO - magnitude * y)
    return -y if bits >> 31 else y


def rsqrt(x: np.float32) -> np.float32:
    """1 / sqrt(x) by three Newton steps from a guess on the bits."""
    y = f32_from_bits(0x5F3759DF - (bits_of_f32(x) >> 1))
    h = HALF * x
    for _ in range(3):
        y = y * (ONE_AND_HALF - (h * y) * y)
    return y


def exp(x: np.float32) -> np.float32:
    """e ** x by splitting off powers of two."""
    if x != x:
        return NAN
    if x < EXP_LOWEST:
        return F32(0)
    x = minimum(x, EXP_HIGHEST)
    k = np.floor(x * LOG2_E + HALF)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    return ((horner(EXP, r) * (r * r)) + r + ONE) * f32_from_bits((int(k) + 127) << 23)


def tanh(x: np.float32) -> np.float32:
    """tanh by a rational function."""
    return _rational(x, TANH_LIMIT, TANH_P, TANH_Q)


def erf(x: np.float32) -> np.float32:
    """The error function by a rational function."""
    return _rational(x, ERF_LIMIT, ERF_P, ERF_Q)


def _rational(x: np.float32, limit: np.float32, p: tuple[np.float32, ...], q: tuple[np.float32, ...]) -> np.float32:
    if x != x:
        return NAN
    x = clamp(x, limit)
    z = x * x
    return (x * horner(p, z)) * recip(horner(q, z))
