"""Synthetic plans: GPT-like chains of kernels with the terminals that the compiler emits, without any weights."""

from __future__ import annotations

from tulle_ir.code import DType
from tulle_ir.plan import End, Entry, HostNet, InternalRoute, Kernel, KernelCost, Net, Plan, Terminal
from tulle_ir.program import Affine, Bundle, Leg, Port

COST = KernelCost(predicted=100.0, bound=100.0, ideal=90.0, max_pe_bytes=1000)
ZERO = Affine(0)


def chain(color: int, lanes: tuple[int, int], x: Affine, y: Affine, leg: Leg) -> InternalRoute:
    """An internal route of ramp-to-ramp hops."""
    return InternalRoute(color, (Bundle(0, lanes, x, y, Port.RAMP, (leg,)),))


def along_row(length: int, rows: int, colors: int = 2) -> tuple[InternalRoute, ...]:
    """Alternating colors along each row: color c takes PE ci + c to its eastern neighbour."""
    routes = []
    for c in range(colors):
        hops = (length - 1 - c + colors - 1) // colors
        if hops > 0:
            leg = Leg(Port.EAST, Affine(c + 1, colors), ramp=True)
            routes.append(chain(c, (hops, rows), Affine(c, colors), Affine(0, 0, 1), leg))
    return tuple(routes)


def down_column(columns: int, height: int, colors: int = 2) -> tuple[InternalRoute, ...]:
    """The same down each column."""
    routes = []
    for c in range(colors):
        hops = (height - 1 - c + colors - 1) // colors
        if hops > 0:
            leg = Leg(Port.SOUTH, Affine(c + 1, colors), ramp=True)
            routes.append(chain(c, (hops, columns), Affine(0, 0, 1), Affine(c, colors), leg))
    return tuple(routes)


def through(top: int, bottom: int) -> tuple[Entry, ...]:
    """Entries of lanes on columns, from the top heading south and from the bottom heading north."""
    return (
        Entry(Port.SOUTH, Affine(0, 1), Affine(top), Leg(Port.SOUTH, Affine(bottom), ramp=True)),
        Entry(Port.NORTH, Affine(0, 1), Affine(bottom), Leg(Port.NORTH, Affine(top), ramp=True)),
    )


def kernel(name: str, kind: str, width: int, height: int, terminals, internal) -> Kernel:
    """A kernel without cost, parameters or data."""
    return Kernel(name, kind, name, width, height, tuple(terminals), tuple(internal), COST)


def linear(name: str, inputs: int, outputs: int, m: int) -> Kernel:
    """x on columns, y from the last column."""
    terminals = (
        Terminal("x", inputs, False, entries=through(0, outputs - 1), order_group=0),
        Terminal("y", outputs, True, Affine(inputs + m - 1), Affine(0, 1), order_group=1),
    )
    return kernel(name, "linear", inputs + m, outputs, terminals, along_row(inputs + m, outputs))


def strip(name: str, lanes: int, sinks: tuple[str, ...], outs: tuple[str, ...]) -> Kernel:
    """A row that lanes enter from above or below and leave in any direction."""
    terminals = [Terminal(s, lanes, False, entries=through(0, 0)) for s in sinks]
    terminals += [Terminal(s, lanes, True, Affine(0, 1), ZERO) for s in outs]
    return kernel(name, "strip", lanes, 1, terminals, along_row(lanes, 1, 3))


def attention(name: str, heads: int, g: int, rows: int) -> Kernel:
    """H*g columns, fanned out per head; the result leaves the bottom row at pitch g."""
    entries = []
    for entry in through(0, rows - 1):
        source = Port.NORTH if entry.heading is Port.SOUTH else Port.SOUTH
        branches = []
        for c in range(g):
            for direction, to in ((Port.WEST, Affine(0, g)), (Port.EAST, Affine(g - 1, g))):
                leg = Leg(direction, to, ramp=True)
                branches.append((c, Bundle(0, (heads, rows), Affine(c, g), Affine(0, 0, 1), source, (leg,))))
        entries.append(Entry(entry.heading, entry.x, entry.y, entry.leg, tuple(branches)))
    terminals = (
        Terminal("qkv", heads * g, False, entries=tuple(entries), colors=g),
        Terminal("o", heads, True, Affine(g - 1, g), Affine(rows - 1)),
    )
    internal = along_row(heads * g, rows) + tuple(
        InternalRoute(r.local_color + 2, r.bundles) for r in down_column(heads * g, rows)
    )
    return kernel(name, "attention", heads * g, rows, terminals, internal)


def embed(name: str, lanes: int, rows: int) -> Kernel:
    """ids along the first row and down every column; y from the last row."""
    down = Bundle(0, (lanes, 1), Affine(0, 1), ZERO, Port.WEST, (Leg(Port.SOUTH, Affine(rows - 1), ramp=True),))
    entry = Entry(Port.EAST, ZERO, ZERO, Leg(Port.EAST, Affine(lanes - 1), ramp=True), ((0, down),))
    terminals = (
        Terminal("ids", 1, False, entries=(entry,), order_group=0),
        Terminal("y", lanes, True, Affine(0, 1), Affine(rows - 1), order_group=1),
    )
    return kernel(name, "embed", lanes, rows, terminals, down_column(lanes, rows))


