"""Weighing the values on a tile of the attention kernel (attention_tile.py)."""

from __future__ import annotations

from tulle_compiler.kernels.attention_products import Products, Terms
from tulle_compiler.kernels.attention_score import pass_on
from tulle_compiler.kernels.attention_tile import DOWN, GATHER, KEYS, SEND, N, Tile
from tulle_compiler.kernels.builder import add_to, launch, mem, vector, wait
from tulle_ir.code import Cmp, Control, If, Instruction, Reg, TaskVerb


def weigh(tile: Tile) -> list[Instruction]:
    """W = exp(P - M), then O = the weighted values, which go down the column."""
    rows = mem("O", (tile.chunk, 1))
    announced = [] if tile.is_last_column else tile.announce()  # there with the maximum
    return [
        *_weights(tile),
        wait(DOWN),
        *_weighted_values(tile),
        *announced,
        pass_on(DOWN, "add", tile.below(), tile.above(), rows, tile.dim + 1),
        Control(TaskVerb.UNBLOCK, "score"),
    ]


def _weights(tile: Tile) -> list[Instruction]:
    """The weights of the own share, to the other columns of the row; theirs from them."""
    c = tile.place.column
    scores, weights, keys = tile.share_of(c, "P"), tile.share_of(c, "W"), Reg(f"share{c}")
    code: list[Instruction] = [
        vector("sub", scores, scores, mem("M", (0, 1)), keys, N),
        vector("exp", weights, scores, None, keys, N),
    ]
    others = [column for column in range(tile.block.columns) if column != c]
    if others:
        out = tile.leaving("weights", tile.block.weights(c), tile.stream)
        code.append(launch(SEND, "mov", out, weights, None, keys, N))
    for thread, column in enumerate(others, GATHER):
        arriving = tile.arriving(f"weights{column}", tile.block.weights(column), tile.stream)
        counted, number = tile.shared(column)
        code += [*counted, launch(thread, "mov", tile.share_of(column, "W"), arriving, None, number, N)]
    return [*code, *(wait(thread) for thread, _ in enumerate(others, GATHER))]


def _weighted_values(tile: Tile) -> list[Instruction]:
    """O[feature, t] = sum over keys of V[key, feature] * W[key, t]; its last row is the sum of the weights."""
    chunk, dim, block = tile.chunk, tile.dim, tile.block
    total, values, weights = mem("O", (0, 1), dim * chunk), Terms("V", block.widest), Terms("W", chunk)
    some = (
        *Products(tile, "O", values, weights, KEYS, block.room, dim).code(),
        vector("mov", total, 0.0, None, 1, N),
        add_to(total, mem("W", (chunk, 1)), tile.stream, KEYS, N),
    )
    return [If(KEYS, Cmp.GT, 0, some, (vector("mov", mem("O", (chunk, 1)), 0.0, None, dim + 1, N),))]
