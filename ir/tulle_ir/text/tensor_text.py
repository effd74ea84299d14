"""Tensors in text: their types and shapes, and the small ones' values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from tulle_ir.text.lexical import real

MOST_INLINE = 16  # elements; larger tensors go beside the text


def dtype_name(dtype: np.dtype) -> str:
    """`f32`, `i64`, `u16` ..."""
    return f"{dtype.kind}{8 * dtype.itemsize}"


def numpy_dtype(name: str) -> np.dtype:
    """The little-endian numpy type of `f32`, `i64`, `u16` ... Raises TypeError for one that does not exist (`f8`)."""
    return np.dtype(f"<{name[0]}{int(name[1:]) // 8}")


def shape_text(array: np.ndarray) -> str:
    """`f32[4, 3]`."""
    return f"{dtype_name(array.dtype)}{list(array.shape)}"


def inline_values(array: np.ndarray) -> list[str] | None:
    """The elements in row-major order as text that reads back to the same bits, or None if they go beside the text."""
    if array.size > MOST_INLINE or array.dtype.kind not in "fiu":
        return None
    if array.dtype.kind != "f":
        return [str(int(value)) for value in array.flat]
    texts = [_shortest(value) for value in array.flat]
    read = array_of([float(text) for text in texts], array.dtype, array.shape)
    return texts if read.tobytes() == np.ascontiguousarray(array).tobytes() else None


def stored_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those that do not stand in the text and go into the store beside it."""
    return {name: array for name, array in tensors.items() if inline_values(array) is None}


def _shortest(value: np.floating) -> str:
    """`0.1` for the f32 nearest to it; all digits of the double where those few would round differently."""
    short = str(value)
    if np.isfinite(value) and value.dtype.type(float(short)) != value:
        return real(float(value))
    return short


def array_of(values: Sequence[float], dtype: np.dtype, shape: Sequence[int]) -> np.ndarray:
    """The array of these values in row-major order. Raises ValueError or OverflowError if they do not fit."""
    if len(values) != prod(shape):
        raise ValueError(f"{prod(shape)} values are needed, {len(values)} are given")
    if dtype.kind != "f" and not all(isinstance(value, int) for value in values):
        raise ValueError("an integer tensor takes integers only")
    with np.errstate(over="ignore"):
        return np.array(values, dtype=dtype).reshape(shape)
