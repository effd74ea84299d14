"""An uncompressed zip with nothing left to chance: fixed times, fixed order, aligned data, a digest per member."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from tulle_ir.diagnostics import BadInput
from tulle_ir.tensors import ALIGNMENT, map_file

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can say
_ALIGN_FIELD = 0xD935  # the extra field that zip tools know as padding for alignment
_LOCAL_HEADER = 30  # bytes, before name and extra fields
_ZIP64_FIELD = 20
_BROKEN = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


class ArchiveWriter:
    """Writes members in the order given. `digests` holds the SHA-256 of those added so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.digests: dict[str, str] = {}

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._zip.close()
        self._zip.fp = None  # or a file given up in the middle would be finished when the zip is collected

    def add(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        """One member from the bytes of `chunks`, its data aligned in the file."""
        digest = hashlib.sha256()
        with self._zip.open(self._info(name), "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
                digest.update(chunk)
        self.digests[name] = digest.hexdigest()

    def add_json(self, name: str, value: Mapping[str, Any]) -> None:
        """One member with sorted keys."""
        text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        self.add(name, [text.encode(), b"\n"])

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system = 3  # the same on every system
        info.external_attr = 0o644 << 16
        before = self._file.tell() + _LOCAL_HEADER + len(name.encode()) + _ZIP64_FIELD + 4
        padding = -before % ALIGNMENT
        info.extra = struct.pack("<HH", _ALIGN_FIELD, padding) + b"\0" * padding
        return info


class Archive:
    """An archive opened for reading by memory map. Everything raises BadInput that names the file and the member."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = map_file(path)
        try:
            with zipfile.ZipFile(path) as file:
                self._infos = {info.filename: info for info in file.infolist()}
        except _BROKEN as error:
            what = f"the file is not an artifact, or is cut off: {error}"
            raise BadInput(what, where=str(path), remedy="give what `tulle compile` wrote, or a text *.tlir") from None

    def view(self, name: str) -> memoryview:
        """The bytes of a member, as they lie in the file, unchecked."""
        info = self._infos.get(name)
        if info is None:
            raise BadInput(f"the member '{name}' is missing", where=str(self._path))
        begin = info.header_offset + _LOCAL_HEADER
        header = self._data[info.header_offset : begin]
        if info.compress_type != zipfile.ZIP_STORED or header[:4] != b"PK\x03\x04" or len(header) < _LOCAL_HEADER:
            raise BadInput(f"the member '{name}' is broken", where=str(self._path))
        begin += sum(struct.unpack("<HH", header[26:30]))
        if begin + info.file_size > len(self._data):
            raise BadInput(f"the member '{name}' is cut off", where=str(self._path))
        return self._data[begin : begin + info.file_size]

    def read_text(self, name: str, digest: str) -> str:
        """A text member, checked against its SHA-256."""
        data = bytes(self.view(name))
        if hashlib.sha256(data).hexdigest() != digest:
            what = f"the member '{name}' differs from what the manifest says: the file was changed"
            raise BadInput(what, where=str(self._path))
        return self._decoded(name, data)

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON member that holds an object, checked against the zip's checksum."""
        data = bytes(self.view(name))
        if zlib.crc32(data) != self._infos[name].CRC:
            raise BadInput(
                f"the member '{name}' does not match its checksum: the file was changed", where=str(self._path)
            )
        try:
            value = json.loads(self._decoded(name, data))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise BadInput(f"the member '{name}' is not a JSON object", where=str(self._path))
        return value

    def _decoded(self, name: str, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise BadInput(f"the member '{name}' is not UTF-8 text", where=str(self._path)) from None
