"""The wavelets that arrived at the ports of an output stream, to an array. No Python per wavelet.

The host knows the chunk sequence from the feeds; headers that arrive are checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np

from tulle_ir.program import HostPort, HostStream, StreamFormat
from tulle_runtime.host.chunking import Chunking, Group
from tulle_runtime.host.packing import numpy_dtype, unpack


class StreamError(Exception):
    """What arrived at a port is not what the stream's format says: the program is at fault, not the user."""


def decode(
    stream: HostStream,
    arrived: list[np.ndarray],
    chunking: Chunking | None,
    tensors: Mapping[str, np.ndarray],
    *,
    check_position: bool = True,
) -> np.ndarray:
    """The array of the output `stream` from u32 wavelets per port, in the stream's dtype.

    RAW: [width]. IDS: [B, T]. CHUNKS: [B, T, width]. B and T are those of `chunking`, the chunks of this output.
    Without `check_position` the position in a header is free. Raises StreamError.
    """
    match stream.format:
        case StreamFormat.RAW:
            return _raw(stream, arrived)
        case StreamFormat.IDS:
            assert chunking is not None
            return _rows(stream, 0, arrived[0], 1, chunking, check_position)[..., 0]
        case StreamFormat.CHUNKS:
            assert chunking is not None
            return _chunks(stream, arrived, chunking, tensors, check_position)
        case _:
            assert_never(stream.format)


def first_wavelets(
    stream: HostStream, port: HostPort, chunking: Chunking | None, tensors: Mapping[str, np.ndarray]
) -> int:
    """Wavelets of the first chunk on a port of an output; of a RAW stream, all of them."""
    if stream.format == StreamFormat.RAW or chunking is None:
        return stream.dtype.wavelets(stream.width // len(stream.ports))
    return port.header + port_rows(stream, port, tensors) * stream.dtype.wavelets(chunking.groups()[0].tokens)


def port_rows(stream: HostStream, port: HostPort, tensors: Mapping[str, np.ndarray]) -> int:
    """Rows per chunk on a port, padding included."""
    if stream.format == StreamFormat.IDS:
        return 1
    return len(tensors[port.features]) if port.features else stream.width


def _raw(stream: HostStream, arrived: list[np.ndarray]) -> np.ndarray:
    part = stream.width // len(stream.ports)
    for port, words in zip(stream.ports, arrived, strict=True):
        _check_count(stream, port, len(words), stream.dtype.wavelets(part))
    return np.concatenate([unpack(words, part, stream.dtype) for words in arrived])


def _chunks(
    stream: HostStream,
    arrived: list[np.ndarray],
    chunking: Chunking,
    tensors: Mapping[str, np.ndarray],
    check_position: bool,
) -> np.ndarray:
    out = np.empty((chunking.batch, chunking.tokens, stream.width), numpy_dtype(stream.dtype))
    seen = np.zeros((max(port.turns for port in stream.ports), stream.width), bool)
    for index, (port, words) in enumerate(zip(stream.ports, arrived, strict=True)):
        features = tensors[port.features] if port.features else np.arange(stream.width)
        rows = _rows(stream, index, words, len(features), chunking, check_position)
        kept = features >= 0
        if port.turns == 1:
            out[..., features[kept]] = rows[..., kept]
        else:
            tokens = chunking.taken_tokens(port.turn, port.turns)
            batch, place = np.nonzero(tokens)
            out[batch[:, None], place[:, None], features[kept]] = rows[tokens][:, kept]
        seen[port.turn, features[kept]] = True
    if not seen.all():
        raise StreamError(f"output '{stream.name}': no port carries feature {int(np.argmin(seen.all(axis=0)))}")
    return out


def _rows(
    stream: HostStream, index: int, words: np.ndarray, rows: int, chunking: Chunking, check_position: bool
) -> np.ndarray:
    """The rows of one port as [B, T, rows]; those of chunks that are not the port's are zero."""
    port, groups = stream.ports[index], chunking.groups()
    sizes = [g.chunks * (port.header + rows * stream.dtype.wavelets(g.tokens)) for g in groups]
    by_group = np.split(_in_place(stream, port, words, chunking, sizes), np.cumsum(sizes)[:-1], axis=1)
    parts = []
    for group, part in zip(groups, by_group, strict=True):
        wavelets = stream.dtype.wavelets(group.tokens)
        chunks = part.reshape(chunking.batch, group.chunks, port.header + rows * wavelets)
        if port.header:
            _check_headers(stream, port, chunks[..., 0], chunking, group, check_position)
        body = chunks[..., port.header :].reshape(chunking.batch, group.chunks, rows, wavelets)
        values = unpack(body, group.tokens, stream.dtype).swapaxes(2, 3)
        parts.append(values.reshape(chunking.batch, group.chunks * group.tokens, rows))
    return np.concatenate(parts, axis=1)


def _in_place(
    stream: HostStream, port: HostPort, words: np.ndarray, chunking: Chunking, sizes: list[int]
) -> np.ndarray:
    """u32 [B, sum of sizes]: the wavelets of a port where they would be if it carried all chunks, zeros between.

    sizes: wavelets of each group of chunks of a sequence.
    """
    taken, groups = chunking.taken(port.turn, port.turns), chunking.groups()
    lengths = np.concatenate([np.full(g.chunks, size // g.chunks) for g, size in zip(groups, sizes, strict=True)])
    here = np.repeat(taken, lengths, axis=1)
    _check_count(stream, port, len(words), int(here.sum()))
    if taken.all():
        return words.reshape(here.shape)
    full = np.zeros(here.shape, np.uint32)
    full[here] = words
    return full


def _check_count(stream: HostStream, port: HostPort, found: int, expected: int) -> None:
    if found != expected:
        where = f"output '{stream.name}', port at ({port.x}, {port.y}) {port.side.value}, color {port.color}"
        raise StreamError(f"{where}: {found} wavelets arrived, {expected} expected")


def _check_headers(
    stream: HostStream, port: HostPort, found: np.ndarray, chunking: Chunking, group: Group, check_position: bool
) -> None:
    """Headers [B, chunks] against the chunk sequence."""
    mask = np.uint32(0xFFFFFFFF if check_position else 0xFFFF)
    expected = np.broadcast_to(chunking.headers(group), found.shape)
    here = chunking.taken(port.turn, port.turns)[:, group.first // chunking.size :][:, : group.chunks]
    wrong = np.argwhere(here & ((found & mask) != (expected & mask)))
    if len(wrong):
        b, k = wrong[0]
        where = f"output '{stream.name}', port at ({port.x}, {port.y}), sequence {b}, chunk {k}"
        raise StreamError(f"{where}: header {found[b, k]:#010x}, expected {expected[b, k]:#010x}")
