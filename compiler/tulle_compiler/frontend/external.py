"""Tensor data in files beside the model: checked paths, memory-mapped."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import onnx

from tulle_ir.diagnostics import BadInput


class ExternalData:
    """Opens the side files of one model. `used` lists them, for the hash of the model."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._maps: dict[str, np.ndarray] = {}

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the files opened so far, sorted."""
        return tuple(sorted(self._maps))

    def bytes_of(self, tensor: onnx.TensorProto, length: int) -> np.ndarray:
        """The `length` bytes of an external tensor as uint8, memory-mapped and read-only."""
        where = f"tensor {tensor.name!r}"
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        data = self._map(location, where)
        offset = _number(entries, "offset", 0, where)
        stated = _number(entries, "length", length, where)
        if stated != length:
            raise BadInput(f"external data of {stated} bytes, but its dims need {length}", where=where)
        if offset + length > data.size:
            what = f"external data ends at byte {offset + length}, but {location!r} has {data.size} bytes"
            raise BadInput(what, where=where, remedy="fetch the complete data file")
        return data[offset : offset + length]

    def _map(self, location: str, where: str) -> np.ndarray:
        if location not in self._maps:
            path = self._path(location, where)
            size = path.stat().st_size
            self._maps[location] = np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
        return self._maps[location]

    def _path(self, location: str, where: str) -> Path:
        """The file `location` names, if it is a plain file inside the model's folder."""
        if not location:
            raise BadInput("external data without a location", where=where)
        parts = PurePosixPath(location).parts + PureWindowsPath(location).parts
        absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive
        if absolute or ".." in parts or not location.isprintable():
            raise BadInput(f"external data location {location!r} leaves the model's folder", where=where)
        path = self._folder / location
        if not path.exists():
            raise BadInput(f"data file {location!r} is missing beside the model", where=where, remedy="put it there")
        if not path.resolve().is_relative_to(self._folder):
            raise BadInput(f"external data location {location!r} links out of the model's folder", where=where)
        if not path.is_file():
            raise BadInput(f"external data location {location!r} is not a file", where=where)
        return path


def _number(entries: dict[str, str], key: str, default: int, where: str) -> int:
    """A non-negative integer entry of `external_data`."""
    text = entries.get(key, str(default))
    if not text.isascii() or not text.isdigit():
        raise BadInput(f"external data {key} is {text!r}, not a byte count", where=where)
    return int(text)
