"""Small random programs that use everything the machine has, from a seed: the same seed gives the same case.

Nets come first: each carries a fixed number of wavelets from one sender to some receivers. Every PE then gets a list of
jobs (receive a net, send a net, pass one on, compute) in random order and form. Jobs that do not match across PEs are
part of the plan: such programs end in a deadlock or a fault, and both engines must say the same about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from tulle_ir.code import (
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Cmp,
    Compute,
    Control,
    DType,
    Fabric,
    If,
    Instruction,
    Launch,
    Load,
    Loop,
    Mem,
    Number,
    Offset,
    Pop,
    Push,
    Reg,
    ScalarOp,
    Stop,
    Store,
    TaskVerb,
    Vector,
    VectorOp,
    While,
)
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
    Register,
    Route,
    StreamFormat,
    Table,
    Task,
    Trigger,
)
from tulle_ir.routes import STEP_X, STEP_Y, check_links, expand_routes
from tulle_ir.target import Target, load_target

T = TypeVar("T")
SIDES = (Port.NORTH, Port.EAST, Port.SOUTH, Port.WEST)
FLOATS = (VectorOp.ADD, VectorOp.SUB, VectorOp.MUL, VectorOp.MAX, VectorOp.MIN)
COLUMNS, ENTRIES, EXTENT, SIZE = 5, 12, 2048, 64
ODD_F16 = np.array([0x7E00, 0x7C00, 0xFC00, 1, 0x8001, 0x03FF, 0x7BFF, 0x8000], np.uint16).view(np.float16)
ODD_F32 = np.array(
    [0x7FC00001, 0x7F800000, 0xFF800000, 1, 0x80000000, 0x33000001, 0x477FF000, 0x38800000], np.uint32
).view(np.float32)


@dataclass(frozen=True)
class Case:
    """What to run."""

    program: Program
    target: Target
    inputs: list[list[np.ndarray]]
    max_cycles: int | None


@dataclass
class Net:
    """`wavelets` of `dtype` on `color` from the host or a PE to PEs and to the host.

    `sparse`: lists of (index, value) for AXPYs over "columns" or with "entries", or "".
    """

    color: int
    dtype: DType
    wavelets: int
    bundles: list[Bundle]
    sender: tuple[int, int] | None
    entry: HostPort | None
    receivers: list[tuple[int, int]]
    exits: list[HostPort]
    sparse: str


def random_case(seed: int) -> Case:
    """The case of a seed."""
    return _Maker(np.random.default_rng(seed)).case()


class _Maker:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.width, self.height = [(1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (3, 2), (4, 2), (4, 3)][rng.integers(8)]
        self.tensors: dict[str, np.ndarray] = {}
        self.nets: list[Net] = []

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.rng.integers(len(choices))]

    def number(self, low: int, high: int) -> int:
        """low .. high, both included."""
        return int(self.rng.integers(low, high + 1))

    def case(self) -> Case:
        target = self.target()
        for color in range(self.number(1, 9)):
            net = self.net(color)
            if net is not None:
                self.nets.append(net)
        classes = [
            _Pe(self, x, y).make() for y in range(self.height) for x in range(self.width) if not self.chance(0.03)
        ]
        streams, inputs = self.streams()
        program = Program(
            target="generic",
            mesh=(self.width, self.height),
            routes=tuple(Route(f"net{net.color}", tuple(net.bundles)) for net in self.nets),
            classes=tuple(self.merged(classes)),
            streams=tuple(streams),
            tensors=self.tensors,
        )
        return Case(program, target, inputs, self.number(0, 400) if self.chance(0.15) else None)

    def target(self) -> Target:
        """The generic machine with other timings."""
        base = load_target("generic")
        return replace(
            base,
            sram_bytes=2048,
            hop_cycles=self.pick((1, 1, 1, 2, 9)),
            ramp_cycles=self.pick((1, 2, 2, 3, 8)),
            router_depth=self.number(1, 4),
            input_queues=tuple(self.number(1, 4) for _ in range(8)),
            output_queues=tuple(self.number(1, 4) for _ in range(8)),
            launch_cycles=self.number(0, 12),
            dispatch_cycles=self.number(1, 6),
            vector_issue=self.number(0, 3),
            row_overhead=self.number(0, 2),
            axpy_issue=self.number(0, 2),
            axpy_overhead=self.number(0, 2),
            load_cycles=self.number(1, 5),
            branch_cycles=self.number(1, 5),
            divide_cycles=self.number(1, 9),
        )

    # ---- nets

    def net(self, color: int) -> Net | None:
        """A path with turns, deliveries on the way and perhaps a branch; None if it did not work out."""
        wavelets = self.number(1, 12) if self.chance(0.7) else self.number(12, 24)
        dtype = self.pick((DType.F32, DType.F16, DType.I32))
        for _ in range(20):
            bundles = self.path(color)
            trial = Program(target="generic", mesh=(self.width, self.height), routes=(Route("trial", tuple(bundles)),))
            entries, findings = expand_routes(trial)
            if findings or check_links(trial, entries):
                continue
            sparse = self.pick(("columns", "entries")) if dtype == DType.F16 and self.chance(0.5) else ""
            net = Net(color, dtype, wavelets, bundles, None, None, [], [], sparse)
            first = bundles[0]
            if first.source == Port.RAMP:
                net.sender = (first.x.constant, first.y.constant)
            else:
                net.entry = HostPort(first.x.constant, first.y.constant, first.source, color)
            for router, mask in zip(entries.router.tolist(), entries.mask.tolist(), strict=True):
                x, y = router % self.width, router // self.width
                if mask & 16:
                    net.receivers.append((x, y))
                for side in range(4):
                    at = (x + STEP_X[side], y + STEP_Y[side])
                    if mask >> side & 1 and not (0 <= at[0] < self.width and 0 <= at[1] < self.height):
                        net.exits.append(HostPort(x, y, SIDES[side], color))
            return net
        return None

    def path(self, color: int) -> list[Bundle]:
        x, y = self.number(0, self.width - 1), self.number(0, self.height - 1)
        source = self.pick((Port.RAMP, Port.RAMP, *self.edges(x, y)))
        start = (x, y)
        legs: list[Leg] = []
        visited = [(x, y, source)]
        for _ in range(self.number(0, 3)):
            side = self.number(0, 3)
            room = (y, self.width - 1 - x, self.height - 1 - y, x)[side]
            length = self.number(0, room)
            for _ in range(length):
                x, y = x + STEP_X[side], y + STEP_Y[side]
                visited.append((x, y, SIDES[(side + 2) % 4]))
            legs.append(Leg(SIDES[side], Affine(x if STEP_X[side] else y), ramp=self.chance(0.4)))
        ends = [Port.RAMP, Port.RAMP, *self.edges(x, y)]
        main = Bundle(
            color, (1, 1), Affine(start[0]), Affine(start[1]), source, tuple(legs), self.pick(ends),
            start_ramp=source != Port.RAMP and self.chance(0.3),
        )  # fmt: skip
        bundles = [main]
        if self.chance(0.4):
            bx, by, port = self.pick(visited)
            side = self.number(0, 3)
            room = (by, self.width - 1 - bx, self.height - 1 - by, bx)[side]
            end = Port.RAMP
            to = ((by, bx)[side % 2]) + (STEP_X[side] + STEP_Y[side]) * self.number(0, room)
            if self.chance(0.3):
                to, end = (0, self.width - 1, self.height - 1, 0)[side], SIDES[side]
            leg = Leg(SIDES[side], Affine(to), ramp=self.chance(0.3))
            bundles.append(Bundle(color, (1, 1), Affine(bx), Affine(by), port, (leg,), end))
        return bundles

    def edges(self, x: int, y: int) -> list[Port]:
        """The sides at which a router touches the host."""
        at = (y == 0, x == self.width - 1, y == self.height - 1, x == 0)
        return [side for side, edge in zip(SIDES, at, strict=True) if edge]

    def streams(self) -> tuple[list[HostStream], list[list[np.ndarray]]]:
        """One input stream per entry (some sharing one), one output stream with all exits (some left out)."""
        streams: list[HostStream] = []
        inputs: list[list[np.ndarray]] = []
        for net in self.nets:
            if net.entry is not None:
                streams.append(_stream(f"in{net.color}", True, net.dtype, (net.entry,)))
                count = net.wavelets + (self.number(-2, 3) if self.chance(0.15) else 0)
                inputs.append([self.arrivals(net) if net.sparse else self.words(net.dtype, max(count, 0))])
            exits = tuple(port for port in net.exits if not self.chance(0.05))
            if exits:
                streams.append(_stream(f"out{net.color}", False, net.dtype, exits))
        return streams, inputs

    # ---- data

    def floats(self, n: int) -> np.ndarray:
        """f32 values, some of them odd."""
        values = (self.rng.standard_normal(n) * 10.0 ** self.rng.integers(-3, 3, n)).astype(np.float32)
        return np.where(self.rng.random(n) < 0.1, self.rng.choice(ODD_F32, n), values)

    def halves(self, n: int) -> np.ndarray:
        """f16 values, some of them odd."""
        values = self.rng.standard_normal(n).astype(np.float16)
        return np.where(self.rng.random(n) < 0.1, self.rng.choice(ODD_F16, n), values)

    def integers(self, n: int) -> np.ndarray:
        return self.rng.integers(-20, 20, n).astype(np.int32)

    def arrivals(self, net: Net) -> np.ndarray:
        """A list of sparse wavelets, mostly with an end mark."""
        index = self.rng.integers(0, COLUMNS, net.wavelets)
        if net.sparse == "entries":
            index |= np.where(self.rng.random(net.wavelets) < 0.2, 0x8000, 0)
        elif self.chance(0.05):
            index[-1] = COLUMNS + 1
        end = [0xFFFF] * int(not self.chance(0.05))
        words = np.append(index, end).astype(np.uint32) << 16
        return words | self.halves(len(words)).view(np.uint16)

    def words(self, dtype: DType, n: int) -> np.ndarray:
        match dtype:
            case DType.F16:
                return self.halves(2 * n).view(np.uint32)
            case DType.F32:
                return self.floats(n).view(np.uint32)
            case _:
                return self.integers(n).view(np.uint32)

    def tensor(self, name: str, values: np.ndarray) -> str:
        self.tensors[name] = values
        return name

    def merged(self, classes: list[ProgramClass]) -> list[ProgramClass]:
        """Makes one class of neighbouring PEs without queues, with the code of the first and per-PE data."""
        result: list[ProgramClass] = []
        for cls in classes:
            last = result[-1] if result else None
            fits = (
                last is not None
                and not cls.queues
                and not last.queues
                and last.grid.y == cls.grid.y
                and last.grid.x + last.grid.width == cls.grid.x
            )
            if last is None or not fits:
                result.append(cls)
                continue
            result[-1] = replace(last, grid=replace(last.grid, width=last.grid.width + 1))
            for mine, other in zip(last.buffers, cls.buffers, strict=True):
                if mine.data:
                    self.tensors[mine.data] = np.vstack([self.tensors[mine.data], self.tensors[other.data]])
            for mine, other in zip(last.registers, cls.registers, strict=True):
                if isinstance(mine.value, str) and isinstance(other.value, str):
                    self.tensors[mine.value] = np.append(self.tensors[mine.value], self.tensors[other.value])
            for mine, other in zip(last.tables, cls.tables, strict=True):
                a, b = mine.data, other.data
                self.tensors[a + ".ptr"] = np.vstack([self.tensors[a + ".ptr"], self.tensors[b + ".ptr"]])
                start = self.tensors[a + ".start"]
                self.tensors[a + ".start"] = np.append(start, start[-1] + self.tensors[b + ".start"][1:])
                for part in (".row", ".value"):
                    self.tensors[a + part] = np.append(self.tensors[a + part], self.tensors[b + part])
        return result


def _stream(name: str, is_input: bool, dtype: DType, ports: tuple[HostPort, ...]) -> HostStream:
    return HostStream(name, is_input, StreamFormat.RAW, dtype, 1, ports)


class _Pe:
    """The program of one PE. Registers: k0..k2 small constants, l0..l2 loop counters, r0..r3 anything."""

    def __init__(self, maker: _Maker, x: int, y: int) -> None:
        self.m, self.x, self.y = maker, x, y
        self.name = f"pe{x}_{y}"
        self.queues: dict[tuple[int, bool], Queue] = {}
        self.tasks: list[Task] = []
        self.depth = 0
        self.busy: list[int] = []  # threads launched before, in the order of the text

    def make(self) -> ProgramClass:
        m = self.m
        jobs: list[list[Instruction]] = []
        receives = [net for net in m.nets if (self.x, self.y) in net.receivers][:8]
        sends = [net for net in m.nets if net.sender == (self.x, self.y)][:8]
        m.rng.shuffle(receives)  # type: ignore[arg-type]
        for net in list(receives):
            alike = (s for s in sends if s.wavelets == net.wavelets and s.dtype == net.dtype and s.sparse == net.sparse)
            out = None if net.sparse else next(alike, None)
            if out is not None and m.chance(0.8):
                receives.remove(net)
                sends.remove(out)
                jobs.append(self.forward(net, out))
        for net in receives:
            jobs.append(self.receive(net))
        for net in sends:
            jobs.append(self.send(net))
        for _ in range(m.number(0, 4)):
            jobs.append(self.compute())
        m.rng.shuffle(jobs)  # type: ignore[arg-type]
        parts = [[]] if m.chance(0.5) else [[], []]
        for job in jobs:
            m.pick(parts).append(job)
        for index, part in enumerate(parts):
            code = [instruction for job in part for instruction in job]
            if index + 1 < len(parts) and m.chance(0.5):
                code.insert(m.number(0, len(code)), Control(TaskVerb.ACTIVATE, f"main{index + 1}"))
                trigger = Trigger.START
            else:
                trigger = Trigger.START if index == 0 or m.chance(0.9) else Trigger.ACTIVATION
            self.tasks.append(Task(f"main{index}", trigger, tuple(code), blocked=m.chance(0.01)))
        m.rng.shuffle(self.tasks)  # type: ignore[arg-type]
        return ProgramClass(
            self.name,
            Grid(self.x, self.y, 1, 1),
            EXTENT,
            self.buffers(),
            self.tables(),
            self.registers(),
            tuple(self.queues.values()),
            tuple(self.tasks),
        )

    # ---- declarations

    def buffers(self) -> tuple[Buffer, ...]:
        m = self.m
        data = {"fa": m.floats(SIZE), "fb": m.floats(SIZE), "ha": m.halves(SIZE), "hb": m.halves(SIZE)}
        result = [
            Buffer("fa", DType.F32, SIZE, 0, data=f"{self.name}.fa"),
            Buffer("fb", DType.F32, SIZE, 256, data=f"{self.name}.fb"),
            Buffer("fc", DType.F32, SIZE, 512),
            Buffer("ha", DType.F16, SIZE, 768, data=f"{self.name}.ha"),
            Buffer("hb", DType.F16, SIZE, 896, data=f"{self.name}.hb"),
            Buffer("hc", DType.F16, SIZE, 1024),
            Buffer("ia", DType.I32, SIZE, 1152, data=f"{self.name}.ia"),
            Buffer("ib", DType.I32, SIZE, 1408),
            Buffer("ua", DType.U16, 32, 1664),
        ]
        data["ia"] = m.integers(SIZE)
        for name, values in data.items():
            m.tensor(f"{self.name}.{name}", values.reshape(1, -1))
        return tuple(result)

    def tables(self) -> tuple[Table, ...]:
        m = self.m
        tables = []
        for name, dtype, at in (("tf", DType.F32, 1728), ("th", DType.F16, 1824)):
            cuts = np.sort(m.rng.integers(0, ENTRIES + 1, COLUMNS + 1))
            cuts[0] = 0
            entries = int(cuts[-1])
            data = m.tensor(f"{self.name}.{name}.ptr", cuts.astype(np.uint16).reshape(1, -1)).removesuffix(".ptr")
            m.tensor(data + ".start", np.array([0, entries], np.int64))
            marks = np.where(m.rng.random(entries) < 0.2, 0x8000, 0)
            m.tensor(data + ".row", (m.rng.integers(0, 8, entries) | marks).astype(np.uint16))
            m.tensor(data + ".value", m.floats(entries) if dtype == DType.F32 else m.halves(entries))
            tables.append(Table(name, dtype, COLUMNS, ENTRIES, at, at + 12, at + 36, data))
        return tuple(tables)

    def registers(self) -> tuple[Register, ...]:
        m = self.m
        names = [f"k{i}" for i in range(3)] + [f"l{i}" for i in range(4)]
        fixed = [Register(name, m.number(0, 3) if name[0] == "k" else 0) for name in names]
        m.tensor(f"{self.name}.r0", m.integers(1))
        return (*fixed, Register("r0", f"{self.name}.r0"), *(Register(f"r{i}", m.number(-5, 5)) for i in range(1, 4)))

    def queue(self, net: Net, is_input: bool) -> str:
        key = (net.color, is_input)
        if key not in self.queues:
            index = sum(queue.is_input == is_input for queue in self.queues.values())
            name = f"{'in' if is_input else 'out'}{net.color}"
            self.queues[key] = Queue(name, is_input, index, net.color, net.dtype)
        return self.queues[key].name

    # ---- pieces

    def shape(self, net: Net) -> tuple[int, int]:
        """(n0, n1) with as many wavelets as the net carries; sometimes with one row more or fewer."""
        m = self.m
        rows = m.pick([d for d in range(1, net.wavelets + 1) if net.wavelets % d == 0])
        n1 = net.wavelets // rows
        if net.dtype == DType.F16:
            n1 = 2 * n1 - m.number(0, 1)
        if m.chance(0.015):
            rows += m.pick((-1, 1))
        return rows, n1

    def memory(self, dtype: DType, n0: int, n1: int, *, write: bool) -> Mem:
        """A view of a buffer of the type, inside its bounds if the registers are small (mostly)."""
        m = self.m
        names = {DType.F32: ("fa", "fb", "fc"), DType.F16: ("ha", "hb", "hc"), DType.I32: ("ia", "ib")}[dtype]
        name = m.pick(names[1:]) if write and m.chance(0.8) else m.pick(names)
        s1 = m.pick((1, 1, 1, 1, 2, 0))
        s0 = m.pick((0, n1, n1 + 1, 1))
        if (n0 - 1) * s0 + (n1 - 1) * s1 >= SIZE - 8:
            s0, s1 = 1, 1
        terms: list[tuple[Reg, int]] = []
        if m.chance(0.3):
            terms.append((Reg(m.pick(("k0", "k1", "k2", "l0"))), m.pick((1, 2))))
        if m.chance(0.01):
            if write:
                return Mem(name, Offset(3000), (s0, s1))
            terms.append((Reg("r0"), 40))
        return Mem(name, Offset(m.number(0, 4), tuple(terms)), (s0, s1))

    def source(self, dtype: DType, n0: int, n1: int) -> Mem | Number:
        if dtype != DType.I32 and self.m.chance(0.2):
            return Number(float(np.float32(self.m.rng.standard_normal())))
        return self.memory(dtype, n0, n1, write=False)

    def launch(self) -> tuple[list[Instruction], Launch]:
        """A launch on some thread, and what must stand before it."""
        m = self.m
        thread = m.number(0, 3)
        then = ""
        if m.chance(0.2):
            then = f"then{len(self.tasks)}"
            self.tasks.append(Task(then, Trigger.ACTIVATION, tuple(self.compute(simple=True)), blocked=m.chance(0.02)))
        self.busy.append(thread)
        return [], Launch(thread, then)

    def after(self, launch: Launch) -> list[Instruction]:
        """Perhaps waiting, for the end or for rows."""
        m = self.m
        if m.chance(0.3):
            return []
        if m.chance(0.3):
            return [Await(launch.thread, m.pick((0, 1, Reg("k0")))), *self.compute(simple=True), Await(launch.thread)]
        return [Await(launch.thread)]

    def launched(self, make: Vector) -> list[Instruction]:
        """The vector instruction, synchronous or asynchronous."""
        if self.m.chance(0.35):
            return [make]
        before, launch = self.launch()
        return [*before, replace(make, launch=launch), *self.after(launch)]

    def op(self, dtype: DType, *, reads_dst: bool) -> VectorOp:
        m = self.m
        if dtype == DType.I32 or m.chance(0.3):
            return VectorOp.MOV
        if m.chance(0.25):
            return m.pick((VectorOp.EXP, VectorOp.TANH, VectorOp.ERF, VectorOp.RECIP, VectorOp.RSQRT))
        return VectorOp.FMA if reads_dst and m.chance(0.3) else m.pick(FLOATS)

    # ---- jobs

    def forward(self, net: Net, out: Net) -> list[Instruction]:
        m = self.m
        n0, n1 = self.shape(net)
        op = self.op(net.dtype, reads_dst=False)
        a: Fabric | Mem | Number = Fabric(self.queue(net, True))
        b = self.source(net.dtype, n0, n1) if op in FLOATS else None
        if b is not None and m.chance(0.3):
            a, b = b, a  # type: ignore[assignment]
        return self.launched(Vector(op, Fabric(self.queue(out, False)), a, b, n0, n1))

    def receive(self, net: Net) -> list[Instruction]:
        m = self.m
        queue = self.queue(net, True)
        style = m.number(0, 6)
        if m.chance(0.03):
            return []  # never taken
        if net.sparse:
            return self.on_arrival(net, queue)
        n0, n1 = self.shape(net)
        if style == 0:
            return [Loop(self.counter(), net.wavelets, (Pop(Reg("r1"), queue), self.scalar()))]
        if style == 1:
            part = m.pick([d for d in range(1, net.wavelets + 1) if net.wavelets % d == 0])
            code: list[Instruction] = [Pop(Reg(m.pick(("r1", "r2"))), queue) for _ in range(part)]
            if m.chance(0.2):
                code.append(Stop())
            self.tasks.append(Task(f"data{net.color}", Trigger.DATA, tuple(code), queue, m.chance(0.05)))
            return self.compute(simple=True)
        op = self.op(net.dtype, reads_dst=True)
        dst = self.memory(net.dtype, n0, n1, write=True)
        b = self.source(net.dtype, n0, n1) if op in FLOATS or op == VectorOp.FMA else None
        vector = Vector(op, dst, Fabric(queue), b, n0, n1)
        if style == 6 and n0 > 1:
            # in two parts; without a wait in between the second violates the queue
            launch = Launch(m.number(0, 3))
            between: list[Instruction] = [] if m.chance(0.2) else [Await(launch.thread)]
            rest = replace(vector, n0=n0 - 1)
            return [replace(vector, n0=1, launch=launch), *between, *self.launched(rest)]
        if style == 2:
            self.tasks.append(Task(f"data{net.color}", Trigger.DATA, tuple(self.launched(vector)), queue))
            return []
        return self.launched(vector)

    def send(self, net: Net) -> list[Instruction]:
        m = self.m
        queue = self.queue(net, False)
        if m.chance(0.25):
            value = m.pick((Reg("r0"), Reg("l0"), 7))
            if net.sparse:
                return [Push(queue, m.number(0, COLUMNS) << 16 | 0x3C00), Push(queue, -1)]
            return [Loop(self.counter(), net.wavelets, (self.scalar(), Push(queue, value)))]
        if net.sparse:
            return self.filtered(queue)
        n0, n1 = self.shape(net)
        op = self.op(net.dtype, reads_dst=False)
        b = self.source(net.dtype, n0, n1) if op in FLOATS else None
        return self.launched(Vector(op, Fabric(queue), self.source(net.dtype, n0, n1), b, n0, n1))

    def on_arrival(self, net: Net, queue: str) -> list[Instruction]:
        """Takes a list of sparse wavelets, now or when it comes."""
        m = self.m
        y = replace(self.memory(m.pick((DType.F32, DType.F16)), 1, 6, write=True), strides=(6, m.pick((1, 1, 0))))
        if net.sparse == "columns":
            axpy: Instruction = AxpyColumns(y, m.pick(("tf", "th")), queue)
        else:
            x = self.memory(m.pick((DType.F32, DType.F16)), 5, 6, write=False)
            x = replace(x, strides=(m.pick((6, 8, 1)), m.pick((1, 1, 2, 0))))
            axpy = AxpyEntries(y, queue, x, m.pick((m.number(0, 6), Reg("k1"))))
        if m.chance(0.5):
            return [axpy]
        self.tasks.append(Task(f"data{net.color}", Trigger.DATA, (axpy,), queue))
        return self.compute(simple=True)

    def filtered(self, queue: str) -> list[Instruction]:
        """Sends what is not zero, and an end mark."""
        m = self.m
        n = m.number(0, COLUMNS)
        first = Offset(m.pick((0, 0, 65535)), ((Reg("k2"), 1),) if m.chance(0.1) else ())
        op = m.pick((VectorOp.MOV, VectorOp.MAX, VectorOp.MUL, VectorOp.ADD))
        second = None if op == VectorOp.MOV else Number(0.0)
        vector = Vector(op, Fabric(queue, first), replace(self.memory(DType.F16, n, 1, write=False), strides=(1, 1)),
                        second, n, 1)  # fmt: skip
        end: list[Instruction] = [] if m.chance(0.03) else [Push(queue, -1)]
        if m.chance(0.4):
            return [vector, *end]
        launch = Launch(m.number(0, 3))
        return [replace(vector, launch=launch), *self.compute(simple=True), Await(launch.thread), *end]

    def counter(self) -> Reg:
        return Reg(f"l{min(self.depth, 3)}")

    def scalar(self) -> Instruction:
        m = self.m
        op = m.pick((None, *ScalarOp)) if not m.chance(0.3) else ScalarOp.ADD
        b = m.pick((Reg("r2"), Reg("k1"), m.number(-3, 3)))
        if op in (ScalarOp.DIV, ScalarOp.MOD) and not m.chance(0.05):
            b = m.pick((-3, 2, 5))
        return Compute(Reg(f"r{m.number(0, 3)}"), m.pick((Reg("r1"), Reg("r3"), Reg("k2"), m.number(-9, 9))), op, b)

    def compute(self, *, simple: bool = False) -> list[Instruction]:
        """Some instructions without fabric."""
        m = self.m
        return [self.one(simple) for _ in range(m.number(0, 2 if simple else 3))]

    def one(self, simple: bool) -> Instruction:
        m = self.m
        kind = m.number(0, 6 if simple or self.depth >= 3 else 9)
        match kind:
            case 0:
                return self.scalar()
            case 1:
                buffer = m.pick(("ia", "fa", "ha", "ua"))
                return Load(Reg(f"r{m.number(0, 3)}"), buffer, Offset(m.number(0, 9), ((Reg("k0"), 2), (Reg("k2"), 1))))
            case 2:
                return Store(m.pick(("ib", "fc", "hc", "ua")), m.pick((Reg("r0"), 77)), Offset(m.number(0, 30)))
            case 3 | 4:
                return self.axpy()
            case 5 | 6:
                return self.vector()
            case 7:
                body = self.body()
                return Loop(self.counter(), m.pick((0, 1, 2, 3, Reg("k1"), Reg("r3") if m.chance(0.1) else 2)), body)
            case 8:
                cmp = m.pick(tuple(Cmp))
                other = self.body() if m.chance(0.5) else ()
                return If(m.pick((Reg("r0"), Reg("k0"))), cmp, m.pick((Reg("r1"), 1)), self.body(), other)
            case _:
                counter = self.counter()
                step = Compute(counter, counter, ScalarOp.ADD, 1)
                return While(counter, m.pick((Cmp.LT, Cmp.LE)), m.number(1, 3), (*self.body(), step))

    def body(self) -> tuple[Instruction, ...]:
        """The body of a loop, with at least one slot."""
        self.depth += 1
        code = (self.scalar(), *self.compute(simple=self.depth >= 2))
        self.depth -= 1
        return code

    def axpy(self) -> Instruction:
        m = self.m
        n = m.number(0, 6)
        y = self.memory(m.pick((DType.F32, DType.F32, DType.F16)), 1, 1, write=True)
        y = replace(y, strides=(6, m.pick((1, 1, 0))))
        x = replace(self.memory(m.pick((DType.F32, DType.F16)), 1, n, write=False), strides=(0, m.pick((1, 1, 2, 0))))
        column = m.pick((Reg("k0"), Reg("k1"), m.number(0, COLUMNS - 1), Reg("r2") if m.chance(0.02) else 0))
        return Axpy(y, m.pick(("tf", "th")), column, x, n)

    def vector(self) -> Instruction:
        m = self.m
        n0, n1 = m.number(0, 3), m.number(0, 7)
        if m.chance(0.15):
            return Vector(
                VectorOp.MOV, self.memory(DType.I32, n0, n1, write=True), self.memory(DType.I32, n0, n1, write=False),
                None, n0, n1,
            )  # fmt: skip
        kinds = (DType.F32, DType.F16)
        dst, a, b = (m.pick(kinds) for _ in range(3))
        if m.chance(0.5):
            a = b = dst
        op = self.op(dst, reads_dst=True)
        second = self.source(b, n0, n1) if op in FLOATS or op == VectorOp.FMA else None
        lengths = (Reg("k1") if m.chance(0.1) else n0, Reg("k2") if m.chance(0.1) else n1)
        return Vector(op, self.memory(dst, n0, n1, write=True), self.source(a, n0, n1), second, *lengths)
