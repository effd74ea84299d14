"""Weighing the values and finishing a chunk on a worker of the attention kernel (attention_worker.py)."""

from __future__ import annotations

from tulle_compiler.kernels.attention_worker import BROADCAST, IN_FLIGHT, SEND, SUM, SUMS, Worker, room_taken
from tulle_compiler.kernels.builder import add_to, compute, launch, mem, send_header, vector, wait
from tulle_ir.code import Cmp, Control, DType, If, Instruction, Load, Loop, Offset, Reg, TaskVerb

HEADER, N, KEYS, READ = Reg("weigh_header"), Reg("weigh_n"), Reg("weigh_keys"), Reg("read")  # of the chunk; its slot


def weigh(w: Worker) -> list[Instruction]:
    """W = exp(P - M), then O = the weighted values, which go down the chain."""
    later, taken = w.builder.register("later"), w.builder.register("taken_up")
    for register in (HEADER, N, KEYS, READ):
        w.builder.register(register.name)
    scores, weights = w.scores(READ), mem("W", (w.chunk, 1))
    back: list[Instruction] = []
    if w.link.is_last and w.count > 1:
        out = w.builder.output("back", w.view.colors[BROADCAST], DType.F32)
        back = [vector("mov", out, w.maxima(READ), None, 1, N)]
    return [
        Load(HEADER, "PENDING", Offset(0, ((READ, 2),))),
        Load(KEYS, "PENDING", Offset(1, ((READ, 2),))),
        compute(N, HEADER, "&", 255),
        *back,
        vector("sub", scores, scores, w.maxima(READ), KEYS, N),
        vector("exp", weights, scores, None, KEYS, N),
        compute(READ, 1, "-", READ),
        *room_taken(HEADER, taken),
        compute(w.waiting, w.waiting, "-", taken),
        If(w.waiting, Cmp.LT, IN_FLIGHT, (Control(TaskVerb.UNBLOCK, "score"),)),
        wait(SUM),
        *_weighted_values(w, later),
        *_send_sums(w),
    ]


def _weighted_values(w: Worker, later: Reg) -> list[Instruction]:
    """O[d, t] = sum over keys of V[key, d] * W[key, t], its last row the sum of the weights: the first key sets O."""
    output, total = mem("O", (w.chunk, 1)), mem("O", (0, 1), w.dim * w.chunk)
    first = vector("mul", output, mem("V", (1, 0)), mem("W", (0, 1)), w.dim, N)
    next_value, next_weight = mem("V", (1, 0), w.dim, (w.key, w.dim)), mem("W", (0, 1), w.chunk, (w.key, w.chunk))
    some = (
        first,
        compute(later, KEYS, "-", 1),
        Loop(w.key, later, (vector("fma", output, next_value, next_weight, w.dim, N),)),
        vector("mov", total, 0.0, None, 1, N),
        add_to(total, mem("W", (w.chunk, 1)), w.stream, KEYS, N),
    )
    return [If(KEYS, Cmp.GT, 0, some, (vector("mov", output, 0.0, None, w.dim + 1, N),))]


def _send_sums(w: Worker) -> list[Instruction]:
    """Add up O along the chain; on the last worker into R, which must be finished before the next chunk's sums."""
    own = mem("O", (w.chunk, 1))
    if w.count == 1:
        return _finish(w, "O")
    if w.link.is_first:
        return [launch(SUM, "mov", w.below(SUMS), own, None, w.dim + 1, N)]
    if not w.link.is_last:
        return [launch(SUM, "add", w.below(SUMS), w.above(SUMS), own, w.dim + 1, N)]
    w.builder.buffer("R", DType.F32, (w.dim + 1) * w.chunk, side=0)
    result = mem("R", (w.chunk, 1))
    return [
        Control(TaskVerb.BLOCK, "weigh"),
        launch(SUM, "add", result, w.above(SUMS), own, w.dim + 1, N, "finish"),
    ]


def last_tasks(w: Worker) -> dict[str, list[Instruction]]:
    """The further tasks of the last worker: a second maximum may arrive before the first chunk is finished."""
    arrived = w.builder.register("arrived")
    again = If(arrived, Cmp.GT, 0, (Control(TaskVerb.ACTIVATE, "weigh"),))
    return {
        "arrived": [compute(arrived, arrived, "+", 1), Control(TaskVerb.ACTIVATE, "weigh")],
        "finish": [*_finish(w, "R"), Control(TaskVerb.UNBLOCK, "weigh"), compute(arrived, arrived, "-", 1), again],
    }


def _finish(w: Worker, sums: str) -> list[Instruction]:
    """Divide by the sum of weights and send."""
    w.builder.buffer("OUT", w.stream, w.dim * w.chunk, side=1)
    out = w.builder.output("y", w.view.ports["y"].colors[0], w.stream)
    total = mem(sums, (0, 1), w.dim * w.chunk)
    return [
        vector("recip", total, total, None, 1, N),
        wait(SEND),
        vector("mul", mem("OUT", (w.chunk, 1)), mem(sums, (w.chunk, 1)), total, w.dim, N),
        send_header(out, HEADER),
        launch(SEND, "mov", out, mem("OUT", (w.chunk, 1)), None, w.dim, N),
    ]
