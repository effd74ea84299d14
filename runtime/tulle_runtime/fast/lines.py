"""Cache lines: records that keep to them, and arrays that begin with one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tulle_runtime.fast.words import LINE

BYTES = 4 * LINE


def zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """Like np.zeros, which begins anywhere, but beginning with a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    data = np.zeros(size + BYTES, np.uint8)
    begin = -data.ctypes.data % BYTES
    return data[begin : begin + size].view(dtype).reshape(shape)


def whole(size: Any, line: int) -> Any:
    """A size, or an array of them, as whole lines."""
    return -(-size // line) * line
