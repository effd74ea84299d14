"""Elements to wavelets and back: one f32 or i32 per wavelet, two f16 of one row, the first in the low half."""

from __future__ import annotations

import numpy as np

from tulle_ir.code import DType

_NUMPY = {
    DType.F16: np.dtype(np.float16),
    DType.F32: np.dtype(np.float32),
    DType.I32: np.dtype(np.int32),
    DType.U16: np.dtype(np.uint16),
}


def numpy_dtype(dtype: DType) -> np.dtype:
    """The numpy type that holds elements of `dtype`."""
    return _NUMPY[dtype]


def pack(values: np.ndarray, dtype: DType) -> np.ndarray:
    """[..., n] values to u32 [..., dtype.wavelets(n)]; values round to `dtype` first (f16: overflow to infinity)."""
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.ascontiguousarray(values, dtype=numpy_dtype(dtype))
    if dtype.size == 4:
        return rows.view(np.uint32)
    halves = rows.view(np.uint16)
    if halves.shape[-1] % 2:
        halves = np.concatenate([halves, np.zeros((*halves.shape[:-1], 1), np.uint16)], axis=-1)
    return halves[..., 0::2].astype(np.uint32) | (halves[..., 1::2].astype(np.uint32) << np.uint32(16))


def unpack(words: np.ndarray, elements: int, dtype: DType) -> np.ndarray:
    """u32 [..., wavelets] to [..., elements] of `dtype` per row; the high half of an odd last one is ignored."""
    words = np.ascontiguousarray(words, dtype=np.uint32)
    if dtype.size == 4:
        return words.view(numpy_dtype(dtype))
    halves = np.empty((*words.shape[:-1], 2 * words.shape[-1]), np.uint16)
    halves[..., 0::2] = words & np.uint32(0xFFFF)
    halves[..., 1::2] = words >> np.uint32(16)
    return halves[..., :elements].copy().view(numpy_dtype(dtype))
