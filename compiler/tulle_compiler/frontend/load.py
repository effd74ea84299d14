"""Read an ONNX file: bytes to a parsed, plausible ModelProto."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx import defs

from tulle_compiler.frontend.external import ExternalData
from tulle_compiler.frontend.sniff import check_magic
from tulle_ir.diagnostics import BadInput
from tulle_ir.progress import counted

_HEAD_BYTES = 512
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class ModelFile:
    """A parsed model, its path, and its data files."""

    path: Path
    proto: onnx.ModelProto
    external: ExternalData
    digest: str  # sha256 of the .onnx file alone

    def sha256(self) -> str:
        """Hash of the .onnx file, and of the data files it used when there are any."""
        names = self.external.used
        if not names:
            return self.digest
        total = hashlib.sha256(bytes.fromhex(self.digest))
        for name in names:
            total.update(_file_digest(self.path.parent / name))
        return total.hexdigest()


def _file_digest(path: Path) -> bytes:
    """The SHA-256 of a file, in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        for block in counted("read", blocks, path.stat().st_size):
            digest.update(block)
    return digest.digest()


def load_model_file(path: Path) -> ModelFile:
    """Parse and check the outermost layer; raises BadInput naming the file."""
    where = str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the model file: {error.strerror or error}", where=where) from error
    check_magic(data[:_HEAD_BYTES], len(data), path)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        remedy = "check that the download or export finished"
        raise BadInput(f"not a readable ONNX model: {error}", where=where, remedy=remedy) from error
    _check_model(proto, where)
    return ModelFile(path, proto, ExternalData(path.parent), hashlib.sha256(data).hexdigest())


def _check_model(proto: onnx.ModelProto, where: str) -> None:
    if not proto.HasField("graph"):
        raise BadInput("not an ONNX model: it has no graph", where=where)
    if len(UnknownFieldSet(proto)):  # type: ignore[arg-type]
        raise BadInput("the file holds bytes that are not part of an ONNX model: damaged or padded", where=where)
    if not proto.graph.node:
        raise BadInput("the graph has no nodes", where=where)
    _check_names(proto, where)
    newest = defs.onnx_opset_version()
    for opset in proto.opset_import:
        if opset.domain in ("", "ai.onnx") and not 1 <= opset.version <= newest:
            raise BadInput(f"opset {opset.version} is not known; the newest is {newest}", where=where)


def _check_names(proto: onnx.ModelProto, where: str) -> None:
    """Names that are not UTF-8 come out of protobuf as bytes: refuse them here, once."""
    graph = proto.graph
    values = [*graph.input, *graph.output, *graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]
    nodes = [*graph.node, *(node for function in proto.functions for node in function.node)]
    names = [value.name for value in values]
    for node in nodes:
        names += (node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute))
    bad = next((name for name in names if not isinstance(name, str)), None)
    if bad is not None:
        raise BadInput(f"the name {bad!r} is not valid UTF-8", where=where)
