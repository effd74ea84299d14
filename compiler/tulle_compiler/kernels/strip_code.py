"""The classes and tasks of a strip (strip.py)."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.builder import (
    ClassBuilder,
    compute,
    launch,
    mem,
    send_header,
    take_header,
    vector,
    wait,
)
from tulle_compiler.kernels.chains import runs, sending_parity
from tulle_compiler.kernels.strip import JOIN, KEEP, RESIDUAL, SEND
from tulle_compiler.kernels.strip_norm import norm
from tulle_compiler.kernels.view import View
from tulle_ir.code import Cmp, Control, If, Instruction, Reg, TaskVerb
from tulle_ir.program import Grid, ProgramClass


def emit_strip(view: View, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """The classes of a strip, by place in the chain."""
    length = view.partition("lanes").lanes
    if view.kernel.params["norm"] == "none":
        return [_emit(view, 0, length, 1, tensors)]
    middle, ends = length // 2, (0, length - 1)
    places = [(p >= middle, p == middle, p in ends, sending_parity(p, length)) for p in range(length)]
    return [_emit(view, *run, tensors) for run in runs(places)]


def _emit(view: View, first: int, count: int, step: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """The PEs at positions first, first + step, ..."""
    precision, chunk, params = view.precision, view.chunk, view.kernel.params
    partition = view.partition("lanes")
    lanes = view.ports["y"].lanes()[first + step * np.arange(count)]
    b = ClassBuilder(f"p{first}", Grid(first, 0, count, 1, step, 1), view.target)
    rows = b.register("E", partition.sizes[lanes][None, :])
    header, n = b.register("header"), b.register("n")
    block = partition.largest * chunk
    b.buffer("X", precision.stream, block, side=1)
    out = b.output("y", view.ports["y"].colors[first], precision.stream)
    if params["join"]:
        code, trigger = _join(view, b, rows, header, n)
    else:
        trigger = b.input("x", view.ports["x"].colors[first], precision.stream)
        receive = launch(JOIN, "mov", mem("X", (chunk, 1)), trigger, None, rows, n)
        code = [*take_header(trigger, header, n), wait(KEEP), receive, wait(JOIN)]
    if params["keep"]:
        keep = b.output("keep", view.ports["keep"].colors[first], precision.stream)
        code += [send_header(keep, header), launch(KEEP, "mov", keep, mem("X", (chunk, 1)), None, rows, n)]
    work: list[Instruction] = []
    result = "X"
    if params["norm"] != "none":
        work = [wait(SEND), *norm(view, b, first, lanes, rows, n)]
        result = "OUT"
    work += [send_header(out, header), launch(SEND, "mov", out, mem(result, (chunk, 1)), None, rows, n)]
    if result == "X":
        work.append(wait(SEND))
    code += _if_last(b, work, header, n, rows, chunk) if params["last_only"] else work
    if params["join"]:
        code += _release(view)
    b.task("chunk", code, on=trigger, blocked=bool(params["join"]))
    return b.finish(view.kernel.name, view.frame, tensors)


def _join(view: View, b: ClassBuilder, rows: Reg, header: Reg, n: Reg):
    """Residual chunks queue up in a ring; the branch's chunk is added to the oldest. Returns (code, trigger)."""
    precision, chunk = view.precision, view.chunk
    slots = view.number("slots")
    block = view.partition("lanes").largest * chunk
    first = b.grid.x
    residual = b.input("residual", view.ports["residual"].colors[first], precision.stream)
    branch = b.input("branch", view.ports["branch"].colors[first], precision.stream)
    b.buffer("RING", precision.stream, slots * block)
    write, read, filled = b.register("write"), b.register("read"), b.register("filled")
    waiting, length = b.register("waiting"), b.register("length")
    slot = mem("RING", (chunk, 1), 0, (write, block))
    b.task(
        "stored",
        [
            compute(filled, filled, "+", 1),
            compute(write, write, "+", 1),
            If(write, Cmp.EQ, slots, (compute(write, 0),)),
            Control(TaskVerb.UNBLOCK, "chunk"),
            If(filled, Cmp.LT, slots, (Control(TaskVerb.UNBLOCK, "store"),)),
        ],
    )
    b.task(
        "store",
        [
            *take_header(residual, waiting, length),
            Control(TaskVerb.BLOCK, "store"),
            launch(RESIDUAL, "mov", slot, residual, None, rows, length, then="stored"),
        ],
        on=residual,
    )
    add = launch(JOIN, "add", mem("X", (chunk, 1)), branch, mem("RING", (chunk, 1), 0, (read, block)), rows, n)
    return [*take_header(branch, header, n), wait(KEEP), add, wait(JOIN)], branch


def _release(view: View) -> list[Instruction]:
    """The oldest residual chunk has been used: free its slot; wait for the next one."""
    filled, read, slots = Reg("filled"), Reg("read"), view.number("slots")
    return [
        compute(filled, filled, "-", 1),
        compute(read, read, "+", 1),
        If(read, Cmp.EQ, slots, (compute(read, 0),)),
        If(filled, Cmp.EQ, 0, (Control(TaskVerb.BLOCK, "chunk"),)),
        If(filled, Cmp.EQ, slots - 1, (Control(TaskVerb.UNBLOCK, "store"),)),
    ]


def _if_last(b: ClassBuilder, work: list[Instruction], header: Reg, n: Reg, rows: Reg, chunk: int) -> list[Instruction]:
    """Do `work` for the last token of a sequence only: other chunks are dropped."""
    flag, last = b.register("flag"), b.register("last")
    select = [
        compute(last, n, "-", 1),
        vector("mov", mem("X", (chunk, 1)), mem("X", (chunk, 1), 0, (last, 1)), None, rows, 1),
        compute(header, header, "-", last),
        compute(last, last, "<<", 16),
        compute(header, header, "+", last),
        compute(n, 1),
    ]
    return [compute(flag, header, "&", 256), If(flag, Cmp.NE, 0, (*select, *work))]
