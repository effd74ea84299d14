"""How a batch of sequences is cut into chunks, and the header wavelet each chunk begins with.

Every sequence becomes full chunks and then, if tokens are left, a shorter one; sequences follow one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_ir.program import HostStream, Protocol, StreamFormat

LAST_CHUNK = 1 << 8
POSITION_SHIFT = 16


@dataclass(frozen=True, slots=True)
class Group:
    """`chunks` neighbouring chunks of one sequence, `tokens` tokens each; the first token has position `first`."""

    first: int
    chunks: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Chunking:
    """`batch` sequences of `tokens` tokens each, at most `size` tokens to a chunk."""

    batch: int
    tokens: int
    size: int

    def groups(self) -> tuple[Group, ...]:
        """The full chunks of a sequence, then its shorter last one; either may be absent."""
        full, rest = divmod(self.tokens, self.size)
        groups = (Group(0, full, self.size), Group(full * self.size, 1, rest))
        return tuple(group for group in groups if group.chunks and group.tokens)

    def taken(self, turn: int, turns: int) -> np.ndarray:
        """bool [batch, chunks of a sequence]: those whose number, counted through all sequences, is `turn` modulo
        `turns`."""
        chunks = -(-self.tokens // self.size)
        return (np.arange(self.batch * chunks) % turns == turn).reshape(self.batch, chunks)

    def taken_tokens(self, turn: int, turns: int) -> np.ndarray:
        """bool [batch, tokens]: those of these chunks."""
        return np.repeat(self.taken(turn, turns), self.size, axis=1)[:, : self.tokens]

    def last_only(self) -> Chunking:
        """The chunking of an output that holds the last token of each sequence only."""
        return Chunking(self.batch, 1, 1)

    def headers(self, group: Group) -> np.ndarray:
        """u32 [group.chunks]: count, last-chunk flag, slot 0, position of the first token (modulo 2^16)."""
        first = group.first + group.tokens * np.arange(group.chunks, dtype=np.uint32)
        last = first + group.tokens == self.tokens
        return np.uint32(group.tokens) | (last * np.uint32(LAST_CHUNK)) | (first << np.uint32(POSITION_SHIFT))


def output_chunking(
    stream: HostStream, protocol: Protocol | None, chunking: Chunking | None
) -> tuple[Chunking | None, bool]:
    """How an output stream is cut, and whether it holds every token (or only the last of each sequence)."""
    if stream.format == StreamFormat.RAW or chunking is None:
        return None, True
    if protocol is not None and protocol.last_only:
        return chunking.last_only(), False
    return chunking, True
