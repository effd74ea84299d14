"""The two engines agree in every field of the result, and in the final SRAM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest
from random_programs import Case, random_case

from tulle_ir.code import Await, Axpy, Compute, Fabric, If, Instruction, Loop, Vector, VectorOp, While
from tulle_ir.routes import expand_routes
from tulle_runtime.fast import run_fast, workers
from tulle_runtime.reference import engine, run_reference
from tulle_runtime.result import RunResult

PIECES, PIECE = 15, 10  # in the normal suite
MANY, PART = 40, 50  # with -m slow
PATIENCE = 20_000  # cycles; what still runs then is compared there


def differences(a: RunResult, b: RunResult) -> list[str]:
    """What differs between two results; the text of a fault is free."""
    found = [
        f"{name}: {getattr(a, name)} != {getattr(b, name)}"
        for name in ("status", "cycles", "hops", "crossings", "waits")
        if getattr(a, name) != getattr(b, name)
    ]
    for field in fields(a.counts):
        one, other = getattr(a.counts, field.name), getattr(b.counts, field.name)
        if one.dtype != other.dtype or not np.array_equal(one, other):
            found.append(f"{field.name}: {one.tolist()} != {other.tolist()}")
    faults = [fault and (fault.x, fault.y, fault.kind, fault.cycle) for fault in (a.fault, b.fault)]
    if faults[0] != faults[1]:
        found.append(f"fault: {faults[0]} != {faults[1]}")
    if not np.array_equal(a.contended, b.contended):
        found.append(f"contended: {a.contended.tolist()} != {b.contended.tolist()}")
    for s, (mine, theirs) in enumerate(zip(a.outputs, b.outputs, strict=True)):
        for p, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            if not np.array_equal(one.values, other.values) or not np.array_equal(one.cycles, other.cycles):
                found.append(f"output {s}, port {p}: {one} != {other}")
    return found


def both(case: Case, monkeypatch: pytest.MonkeyPatch) -> RunResult:
    """Runs a case on both engines, the fast one with one worker, with three that have rows in turn and with two that
    have pairs of rows; asserts that they agree, and returns the result."""
    machines = []
    build = engine.build
    monkeypatch.setattr(engine, "build", lambda *args: machines.append(build(*args)) or machines[-1])
    limit = PATIENCE if case.max_cycles is None else case.max_cycles
    expected = run_reference(case.program, case.target, case.inputs, limit)
    for number, stripe in ((1, 1), (3, 1), (2, 2)):
        monkeypatch.setattr(workers, "STRIPE", stripe)
        memory: dict[tuple[int, int], bytes] = {}

        def dump(x: int, y: int, data: np.ndarray, memory: dict[tuple[int, int], bytes] = memory) -> None:
            memory[x, y] = data.tobytes()

        result = run_fast(case.program, case.target, case.inputs, limit, dump=dump, workers=number)
        assert differences(expected, result) == []
        if expected.status in ("ok", "deadlock"):
            for pe in machines[0].pes:
                extent = pe.state.sram.extent
                assert memory[pe.x, pe.y] == pe.state.sram.bytes[:extent].tobytes(), (pe.x, pe.y)
    monkeypatch.undo()
    return expected


@pytest.mark.parametrize("piece", range(PIECES))
def test_random_programs(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(piece * PIECE, (piece + 1) * PIECE):
        both(random_case(seed), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(MANY))
def test_many_random_programs(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1_000 + part * PART, 1_000 + (part + 1) * PART):
        both(random_case(seed), monkeypatch)


def _instructions(code: tuple[Instruction, ...]) -> Iterator[Instruction]:
    for one in code:
        yield one
        match one:
            case Loop(body=body) | While(body=body):
                yield from _instructions(body)
            case If(then=then, other=other):
                yield from _instructions((*then, *other))
            case _:
                pass


def _features(case: Case) -> Iterator[str]:
    """What a case contains."""
    entries, _ = expand_routes(case.program)
    fan = np.unpackbits(entries.mask[:, None], axis=1).sum(axis=1)
    yield from ["multicast"] * int((fan > 1).any())
    for output in range(5):
        users = np.bincount(entries.router[entries.mask >> output & 1 != 0])
        yield from ["shared link"] * int((users > 1).any())
    for cls in case.program.classes:
        threads = set()
        for task in cls.tasks:
            yield f"task on {task.trigger}"
            yield from ["blocked task"] * task.blocked
            for one in _instructions(task.code):
                yield type(one).__name__
                match one:
                    case Vector():
                        if isinstance(one.dst, Fabric) and one.dst.index is not None:
                            yield f"sparse{' async' if one.launch else ''}"
                        memory = {"Fabric"} & {type(operand).__name__ for operand in (one.dst, one.a, one.b)}
                        yield f"{one.op} {'fabric' if memory else 'memory'}{' async' if one.launch else ''}"
                        yield from ["then"] * bool(one.launch and one.launch.then)
                        threads |= {one.launch.thread} if one.launch else set()
                    case Compute(op=op):
                        yield f"scalar {op}"
                    case Await(rows=rows):
                        yield f"await {'thread' if rows is None else 'rows'}"
                    case Axpy(y=y, x=x):
                        yield f"axpy {x.buffer[0]} to {y.buffer[0]}"
                    case _:
                        pass
        yield from ["threads beside each other"] * (len(threads) > 1)


def test_the_random_programs_cover_the_machine() -> None:
    seen: Counter[str] = Counter()
    for seed in range(PIECES * PIECE):
        case = random_case(seed)
        seen.update(set(_features(case)))
        result = run_fast(
            case.program, case.target, case.inputs, PATIENCE if case.max_cycles is None else case.max_cycles
        )
        seen.update([result.status, *(["back-pressure"] * bool(result.counts.blocked.any()))])
        seen.update({f"{wait.who.split()[0]} waits for {wait.why.split()[0]}" for wait in result.waits})
        seen.update([result.fault.kind] if result.fault else [])
        seen.update(["axpys run"] * bool(result.counts.axpys.any()))
        seen.update(["axpys skipped"] * bool(result.counts.skipped.any()))
    wanted = {one.__name__ for one in Instruction.__args__}
    wanted |= {f"{op} memory" for op in VectorOp} | {f"{op} fabric" for op in VectorOp}
    wanted |= {f"{op} fabric async" for op in VectorOp}
    wanted |= {"ok", "deadlock", "fault", "limit", "back-pressure", "multicast", "shared link", "axpys run"}
    wanted |= {"out of bounds", "queue violation", "task on start", "task on data", "task on activation", "then"}
    wanted |= {"sparse", "sparse async", "axpys skipped", "column out of table"}
    wanted |= {"threads beside each other", "await rows", "blocked task", "channel waits for undelivered"}
    wanted |= {"host waits for output", "thread waits for input", "thread waits for output", "task waits for thread"}
    assert wanted - set(seen) == set()
