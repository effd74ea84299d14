"""Hand-made programs that load the fast engine in one way each."""

from __future__ import annotations

import numpy as np

from tulle_ir.code import Await, Axpy, DType, Fabric, Launch, Loop, Mem, Number, Offset, Reg, Vector, VectorOp
from tulle_ir.program import (
    Affine,
    Buffer,
    Bundle,
    Grid,
    Leg,
    Port,
    Program,
    ProgramClass,
    Queue,
    Register,
    Route,
    Table,
    Task,
    Trigger,
)

X = (Buffer("x", DType.F32, 1, 0),)
HERE = Mem("x", strides=(0, 0))


def chains(width: int, height: int, n: int, rows: int | None = None) -> Program:
    """Chains of adds along the first `rows` rows; an even width."""
    rows = rows or height
    odd = Affine(1, per_i=2)

    def hops(color: int, lanes: int, first: Affine, to: Affine) -> Route:
        leg = Leg(Port.EAST, to)
        bundle = Bundle(color, (lanes, rows), first, Affine(0, per_j=1), Port.RAMP, (leg,), Port.RAMP)
        return Route(f"hops {color}", (bundle,))

    routes = (
        hops(0, width // 2, Affine(0, per_i=2), odd),
        hops(1, width // 2 - 1, odd, Affine(2, per_i=2)),
    )

    def cls(name: str, grid: Grid, into: int | None, out: int | None) -> ProgramClass:
        queues = []
        if into is not None:
            queues.append(Queue("i", True, 0, into, DType.F32))
        if out is not None:
            queues.append(Queue("o", False, 2, out, DType.F32))
        source = Fabric("i") if into is not None else Number(1.0)
        sink = Fabric("o") if out is not None else HERE
        code = Vector(VectorOp.ADD, sink, source, HERE, 1, n, Launch(0))
        return ProgramClass(name, grid, 64, X, (), (), tuple(queues), (Task("go", Trigger.START, (code, Await(0))),))

    classes = [
        cls("first", Grid(0, 0, 1, rows), None, 0),
        cls("odd", Grid(1, 0, width // 2 - 1, rows, 2), 0, 1),
        cls("even", Grid(2, 0, width // 2 - 1, rows, 2), 1, 0),
        cls("last", Grid(width - 1, 0, 1, rows), 0, None),
    ]
    if rows < height:
        classes.append(ProgramClass("rest", Grid(0, rows, width, height - rows), 64, X))
    return Program("generic", (width, height), routes=routes, classes=tuple(classes))


def wires(width: int, height: int, n: int) -> Program:
    """Every row sends n wavelets from its first PE to its last."""
    path = Bundle(
        0, (1, height), Affine(0), Affine(0, per_j=1), Port.RAMP, (Leg(Port.EAST, Affine(width - 1)),), Port.RAMP
    )
    send = Vector(VectorOp.MOV, Fabric("o"), HERE, None, 1, n, Launch(0))
    take = Vector(VectorOp.MOV, HERE, Fabric("i"), None, 1, n, Launch(0))
    out, into = Queue("o", False, 2, 0, DType.F32), Queue("i", True, 0, 0, DType.F32)
    classes = (
        ProgramClass("first", Grid(0, 0, 1, height), 64, X, (), (), (out,), (Task("go", Trigger.START, (send,)),)),
        ProgramClass(
            "last", Grid(width - 1, 0, 1, height), 64, X, (), (), (into,), (Task("go", Trigger.START, (take,)),)
        ),
    )
    return Program("generic", (width, height), routes=(Route("r", (path,)),), classes=classes)


def axpys(width: int, height: int, n: int, times: int) -> Program:
    """Every PE runs `times` columns of 8 AXPYs of n elements."""
    columns, entries = 1, 8
    size = max(n, 1)
    pes = width * height
    buffers = (Buffer("x", DType.F16, 2 * size, 0), Buffer("y", DType.F32, 2 * size, 8192))
    table = Table("w", DType.F16, columns, entries, 40000, 40016, 40064, "w")
    tensors = {
        "w.ptr": np.tile(np.array([0, entries], np.uint16), (pes, 1)),
        "w.start": np.arange(pes + 1, dtype=np.int64) * entries,
        "w.row": np.zeros(pes * entries, np.uint16),
        "w.value": np.ones(pes * entries, np.float16),
    }
    code = Loop(Reg("k"), times, (Axpy(Mem("y", Offset(), (0, 1)), "w", 0, Mem("x"), n),))
    cls = ProgramClass(
        "all",
        Grid(0, 0, width, height),
        40128,
        buffers,
        (table,),
        (Register("k"),),
        (),
        (Task("go", Trigger.START, (code,)),),
    )
    return Program("generic", (width, height), classes=(cls,), tensors=tensors)
