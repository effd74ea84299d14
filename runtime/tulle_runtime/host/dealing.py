"""What each copy of a program that stands several times on the mesh gets of a batch.

Sequence b goes to copy b mod R, which runs its sequences back to back; with fewer sequences than copies some are idle.
Where the protocol sets no context, rows are independent of each other: then all rows, one sequence after the other, are
dealt in runs of whole chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tulle_ir.program import HostStream, Program
from tulle_runtime.host.chunking import Chunking, output_chunking
from tulle_runtime.host.decode import decode
from tulle_runtime.host.encode import encode
from tulle_runtime.result import Arrivals


@dataclass(frozen=True, slots=True)
class Share:
    """What one copy runs: `part` of an array [B, T, ...], and how that is cut (None: all streams are RAW)."""

    part: tuple[slice, ...]
    chunking: Chunking | None


@dataclass(frozen=True, slots=True)
class Dealing:
    """A batch, dealt; the first share is the largest. Before, arrays take the `shape` [B, T]."""

    whole: Chunking | None
    shape: tuple[int, ...]
    shares: tuple[Share, ...]

    @property
    def first(self) -> Chunking | None:
        """What the first copy runs."""
        return self.shares[0].chunking

    @property
    def tokens(self) -> int:
        """Of all sequences."""
        return self.whole.batch * self.whole.tokens if self.whole else 0


def deal(chunking: Chunking | None, program: Program) -> Dealing:
    """A share per copy, in their order."""
    copies, protocol = program.replicas.count, program.protocol
    if chunking is None or copies == 1:
        return Dealing(chunking, (), (Share((), chunking),))
    if protocol is None or protocol.context or protocol.last_only:
        shares = tuple(_sequences(chunking, copy, copies) for copy in range(copies))
        return Dealing(chunking, (chunking.batch, chunking.tokens), shares)
    rows = chunking.batch * chunking.tokens
    return Dealing(chunking, (1, rows), tuple(_rows(rows, chunking.size, copy, copies) for copy in range(copies)))


def _sequences(chunking: Chunking, copy: int, copies: int) -> Share:
    count = len(range(copy, chunking.batch, copies))
    return Share((slice(copy, None, copies),), replace(chunking, batch=count))


def _rows(rows: int, size: int, copy: int, copies: int) -> Share:
    """A run of whole chunks."""
    chunks = -(-rows // size)
    begin, end = (min(rows, size * -(-chunks * k // copies)) for k in (copy, copy + 1))
    if begin == end:
        return Share((slice(0), slice(1)), Chunking(0, 1, size))
    return Share((slice(None), slice(begin, end)), Chunking(1, end - begin, size))


def encode_dealt(program: Program, bound: Mapping[str, np.ndarray], dealing: Dealing) -> list[list[np.ndarray]]:
    """The wavelets of every port of the input streams, copy after copy; `bound`: the whole arrays by stream."""
    return [
        encode(stream, _shaped(bound[stream.name], dealing.shape)[share.part], share.chunking, program.tensors)
        for share in dealing.shares
        for stream in program.streams
        if stream.is_input
    ]


def decode_dealt(
    program: Program, stream: HostStream, outputs: Sequence[Sequence[Arrivals]], dealing: Dealing
) -> np.ndarray:
    """The array of an output stream in the order of the batch; `outputs`: arrivals at every port of the output streams,
    copy after copy. Raises StreamError."""
    names = [other.name for other in program.streams if not other.is_input]
    parts = []
    for copy, share in enumerate(dealing.shares):
        ports = outputs[copy * len(names) + names.index(stream.name)]
        cut, whole = output_chunking(stream, program.protocol, share.chunking)
        arrived = [arrivals.values for arrivals in ports]
        parts.append(decode(stream, arrived, cut, program.tensors, check_position=whole))
    cut, _ = output_chunking(stream, program.protocol, dealing.whole)
    return parts[0] if cut is None or len(parts) == 1 else _together(parts, cut, dealing)


def _together(parts: Sequence[np.ndarray], cut: Chunking, dealing: Dealing) -> np.ndarray:
    """The parts of all copies in one array; `cut`: the chunks of this output for the whole batch."""
    result = np.empty((cut.batch, cut.tokens, *parts[0].shape[2:]), parts[0].dtype)
    dealt = result.reshape(dealing.shape[0], -1, *parts[0].shape[2:])
    for part, share in zip(parts, dealing.shares, strict=True):
        dealt[share.part] = part
    return result


def _shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return array.reshape(*shape, *array.shape[2:]) if shape else array
