"""The products of a tile of the attention kernel: scores over the features of its slice, values over its row's keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tulle_compiler.kernels.attention_tile import N, Tile
from tulle_compiler.kernels.builder import compute, mem, vector
from tulle_ir.code import Cmp, If, Instruction, Loop, Reg, Scalar, Vector

Code = tuple[Instruction, ...]


class Terms(NamedTuple):
    """A matrix with a row for each term of the sums: its buffer, elements from row to row, and its offset."""

    buffer: str
    pitch: int
    at: int = 0

    def term(self, at: int, *on_from: Reg) -> tuple[str, int, tuple[tuple[Reg, int], ...]]:
        """Buffer, offset and register terms of a row: `at` rows on from the one in a register, or from the first."""
        return self.buffer, self.at + at * self.pitch, tuple((r, self.pitch) for r in on_from)


def most_in_turn(terms: int) -> int:
    """For how many tokens two instructions each, over all terms, are fewer than one per term."""
    return (terms - 1) // 2


@dataclass(frozen=True)
class Products:
    """into[i, t] = sum over all terms k of left[k, i] * right[k, t] for i < wide and t < N.

    Vector rows go over the longer of i and t. count: number of terms, at least 1 and at most `most`.
    """

    tile: Tile
    into: str
    left: Terms
    right: Terms
    count: Scalar
    most: int
    wide: Scalar

    def code(self) -> list[Instruction]:
        """The first term sets the sums: they are never cleared."""
        further = self.tile.builder.register("further")
        over_wide = self._up_to(most_in_turn(self.most), self._by_token(), self._by_term(True))
        return [compute(further, self.count, "-", 1), *self._up_to(self.wide, over_wide, self._by_term(False))]

    def _up_to(self, tokens: Scalar, few: Code, many: Code) -> Code:
        """One way for so many tokens, another for more, as far as chunks have both."""
        if isinstance(tokens, int) and not 1 <= tokens < self.tile.chunk:
            return few if tokens else many
        return (If(N, Cmp.LE, tokens, few, many),)

    def _by_term(self, over_wide: bool) -> Code:
        """An instruction for each term."""
        term = self.tile.builder.register("term")
        return self._term("mul", over_wide, 0), Loop(term, Reg("further"), (self._term("fma", over_wide, 1, term),))

    def _term(self, op: str, over_wide: bool, at: int, *on_from: Reg) -> Vector:
        (left, a, more), (right, b, also) = self.left.term(at, *on_from), self.right.term(at, *on_from)
        if over_wide:
            sums = mem(self.into, (1, self.tile.chunk))
            return vector(op, sums, mem(right, (1, 0), b, *also), mem(left, (0, 1), a, *more), N, self.wide)
        sums = mem(self.into, (self.tile.chunk, 1))
        return vector(op, sums, mem(left, (1, 0), a, *more), mem(right, (0, 1), b, *also), self.wide, N)

    def _by_token(self) -> Code:
        """Two instructions for each token: its first term, all others."""
        token = self.tile.builder.register("token")
        return (Loop(token, N, (self._token("mul", 0, 1, token), self._token("fma", 1, Reg("further"), token))),)

    def _token(self, op: str, at: int, count: Scalar, token: Reg) -> Vector:
        (left, a, _), (right, b, _) = self.left.term(at), self.right.term(at)
        sums = mem(self.into, (0, self.tile.chunk), 0, (token, 1))
        factors = mem(right, (self.right.pitch, 0), b, (token, 1)), mem(left, (self.left.pitch, 1), a)
        return vector(op, sums, *factors, count, self.wide)
