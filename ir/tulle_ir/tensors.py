"""The tensor store: safetensors, written without copying and read as views of a memory map.

Inside an artifact the store's digest is checked when an array is first taken; types and shapes need no touch.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tulle_ir.diagnostics import BadInput

ALIGNMENT = 64  # bytes, of the data relative to the store
_CODES = {
    f"{letter}{bits}": np.dtype(f"<{letter.lower()}{bits // 8}")
    for letter, widths in {"F": (16, 32, 64), "I": (8, 16, 32, 64), "U": (8, 16, 32, 64)}.items()
    for bits in widths
}
_CODE_OF = {dtype: code for code, dtype in _CODES.items()}


def store_chunks(tensors: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """The bytes of the store: header, then every array, large elements first. Raises ValueError for odd types."""
    little = {name: _little_endian(tensor) for name, tensor in tensors.items()}
    order = sorted(little, key=lambda name: (-little[name].itemsize, name))
    entries: dict[str, Any] = {}
    end = 0
    for name in order:
        begin, end = end, end + little[name].nbytes
        entries[name] = {
            "dtype": _CODE_OF[little[name].dtype],
            "shape": list(little[name].shape),
            "data_offsets": [begin, end],
        }
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-(8 + len(header)) % ALIGNMENT)
    yield len(header).to_bytes(8, "little") + header
    for name in order:
        yield little[name].reshape(-1).view(np.uint8).data


def _little_endian(tensor: np.ndarray) -> np.ndarray:
    dtype = tensor.dtype.newbyteorder("<")
    if dtype not in _CODE_OF:
        raise ValueError(f"a tensor of type {tensor.dtype} has no place in a store")
    # ascontiguousarray alone would give a 0-dimensional array one dimension
    return np.ascontiguousarray(tensor, dtype=dtype).reshape(tensor.shape)


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFile(Mapping[str, np.ndarray]):
    """Arrays by name as read-only views. With `digest`, the first access hashes the whole store."""

    def __init__(self, data: memoryview, where: str, digest: str = "") -> None:
        """`data` is the whole store; `where` names it in errors. Raises BadInput if the header is broken."""
        self._data, self._where, self._digest = data, where, digest
        self._checking = Lock()
        self._is_sound: bool | None = None if digest else True  # None: not known yet
        self._start, self._entries = _read_header(data, where)

    def describe(self, name: str) -> tuple[np.dtype, tuple[int, ...]]:
        """Type and shape, without touching the data. Raises KeyError."""
        entry = self._entries[name]
        return entry.dtype, entry.shape

    def check(self) -> None:
        """Compare the digest, once, whichever thread comes first. Raises BadInput."""
        with self._checking:
            if self._is_sound is None:
                self._is_sound = hashlib.sha256(self._data).hexdigest() == self._digest
        if not self._is_sound:
            raise BadInput("the tensors differ from what the manifest says: the file was changed", where=self._where)

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        self.check()
        count = prod(entry.shape)
        return np.frombuffer(self._data, entry.dtype, count, self._start + entry.begin).reshape(entry.shape)

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # Mapping would take the array

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _read_header(data: memoryview, where: str) -> tuple[int, dict[str, _Entry]]:
    try:
        length = int.from_bytes(data[:8], "little")
        start = 8 + length
        if len(data) < start:
            raise ValueError("it is shorter than its header says")
        header: dict[str, Any] = json.loads(bytes(data[8:start]))
        header.pop("__metadata__", None)
        return start, {name: _entry(value, len(data) - start) for name, value in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"the tensor store is broken: {error}", where=where) from None


def _entry(value: Mapping[str, Any], available: int) -> _Entry:
    begin, end = value["data_offsets"]
    entry = _Entry(_CODES[value["dtype"]], tuple(value["shape"]), begin, end)
    size = prod(entry.shape) * entry.dtype.itemsize
    if not all(isinstance(n, int) and n >= 0 for n in (*entry.shape, begin)) or end - begin != size or end > available:
        raise ValueError("a tensor lies outside the file")
    return entry


def open_tensors(path: Path) -> TensorFile:
    """The store in a `.safetensors` file. Raises BadInput."""
    return TensorFile(map_file(path), str(path))


def map_file(path: Path) -> memoryview:
    """A file as a read-only memory map, open as long as something views it. Raises BadInput."""
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        reason = getattr(error, "strerror", None) or "it is empty"
        raise BadInput(f"the file cannot be read: {reason}", where=str(path)) from None


@dataclass(frozen=True, slots=True)
class Layered(Mapping[str, np.ndarray]):
    """The tensors of a parsed program: those given in the text, and those it names in the store beside it."""

    inline: Mapping[str, np.ndarray]
    beside: Mapping[str, np.ndarray]
    named: frozenset[str]  # of `beside`

    def __getitem__(self, name: str) -> np.ndarray:
        if name in self.inline:
            return self.inline[name]
        if name in self.named:
            return self.beside[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self.inline or name in self.named

    def __iter__(self) -> Iterator[str]:
        yield from self.inline
        yield from sorted(self.named)

    def __len__(self) -> int:
        return len(self.inline) + len(self.named)


def describe(tensors: Mapping[str, np.ndarray], name: str) -> tuple[np.dtype, tuple[int, ...]]:
    """Type and shape of a tensor, without touching bulk data. Raises KeyError."""
    match tensors:
        case Layered() if name not in tensors.inline:
            return describe(tensors.beside, name)
        case TensorFile():
            return tensors.describe(name)
        case _:
            return tensors[name].dtype, tensors[name].shape


def same_tensors(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    """Equal names, types, shapes and bits."""
    return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
