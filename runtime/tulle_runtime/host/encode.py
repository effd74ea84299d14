"""Input arrays to the wavelet list of each port of a stream. No Python per wavelet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np

from tulle_ir.program import HostPort, HostStream, StreamFormat
from tulle_runtime.host.chunking import Chunking, Group
from tulle_runtime.host.packing import pack


def encode(
    stream: HostStream, array: np.ndarray, chunking: Chunking | None, tensors: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """One u32 array per port of the input `stream`.

    RAW takes `width` elements of any shape; IDS takes ids [B, T]; CHUNKS takes [B, T, width]. B and T are those of
    `chunking`, which RAW does not need. Shapes and ranges are checked before (feeds.py).
    """
    match stream.format:
        case StreamFormat.RAW:
            return [pack(part, stream.dtype) for part in array.reshape(len(stream.ports), -1)]
        case StreamFormat.IDS:
            assert chunking is not None
            return [_chunks(array[..., None], port, None, stream, chunking) for port in stream.ports]
        case StreamFormat.CHUNKS:
            assert chunking is not None
            return [_chunks(array, port, tensors.get(port.features), stream, chunking) for port in stream.ports]
        case _:
            assert_never(stream.format)


def _chunks(
    array: np.ndarray, port: HostPort, features: np.ndarray | None, stream: HostStream, chunking: Chunking
) -> np.ndarray:
    """[B, T, width] to the wavelets of the port's chunks; features None takes all of them in order."""
    rows = array if features is None else _select(array, features)
    groups = chunking.groups()
    parts = [_group(rows, port, stream, chunking, group) for group in groups]
    words = np.concatenate(parts, axis=1)
    if port.turns == 1:
        return words.reshape(-1)
    lengths = np.concatenate([np.full(g.chunks, p.shape[1] // g.chunks) for g, p in zip(groups, parts, strict=True)])
    return words[np.repeat(chunking.taken(port.turn, port.turns), lengths, axis=1)]


def _select(array: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The features of a port, in order; a feature of -1 is padding and travels as zero."""
    return np.where(features >= 0, array[..., features], array.dtype.type(0))


def _group(rows: np.ndarray, port: HostPort, stream: HostStream, chunking: Chunking, group: Group) -> np.ndarray:
    """u32 [B, wavelets] of a group of chunks: per chunk a header, if the port has one, and a row per feature."""
    tokens = rows[:, group.first : group.first + group.chunks * group.tokens]
    by_chunk = tokens.reshape(chunking.batch, group.chunks, group.tokens, rows.shape[-1]).swapaxes(2, 3)
    wavelets = rows.shape[-1] * stream.dtype.wavelets(group.tokens)
    words = pack(by_chunk, stream.dtype).reshape(chunking.batch, group.chunks, wavelets)
    if port.header:
        headers = np.broadcast_to(chunking.headers(group)[None, :, None], (*words.shape[:2], 1))
        words = np.concatenate([headers, words], axis=2)
    return words.reshape(chunking.batch, words.shape[1] * words.shape[2])
