"""What a session takes and gives: the names, types and shapes of inputs and outputs.

A compiled model says it in its manifest under "io", in the words of its ONNX file:
`{"inputs": [{"name", "dtype", "shape", "stream"}], "outputs": [...]}` where `dtype` is a numpy name ("int64"), `shape`
lists sizes and names of free dimensions, and `stream` is the host stream ("" or absent: the one of the same name). A
program without a manifest gets a signature from its streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from tulle_ir.code import DType
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import HostStream, Program, StreamFormat

_NUMPY_NAME = {DType.F16: "float16", DType.F32: "float32", DType.I32: "int32", DType.U16: "uint16"}


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output: `shape` holds sizes and names of free dimensions."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    stream: str

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a session, in order."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def signature_of(program: Program, io: Mapping[str, Any] | None = None) -> Signature:
    """The signature the manifest states (its key "io"), or else that of the program's streams. Raises BadInput."""
    if io is None:
        inputs = tuple(_of_stream(stream) for stream in program.streams if stream.is_input)
        outputs = tuple(_of_stream(stream) for stream in program.streams if not stream.is_input)
        return Signature(inputs, outputs)
    signature = Signature(*(tuple(_of_entry(entry) for entry in io[side]) for side in ("inputs", "outputs")))
    for value in (*signature.inputs, *signature.outputs):
        if not any(stream.name == value.stream for stream in program.streams):
            raise BadInput(f"the manifest names a stream '{value.stream}' that the program does not have")
    return signature


def _of_entry(entry: Mapping[str, Any]) -> Value:
    name = str(entry["name"])
    return Value(name, str(entry["dtype"]), tuple(entry["shape"]), str(entry.get("stream") or name))


def _of_stream(stream: HostStream) -> Value:
    match stream.format:
        case StreamFormat.RAW:
            return Value(stream.name, _NUMPY_NAME[stream.dtype], (stream.width,), stream.name)
        case StreamFormat.IDS:
            return Value(stream.name, "int64", ("batch", "tokens"), stream.name)
        case StreamFormat.CHUNKS:
            return Value(stream.name, "float32", ("batch", "tokens", stream.width), stream.name)
        case _:
            assert_never(stream.format)
