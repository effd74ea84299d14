"""Check the feeds of a run and bring them to the shapes of the streams. Every complaint is a BadInput."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tulle_ir.code import DType
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import HostStream, Program, Protocol, StreamFormat
from tulle_runtime.host.chunking import Chunking
from tulle_runtime.signature import Value

INT32 = np.iinfo(np.int32)


def bind(
    feeds: Mapping[str, np.ndarray], inputs: tuple[Value, ...], program: Program
) -> tuple[dict[str, np.ndarray], Chunking | None]:
    """The array of each input stream by its name, and how the sequences are cut (None: all streams are RAW).

    RAW arrays come out flat [width], ids i32 [B, T], chunked ones [B, T, width] (rank 2 means B = 1).
    """
    _check_names(feeds, inputs)
    streams = {stream.name: stream for stream in program.streams}
    bound: dict[str, np.ndarray] = {}
    chunking: Chunking | None = None
    for value in inputs:
        stream, array = streams[value.stream], np.asarray(feeds[value.name])
        _check_kind(array, value, stream)
        bound[stream.name] = shaped = _shape(array, value, stream, program.protocol)
        if stream.format != StreamFormat.RAW:
            chunking = _agree(chunking, _cut(shaped, value, program.protocol), value)
    return bound, chunking


def _check_names(feeds: Mapping[str, np.ndarray], inputs: tuple[Value, ...]) -> None:
    wanted = {value.name for value in inputs}
    takes = "; ".join(map(str, inputs)) or "nothing"
    for name in feeds:
        if name not in wanted:
            raise BadInput(f"there is no input '{name}'", remedy=f"the inputs are {takes}")
    for value in inputs:
        if value.name not in feeds:
            raise BadInput(f"input '{value.name}' is missing", remedy=f"the inputs are {takes}")


def _check_kind(array: np.ndarray, value: Value, stream: HostStream) -> None:
    """Ids and i32 take integers of any size, other streams floats of any size."""
    integers = stream.format == StreamFormat.IDS or stream.dtype == DType.I32
    if array.dtype.kind not in ("iu" if integers else "f"):
        raise BadInput(f"input '{value.name}' is {array.dtype}", remedy=f"give {value}")
    if array.size == 0:
        kind = "values" if stream.format == StreamFormat.RAW else "tokens"
        raise BadInput(f"input '{value.name}' of shape {list(array.shape)} holds no {kind}", remedy="give at least one")
    if stream.dtype == DType.I32 and stream.format == StreamFormat.RAW and not _fits_i32(array):
        raise BadInput(f"input '{value.name}' holds values beyond 32 bits")


def _fits_i32(array: np.ndarray) -> bool:
    return int(array.min()) >= INT32.min and int(array.max()) <= INT32.max


def _shape(array: np.ndarray, value: Value, stream: HostStream, protocol: Protocol | None) -> np.ndarray:
    """The array in the stream's own shape; its sizes are checked against the stream's."""
    if stream.format == StreamFormat.RAW:
        if array.size != stream.width:
            what = f"input '{value.name}' has {array.size} elements, not {stream.width}"
            raise BadInput(what, remedy=f"give {value}")
        return array.reshape(-1)
    if stream.format == StreamFormat.IDS:
        _check_rank(array, value, (len(value.shape),))
        _check_ids(array, value, protocol.vocab if protocol else 0)
        return array.reshape(-1, array.shape[-1]).astype(np.int32)
    _check_rank(array, value, (2, 3))
    if array.shape[-1] != stream.width:
        raise BadInput(
            f"input '{value.name}' of shape {list(array.shape)} has {array.shape[-1]} features, not {stream.width}",
            remedy=f"give {value}",
        )
    return array.reshape(-1, *array.shape[-2:])


def _check_rank(array: np.ndarray, value: Value, ranks: tuple[int, ...]) -> None:
    if array.ndim not in ranks:
        what = f"input '{value.name}' of shape {list(array.shape)} has rank {array.ndim}"
        raise BadInput(what, remedy=f"give {value}")


def _check_ids(array: np.ndarray, value: Value, vocab: int) -> None:
    limit = vocab or INT32.max + 1
    wrong = np.argwhere((array < 0) | (array >= limit))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        raise BadInput(
            f"token id {array[place]} is out of range: the ids are 0 to {limit - 1}",
            where=f"input '{value.name}' at {list(place)}",
        )


def _cut(array: np.ndarray, value: Value, protocol: Protocol | None) -> Chunking:
    """The chunking of an array [B, T, ...]."""
    if protocol is None:
        raise BadInput(
            f"input '{value.name}' travels in chunks, but the program states no protocol",
            remedy="add a protocol with the most tokens per chunk",
        )
    batch, tokens = array.shape[:2]
    if protocol.context and tokens > protocol.context:
        excess = tokens - protocol.context
        raise BadInput(
            f"input '{value.name}': a sequence of {tokens} tokens is {excess} longer than the context of "
            f"{protocol.context}",
            remedy="shorten it, or compile with a larger --context",
        )
    return Chunking(batch, tokens, protocol.chunk)


def _agree(chunking: Chunking | None, other: Chunking, value: Value) -> Chunking:
    if chunking is not None and chunking != other:
        raise BadInput(
            f"input '{value.name}' has {other.batch} sequences of {other.tokens} tokens, another input "
            f"{chunking.batch} of {chunking.tokens}",
            remedy="give all inputs the same batch and length",
        )
    return other
