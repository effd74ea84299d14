"""The written-out functions against the mathematical ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tiny import BANK, Run, bits, f32, result_of

NEAR = np.linspace(-9, 9, 73, dtype=np.float32)
POSITIVE = np.logspace(-30, 30, 61, dtype=np.float32)


def apply(run: Run, op: str, x: np.ndarray) -> np.ndarray:
    return result_of(run, f"{op} y, x over {x.size}", {"x": (0, x), "y": (BANK, np.zeros_like(x))}, "y")


@pytest.mark.parametrize(
    ("op", "x", "exact", "relative"),
    [
        ("exp", np.linspace(-87, 88, 71, dtype=np.float32), math.exp, 3e-7),
        ("recip", np.concatenate([POSITIVE, -POSITIVE]), lambda x: 1 / x, 3e-7),
        ("rsqrt", POSITIVE, lambda x: 1 / math.sqrt(x), 5e-7),
    ],
)
def test_relative_accuracy(run: Run, op: str, x: np.ndarray, exact, relative: float) -> None:
    expected = np.array([exact(float(each)) for each in x])
    assert np.max(np.abs(apply(run, op, x) / expected - 1)) < relative


@pytest.mark.parametrize(("op", "exact"), [("tanh", math.tanh), ("erf", math.erf)])
def test_absolute_accuracy(run: Run, op: str, exact) -> None:
    expected = np.array([exact(float(each)) for each in NEAR])
    assert np.max(np.abs(apply(run, op, NEAR) - expected)) < 5e-7


@pytest.mark.parametrize("op", ["exp", "tanh", "erf", "recip", "rsqrt"])
def test_nan_comes_out_as_the_one_nan(run: Run, op: str) -> None:
    assert bits(apply(run, op, np.array([0xFF812345], np.uint32).view(np.float32))) == [0x7FC00000]


def test_exp_far_out(run: Run) -> None:
    x = f32(-np.inf, -88, 100, np.inf)
    assert bits(apply(run, "exp", x)) == [0, 0, *bits(apply(run, "exp", f32(88, 88)))]


def test_saturation(run: Run) -> None:
    for op in ("tanh", "erf"):
        low, high, least, most = apply(run, op, f32(-np.inf, np.inf, -20, 20))
        assert (low, high) == (least, most)
        assert abs(most - 1) < 3e-7
        assert low == -high


@pytest.mark.parametrize(
    ("op", "x", "pattern"),
    [
        ("exp", f32(0.3, 1.7, -2.5), [0x3FACC82C, 0x40AF2A94, 0x3DA81C2E]),
        ("tanh", f32(0.3, 1.7, -2.5), [0x3E9526ED, 0x3F6F76F6, 0xBF7C92C0]),
        ("erf", f32(0.3, 1.7, -2.5), [0x3EA841C5, 0x3F7BD9AF, 0xBF7FE552]),
        ("recip", f32(0.3, 1.7, -2.5), [0x40555555, 0x3F169696, 0xBECCCCCE]),
        ("rsqrt", f32(0.3, 1.7, 2.5), [0x3FE9B1E9, 0x3F4457D0, 0x3F21E89B]),
    ],
)
def test_the_order_of_operations_is_fixed(run: Run, op: str, x: np.ndarray, pattern: list[int]) -> None:
    assert bits(apply(run, op, x)) == pattern
