"""Receiving and scoring a chunk on a tile of the attention kernel (attention_tile.py)."""

from __future__ import annotations

from tulle_compiler.kernels.attention_products import Products, Terms
from tulle_compiler.kernels.attention_tile import (
    ARRIVING,
    BACK,
    DOWN,
    EAST,
    HEADER,
    KEYS,
    RECEIVE,
    SHARE,
    WEST,
    N,
    Tile,
)
from tulle_compiler.kernels.builder import compute, divide, launch, mem, vector, wait
from tulle_ir.code import Cmp, Control, Fabric, If, Instruction, Mem, Pop, Reg, Scalar, TaskVerb, Vector, While

LOWEST = -1e30  # below every score; exp of it is 0


def receive(tile: Tile) -> list[Instruction]:
    """The chunk into X, once its last reader is through."""
    arriving = tile.builder.register("tokens")
    rows = mem("X", (tile.chunk, 1))
    return [
        Pop(ARRIVING, tile.qkv.queue),
        compute(arriving, ARRIVING, "&", 255),
        Control(TaskVerb.BLOCK, "receive"),
        launch(RECEIVE, "mov", rows, tile.qkv, None, 3 * tile.dim, arriving, "score"),
    ]


def score(tile: Tile) -> list[Instruction]:
    """Append, score, find the maximum; the next chunk's scores must wait until this one's are used."""
    return [
        Control(TaskVerb.BLOCK, "score"),
        compute(HEADER, ARRIVING),
        compute(N, HEADER, "&", 255),
        *_append(tile),
        *_scores(tile),
        Control(TaskVerb.UNBLOCK, "receive"),
        *_hide(tile),
        *_sums(tile),
        *_maximum(tile),
    ]


def _append(tile: Tile) -> list[Instruction]:
    """Keys and values of the row's positions go to the cache."""
    first, t, before = (tile.builder.register(name) for name in ("first", "t", "before"))
    chunk, room, widest = tile.chunk, tile.block.room, tile.block.widest
    key, value = mem("K", (0, room), 0, (KEYS, 1)), mem("V", (0, 1), 0, (KEYS, widest))
    own = [
        vector("mov", key, mem("X", (0, chunk), 0, (t, 1)), None, 1, tile.dim),
        vector("mov", value, mem("X", (0, chunk), tile.dim * chunk, (t, 1)), None, 1, tile.dim),
    ]
    return [
        compute(first, HEADER, ">>", 16),
        compute(first, first, "&", 0xFFFF),
        compute(before, first, "+", tile.behind),
        divide(before, tile.block.rows),  # the row's keys before the chunk
        *_for_own_tokens(tile, *own),
    ]


def _for_own_tokens(tile: Tile, *body: Instruction) -> list[Instruction]:
    """Do something for the chunk's tokens that belong to the row, with their key in KEYS: token t is the chunk's."""
    t, rows = Reg("t"), tile.block.rows
    step = (*body, compute(KEYS, KEYS, "+", 1), compute(t, t, "+", rows))
    return [
        compute(KEYS, Reg("before")),
        compute(t, KEYS, "*", rows),
        compute(t, t, "+", tile.row),
        compute(t, t, "-", Reg("first")),
        While(t, Cmp.LT, N, step) if rows < tile.chunk else If(t, Cmp.LT, N, step),
    ]


def _scores(tile: Tile) -> list[Instruction]:
    """P[key, t] = sum over the slice's features of K[feature, key] * q[feature, t]."""
    keys, queries = Terms("K", tile.block.room), Terms("X", tile.chunk, 2 * tile.dim * tile.chunk)
    return Products(tile, "P", keys, queries, tile.dim, tile.dim, KEYS).code()


def _hide(tile: Tile) -> list[Instruction]:
    """Tokens before a key's position do not see it."""
    if tile.chunk == 1:
        return []
    hidden = vector("mov", mem("P", (0, 1), 0, (KEYS, tile.chunk)), LOWEST, None, 1, Reg("t"))
    return _for_own_tokens(tile, hidden)


def _sums(tile: Tile) -> list[Instruction]:
    """Each tile gets the sums of its share of the keys. What goes east is for the columns there, the next one's share
    first; what goes west likewise, the next one's last. Neither waits for the other."""
    c = tile.place.column
    from_west, to_west, from_east, to_east = tile.neighbours()
    counted, own = tile.shared(c)
    keep, everything, further = tile.share_of(c, "P"), tile.share_of(0, "P"), tile.share_of(c + 1, "P")
    code: list[Instruction] = [*_share(tile), *counted]
    if from_west is not None:
        code.append(launch(EAST, "add", keep, from_west, keep, own, N))
    if to_west is not None:
        counted, number = tile.before(c)
        code += [*counted, pass_on(WEST, "add", to_west, from_east, everything, number)]
    if to_east is not None:
        counted, number = tile.on_from(c + 1)
        code += [*counted, pass_on(EAST, "add", to_east, from_west, further, number)]
    if from_east is not None:
        code.append(launch(WEST, "add", keep, from_east, keep, own, N))
    return [*code, wait(EAST), wait(WEST)]


def _share(tile: Tile) -> list[Instruction]:
    """SHARE = KEYS / C, rounded up."""
    columns = tile.block.columns
    return [compute(SHARE, KEYS, "+", columns - 1), divide(SHARE, columns)]


def pass_on(thread: int, op: str, to: Fabric, source: Fabric | None, own: Mem, rows: Scalar) -> Vector:
    """A step of a chain: what comes, with the own rows added (or the maximum of both); the first has only its own."""
    if source is None:
        return launch(thread, "mov", to, own, None, rows, N)
    return launch(thread, op, to, source, own, rows, N)


def _maximum(tile: Tile) -> list[Instruction]:
    """Scale; the maximum goes along the row, then down the last column, and comes back from the finisher there."""
    own, scores, keys = mem("M", (0, 1)), tile.share_of(tile.place.column, "P"), Reg(f"share{tile.place.column}")
    from_west, _, _, to_east = tile.neighbours()
    code: list[Instruction] = [
        vector("mul", scores, scores, float(tile.view.kernel.params["scale"]), keys, N),
        vector("mov", own, LOWEST, None, 1, N),
        vector("max", own, own, scores, keys, N),
    ]
    if to_east is not None:
        code.append(pass_on(EAST, "max", to_east, from_west, own, 1))
    else:
        if from_west is not None:
            code += [launch(EAST, "max", own, from_west, own, 1, N), wait(EAST)]
        code += [*tile.announce(), pass_on(DOWN, "max", tile.below(), tile.above(), own, 1)]
    back = tile.arriving("back", tile.block.back)
    return [*code, launch(BACK, "mov", own, back, None, 1, N, "weigh")]
