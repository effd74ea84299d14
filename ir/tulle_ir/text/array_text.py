"""Arrays at the place of their use, for the stages before the program.

Small ones stand in the text: `f32[2] = [0.5, 1.0]`. Others are named by their content: `f32[768, 2304] = tensor
"9f86d081884c7d65"`, the first 16 hexadecimal digits of the SHA-256 of type, shape and bytes. So equal arrays are
stored once, whatever kernels and stages hold them, and text without its store still says whether two stages are equal.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from tulle_ir.progress import tell
from tulle_ir.text.lexical import string
from tulle_ir.text.tensor_text import MOST_INLINE, inline_values, shape_text

DIGITS = 16


@dataclass(slots=True)
class Arrays:
    """Writes arrays, and keeps those that go beside the text in `stored`."""

    stored: dict[str, np.ndarray] = field(default_factory=dict)
    _named: dict[int, tuple[np.ndarray, str]] = field(default_factory=dict)  # by identity; holds what it names

    def name_all(self, arrays: Iterable[np.ndarray]) -> None:
        """Name these at once, on all cores: for a large model hashing takes most of the time of its text."""
        large = {id(array): array for array in arrays if array.size > MOST_INLINE and id(array) not in self._named}
        done, size = 0, sum(array.nbytes for array in large.values())
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for array, name in zip(large.values(), pool.map(digest, large.values()), strict=True):
                self._named[id(array)] = array, name
                done += array.nbytes
                tell("text", done >> 20, size >> 20, "MB")

    def text(self, array: np.ndarray) -> str:
        """`TYPE[SHAPE] = [VALUES]` or `TYPE[SHAPE] = tensor "DIGEST"`."""
        values = inline_values(array)
        return f"{shape_text(array)} = " + (self._stored(array) if values is None else f"[{', '.join(values)}]")

    def _stored(self, array: np.ndarray) -> str:
        if id(array) not in self._named:
            self._named[id(array)] = array, digest(array)
        _, name = self._named[id(array)]
        self.stored.setdefault(name, array)
        return f"tensor {string(name)}"


def digest(array: np.ndarray) -> str:
    """A short name of type, shape and bytes."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    sha = hashlib.sha256(shape_text(array).encode())
    sha.update(little.reshape(-1).view(np.uint8).data)
    return sha.hexdigest()[:DIGITS]


def density(array: np.ndarray) -> str:
    """A comment on the zeros of a matrix of numbers; nothing for anything else."""
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        return ""
    nonzeros = int(np.count_nonzero(array))
    return f"  // {nonzeros:,} nonzeros, {100 * (1 - nonzeros / array.size):.1f} % zero"
