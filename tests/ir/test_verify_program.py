"""The verifier on programs that did not come from text, and at scale. What it says of text: tests/filetests/program."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tulle_ir.code import Axpy, DType, Mem, Pop, Reg, Vector, VectorOp
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import (
    Affine,
    Buffer,
    Bundle,
    Grid,
    HostPort,
    HostStream,
    Leg,
    Port,
    Program,
    ProgramClass,
    Queue,
    Route,
    StreamFormat,
    Symbol,
    Table,
    Task,
    Trigger,
)
from tulle_ir.report import Kernel, Report
from tulle_ir.target import load_target
from tulle_ir.verify_program import require_valid, verify_program


def whole_wafer(width: int, height: int) -> Program:
    """Every column gets a stream from the north, and every PE multiplies it by a table of its own."""
    pes = width * height
    axpy = Axpy(Mem("y", strides=(1, 1)), "w", 0, Mem("x"), 1)
    code = (Vector(VectorOp.MOV, Mem("x"), Mem("y"), None, 1, 1), Pop(Reg("r"), "x"), axpy)
    tile = ProgramClass(
        name="tile",
        grid=Grid(0, 0, width, height),
        sram_bytes=1024,
        buffers=(Buffer("y", DType.F32, 8, 0), Buffer("x", DType.F32, 1, 32)),
        tables=(Table("w", DType.F16, 1, 4, 40, 44, 52, "w"),),
        registers=(),
        queues=(Queue("x", True, 0, 3, DType.F32),),
        tasks=(Task("go", Trigger.DATA, code, "x"),),
    )
    path = Bundle(
        3,
        (width, 1),
        Affine(0, 1),
        Affine(0),
        Port.NORTH,
        (Leg(Port.SOUTH, Affine(height - 1), ramp=True),),
        None,
        True,
    )
    ports = tuple(HostPort(x, 0, Port.NORTH, 3) for x in range(width))
    return Program(
        target="wse2",
        mesh=(width, height),
        symbols=(Symbol("kernel", (0, 0, width, height), "/MatMul"),),
        routes=(Route("x", (path,)),),
        classes=(tile,),
        streams=(HostStream("x", True, StreamFormat.RAW, DType.F32, width, ports),),
        tensors={
            "w.ptr": np.tile(np.array([0, 4], np.uint16), (pes, 1)),
            "w.start": np.arange(pes + 1, dtype=np.int64) * 4,
            "w.row": np.tile(np.array([0, 2, 4, 7], np.uint16), pes),
            "w.value": np.ones(4 * pes, np.float16),
        },
    )


def test_findings_name_class_kernel_task_and_instruction() -> None:
    found = verify_program(whole_wafer(3, 2), load_target("wse2"))
    assert [str(finding) for finding in found] == [
        "class 'tile' of kernel 'kernel' from /MatMul, task 'go', instruction 2: error: there is no register 'r'"
    ]


def test_a_whole_wafer_is_verified_in_seconds() -> None:
    program = whole_wafer(750, 994)
    tile = program.classes[0]
    task = replace(tile.tasks[0], code=(*tile.tasks[0].code[:1], Vector(VectorOp.MOV, Mem("x"), Mem("x"), None, 1, 1)))
    sound = replace(program, classes=(replace(tile, tasks=(task,)),))
    began = time.perf_counter()
    assert require_valid(sound, load_target("wse2")) == []
    assert time.perf_counter() - began < 20  # about two on an idle machine


def test_a_row_of_one_pe_beyond_y_is_found_among_all() -> None:
    program = whole_wafer(30, 20)
    row = program.tensors["w.row"].copy()
    row[1234] = 8
    tile = program.classes[0]
    code = tile.tasks[0].code
    task = replace(tile.tasks[0], code=(code[0], code[2]))
    wrong = replace(program, classes=(replace(tile, tasks=(task,)),), tensors={**program.tensors, "w.row": row})
    with pytest.raises(BadInput, match="a row of table 'w' reaches beyond buffer 'y'"):
        require_valid(wrong, load_target("wse2"))


def test_many_errors_are_counted_and_the_first_twenty_shown() -> None:
    code = tuple(Pop(Reg("r"), f"q{index}") for index in range(15))
    program = Program(
        "wse2", (1, 1), classes=(ProgramClass("c", Grid(0, 0, 1, 1), 0, tasks=(Task("t", Trigger.START, code),)),)
    )
    with pytest.raises(BadInput) as caught:
        require_valid(program, load_target("wse2"))
    message = str(caught.value)
    assert message.startswith("the program is not valid: 30 errors\n")
    assert message.endswith("\n... and 10 more")
    assert message.count("\n") == 21


def bundle(color: int = 3, lanes: tuple[int, int] = (1, 1), *legs: Leg) -> dict[str, object]:
    """One route of one bundle."""
    return {"routes": (Route("r", (Bundle(color, lanes, Affine(0), Affine(0), Port.RAMP, legs),)),)}


@pytest.mark.parametrize(
    "change",
    [
        {"mesh": (0, 3)},
        {"mesh": (2**20, 2**20)},
        bundle(lanes=(-1, 2)),
        bundle(lanes=(2**40, 2**40)),
        bundle(color=-3),
        bundle(3, (1, 1), Leg(Port.RAMP, Affine(1))),
        bundle(3, (1, 1), Leg(Port.EAST, Affine(2**60))),
        {"streams": (HostStream("s", True, StreamFormat.RAW, DType.F32, 3, (HostPort(0, 0, Port.RAMP, 3),)),)},
        {"classes": (ProgramClass("c", Grid(0, 0, 2**40, 1, 0, -1), -8),)},
        {"tensors": {"w.ptr": np.zeros(3)}},
    ],
)
def test_nonsense_is_found_not_stumbled_over(change: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        require_valid(replace(whole_wafer(3, 2), **change), load_target("generic"))  # type: ignore[arg-type]


def test_the_report_is_plain_json_in_the_order_of_its_schema() -> None:
    kernel = Kernel("k", "/MatMul", (0, 0, 2, 1), nonzeros=int(np.int64(3)))
    report = Report("ok", "wse2", (2, 1), cycles=np.int64(7), kernels=(kernel,)).to_json()  # type: ignore[arg-type]
    assert list(report)[:4] == ["schema", "status", "target", "mesh"]
    assert report["cycles"] == 7 and type(report["cycles"]) is int
    assert report["kernels"][0]["region"] == [0, 0, 2, 1]
    assert "time_us" not in report