def host_cells(lanes: int, count: int) -> list[int]:
    """Cells of the host terminals of a strip, evenly spread."""
    return [lanes * (2 * n + 1) // (2 * count) for n in range(count)]


def scatter(name: str, lanes: int, count: int) -> Kernel:
    """Host lanes in, each at its own cell; L lanes out."""
    terminals = []
    for n, cell in enumerate(host_cells(lanes, count)):
        at = Affine(cell)
        entries = tuple(Entry(d, at, ZERO, Leg(d, at, ramp=True)) for d in (Port.EAST, Port.WEST))
        terminals.append(Terminal(f"in{n}", 1, False, entries=entries))
    terminals.append(Terminal("y", lanes, True, Affine(0, 1), ZERO))
    return kernel(name, "scatter", lanes, 1, terminals, along_row(lanes, 1))


def gather(name: str, lanes: int, count: int) -> Kernel:
    """L lanes in; host lanes out, each from its own cell."""
    terminals = [Terminal("x", lanes, False, entries=through(0, 0))]
    terminals += [Terminal(f"out{n}", 1, True, Affine(c), ZERO) for n, c in enumerate(host_cells(lanes, count))]
    return kernel(name, "gather", lanes, 1, terminals, along_row(lanes, 1))


class Builder:
    """Collects kernels and nets."""

    def __init__(self) -> None:
        self.kernels: list[Kernel] = []
        self.nets: list[Net] = []

    def add(self, k: Kernel) -> int:
        """Index of the kernel added."""
        self.kernels.append(k)
        return len(self.kernels) - 1

    def join(self, source: int, out: str, sink: int, name: str, wavelets: int = 17) -> int:
        """Index of the net added; -1 is the host."""
        ends, lanes = [], 1
        for k, t in ((source, out), (sink, name)):
            index = 0
            if k >= 0:
                index = next(n for n, x in enumerate(self.kernels[k].terminals) if x.name == t)
                lanes = self.kernels[k].terminals[index].lanes
            ends.append(End(k, index))
        label = f"{self.label(source)}.{out} -> {self.label(sink)}.{name}"
        self.nets.append(Net(label, ends[0], ends[1], lanes, DType.F16, wavelets))
        return len(self.nets) - 1

    def label(self, k: int) -> str:
        """A kernel's name."""
        return "host" if k < 0 else self.kernels[k].name

    def plan(self, mesh: tuple[int, int], inputs: list[int], outputs: list[int], target: str = "wse2") -> Plan:
        """The plan."""
        host = (HostNet("input", True, tuple(inputs)), HostNet("output", False, tuple(outputs)))
        return Plan("synthetic", mesh, target, tuple(self.kernels), tuple(self.nets), host)


def gpt(
    mesh: tuple[int, int],
    blocks: int = 4,
    d: int = 16,
    ffn: int = 48,
    heads: int = 4,
    g: int = 3,
    rows: int = 8,
    m: int = 2,
    vocab_rows: int = 8,
    head: int = 32,
    outs: int = 2,
    target: str = "wse2",
) -> Plan:
    """embed -> strip -> [qkv, attention, proj, strip, up, down, strip] x blocks -> head -> gather."""
    b = Builder()
    first = b.add(embed("embed", d, vocab_rows))
    ids = b.join(-1, "", first, "ids")
    here = b.add(strip("norm.in", d, ("x",), ("norm", "residual_out")))
    b.join(first, "y", here, "x")
    for n in range(blocks):
        qkv = b.add(linear(f"h.{n}.qkv", d, heads * g, m))
        b.join(here, "norm", qkv, "x")
        heart = b.add(attention(f"h.{n}.attention", heads, g, rows))
        b.join(qkv, "y", heart, "qkv")
        proj = b.add(linear(f"h.{n}.proj", heads, d, m))
        b.join(heart, "o", proj, "x")
        middle = b.add(strip(f"h.{n}.join1", d, ("branch", "residual"), ("norm", "residual_out")))
        b.join(proj, "y", middle, "branch")
        b.join(here, "residual_out", middle, "residual")
        up = b.add(linear(f"h.{n}.up", d, ffn, m))
        b.join(middle, "norm", up, "x")
        down = b.add(linear(f"h.{n}.down", ffn, d, m))
        b.join(up, "y", down, "x")
        last = n == blocks - 1
        here_next = b.add(
            strip(f"h.{n}.join2", d, ("branch", "residual"), ("norm",) if last else ("norm", "residual_out"))
        )
        b.join(down, "y", here_next, "branch")
        b.join(middle, "residual_out", here_next, "residual")
        here = here_next
    out = b.add(linear("head", d, head, m))
    b.join(here, "norm", out, "x")
    end = b.add(gather("logits", head, outs))
    b.join(out, "y", end, "x")
    logits = [b.join(end, f"out{n}", -1, "", 200) for n in range(outs)]
    return b.plan(mesh, [ids], logits, target)


def matmul(mesh: tuple[int, int], inputs: int, outputs: int, m: int = 1, hosts: int = 1, target: str = "wse2") -> Plan:
    """scatter -> linear -> gather."""
    b = Builder()
    first = b.add(scatter("scatter", inputs, hosts))
    ins = [b.join(-1, "", first, f"in{n}") for n in range(hosts)]
    middle = b.add(linear("matmul", inputs, outputs, m))
    b.join(first, "y", middle, "x")
    last = b.add(gather("gather", outputs, hosts))
    b.join(middle, "y", last, "x")
    return b.plan(mesh, ins, [b.join(last, f"out{n}", -1, "") for n in range(hosts)], target)
