"""Receiving and scoring a chunk on a worker of the attention kernel (attention_worker.py)."""

from __future__ import annotations

from tulle_compiler.kernels.attention_worker import (
    BACK,
    BROADCAST,
    IN_FLIGHT,
    MAXIMA,
    MAXIMUM,
    RECEIVE,
    Worker,
    part_bounds,
    room_taken,
)
from tulle_compiler.kernels.builder import compute, launch, mem, take_header, vector, wait
from tulle_ir.code import Cmp, Control, DType, If, Instruction, Loop, Offset, Reg, Store, TaskVerb, While

LOWEST = -1e30  # below every score; exp of it is 0
HEADER, N, KEYS, WRITE = Reg("header"), Reg("n"), Reg("keys"), Reg("write")  # of the chunk being scored; its slot


def receive(w: Worker) -> list[Instruction]:
    """All parts of the chunk into X; a reversed order of lanes means the parts arrive from the other end."""
    for register in (HEADER, N, KEYS, WRITE):
        w.builder.register(register.name)
    bounds, last = part_bounds(w.dim, len(w.parts)), len(w.parts) - 1
    code: list[Instruction] = [Control(TaskVerb.BLOCK, "receive")]
    for c, queue in enumerate(w.parts):
        part = last - c if w.view.ports["qkv"].reversed else c
        begin, size = int(bounds[part]), int(bounds[part + 1] - bounds[part])
        block, then = mem("X", (w.chunk, 1), begin * w.chunk), "score" if c == last else ""
        code += [*take_header(queue, HEADER, N), launch(RECEIVE + c, "mov", block, queue, None, size, N, then)]
    return code


def score(w: Worker) -> list[Instruction]:
    """Append, score, find the maximum, and leave the rest to weigh. A third chunk must wait, and so must the next
    sequence, which would overwrite the values: the last chunk of a sequence takes all the room there is."""
    taken = w.builder.register("taken")
    return [
        *(wait(RECEIVE + c) for c in range(len(w.parts))),
        *_append(w),
        *_scores(w),
        Control(TaskVerb.UNBLOCK, "receive"),
        *_maximum(w),
        Store("PENDING", HEADER, Offset(0, ((WRITE, 2),))),
        Store("PENDING", KEYS, Offset(1, ((WRITE, 2),))),
        compute(WRITE, 1, "-", WRITE),
        *room_taken(HEADER, taken),
        compute(w.waiting, w.waiting, "+", taken),
        If(w.waiting, Cmp.GE, IN_FLIGHT, (Control(TaskVerb.BLOCK, "score"),)),
    ]


def _append(w: Worker) -> list[Instruction]:
    """Keys and values of the own positions go to the cache. Scores begin at 0, before a key's position at LOWEST."""
    first, t = w.builder.register("first"), w.builder.register("t")
    own: list[Instruction] = [
        vector("mov", mem(cache, (0, 1), 0, (KEYS, w.dim)), mem("X", (0, w.chunk), begin, (t, 1)), None, 1, w.dim)
        for cache, begin in (("K", 0), ("V", w.dim * w.chunk))
    ]
    scores = w.scores(WRITE, (KEYS, w.chunk))
    own += [vector("mov", scores, 0.0, None, 1, N), vector("mov", scores, LOWEST, None, 1, t)]
    own.append(compute(KEYS, KEYS, "+", 1))
    several = While(t, Cmp.LT, N, (*own, compute(t, t, "+", w.count)))
    return [
        compute(first, HEADER, ">>", 16),
        compute(first, first, "&", 0xFFFF),
        compute(KEYS, first, "+", w.behind),
        compute(KEYS, KEYS, "/", w.count),  # this worker's keys before the chunk
        compute(t, KEYS, "*", w.count),
        compute(t, t, "+", w.number),
        compute(t, t, "-", first),  # the chunk's first token that is this worker's
        vector("mov", w.scores(WRITE), 0.0, None, KEYS, N),
        several if w.count < w.chunk else If(t, Cmp.LT, N, tuple(own)),
    ]


def _scores(w: Worker) -> list[Instruction]:
    """P[key, t] += K[key] . q[t]."""
    key, query = mem("K", (1, 0), 0, (w.key, w.dim)), mem("X", (w.chunk, 1), 2 * w.dim * w.chunk)
    row = mem("P", (0, 1), 0, (WRITE, w.room * w.chunk), (w.key, w.chunk))
    return [Loop(w.key, KEYS, (vector("fma", row, key, query, w.dim, N),))]


def _maximum(w: Worker) -> list[Instruction]:
    """Scale; the maximum runs down the chain, and the last worker sends the result back to all."""
    own, scores = w.maxima(WRITE), w.scores(WRITE)
    code: list[Instruction] = [
        vector("mul", scores, scores, float(w.view.kernel.params["scale"]), KEYS, N),
        vector("mov", own, LOWEST, None, 1, N),
        vector("max", own, own, scores, KEYS, N),
    ]
    if w.count == 1:
        return [*code, Control(TaskVerb.ACTIVATE, "weigh")]
    if w.link.is_last:
        return [*code, launch(MAXIMUM, "max", own, w.above(MAXIMA), own, 1, N, "arrived")]
    if w.link.is_first:
        code.append(launch(MAXIMUM, "mov", w.below(MAXIMA), own, None, 1, N))
    else:
        code.append(launch(MAXIMUM, "max", w.below(MAXIMA), w.above(MAXIMA), own, 1, N))
    back = w.builder.input("back", w.view.colors[BROADCAST], DType.F32)
    return [*code, launch(BACK, "mov", own, back, None, 1, N, "weigh")]
