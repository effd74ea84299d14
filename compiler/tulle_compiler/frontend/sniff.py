"""Recognise, by its first bytes, a file that is not an ONNX model, and say what it is."""

from __future__ import annotations

from pathlib import Path

from tulle_ir.diagnostics import BadInput

_REMEDY = "give a model exported to ONNX (e.g. by torch.onnx.export)"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself", "fetch the file with `git lfs pull`"),
    (b"\x1f\x8b", "gzip-compressed", "unpack it with gunzip"),
    (b"PK\x03\x04", "a zip archive (a PyTorch checkpoint?)", "export the model with torch.onnx.export"),
    (b"\x80\x02", "a Python pickle (an old PyTorch checkpoint?)", "export the model with torch.onnx.export"),
    (b"GGUF", "a GGUF file", "export the original model to ONNX"),
    (b"\x89HDF", "an HDF5 file", _REMEDY),
    (b"%PDF", "a PDF document", _REMEDY),
)


def check_magic(head: bytes, size: int, path: Path) -> None:
    """Raise BadInput when `head` (the first bytes of a file of `size` bytes) shows another format."""
    found = _format(head, size)
    if found is not None:
        what, remedy = found
        raise BadInput(f"not an ONNX model: the file is {what}", where=str(path), remedy=remedy)


def _format(head: bytes, size: int) -> tuple[str, str] | None:
    """What the file is and what to do about it; None when it may be ONNX."""
    if size == 0:
        return "empty", "check that the download or export finished"
    for magic, what, remedy in _MAGIC:
        if head.startswith(magic):
            return what, remedy
    if head[4:8] == b"ORTM":
        return "in ORT (flatbuffer) format", "give the .onnx file it was converted from"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        return "a safetensors file: weights without a graph", _REMEDY
    if not any(head):
        return "full of zero bytes", "check that the download or export finished"
    return _text_format(head)


def _text_format(head: bytes) -> tuple[str, str] | None:
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "an HTML or XML page", "a download that failed? fetch the model itself"
    printable = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
    if text.startswith((b"{", b"[")) and printable:
        return "JSON", _REMEDY
    return ("plain text", _REMEDY) if printable else None
