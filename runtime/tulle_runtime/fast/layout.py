"""Builds the engine's arrays from a program. Vectorised over PEs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_ir.program import HostPort, Program, ProgramClass
from tulle_ir.routes import RouteEntries
from tulle_ir.target import Target
from tulle_runtime.fast import sram
from tulle_runtime.fast import words as w
from tulle_runtime.fast.code import FlatClass, flatten
from tulle_runtime.fast.lines import zeros
from tulle_runtime.fast.machine import Machine
from tulle_runtime.fast.network import Channels
from tulle_runtime.fast.ports import Ports, link_keys
from tulle_runtime.fast.records import Memory, pe_records, router_records, set_ahead
from tulle_runtime.fast.workers import mail_arrays, own_arrays, owners, wake_first


@dataclass(frozen=True)
class Layout:
    """The machine's arrays and what is needed to read results out of them."""

    machines: list[Machine]  # of the workers
    entries: RouteEntries
    runs: np.ndarray  # bool[entries]: not within a chain
    channels: np.ndarray  # i64[2 entries] bases: the channel of each entry, then the one it fills at the ramp; -1: none
    memory: np.ndarray  # u8[]
    class_first: list[int]  # first PE of each class
    input_ports: list[HostPort]  # in the order of machine.ports

    @property
    def machine(self) -> Machine:
        """The first worker's."""
        return self.machines[0]


def build(
    program: Program,
    entries: RouteEntries,
    target: Target,
    inputs: list[list[np.ndarray]],
    *,
    ahead: bool,
    workers: int = 1,
) -> Layout:
    """All arrays of a run that is about to begin. With `ahead` chains are joined and entities go ahead of the present
    cycle; then only the result of a run that ends `ok` is exact. Only such a run may have several workers."""
    width, height = program.mesh
    memory = Memory(program)
    begins = np.diff(entries.router, prepend=-1) != 0
    routers, router_of = entries.router[begins], np.cumsum(begins) - 1
    flats, distinct = _flatten(program, target)
    place = np.concatenate([_places(cls, width) for cls in program.classes] or [np.zeros(0, np.int64)])
    pe_at = np.full(width * height, -1, np.int64)
    pe_at[place] = np.arange(len(place))
    class_first = np.cumsum([0] + [sram.pes(cls) for cls in program.classes]).tolist()

    in_ports = [port for stream in program.streams if stream.is_input for port in stream.ports]
    out_ports = [port for stream in program.streams if not stream.is_input for port in stream.ports]
    links, link_of = np.unique(link_keys(in_ports, width), return_inverse=True)
    first_pe, first_link = len(routers), len(routers) + len(place)
    entities = first_link + len(links)

    worker = np.concatenate([owners(at, width, workers) for at in (routers, place, links // 4)])
    channels = Channels(entries, target, router_of, first_pe, first_pe + pe_at, pe_at >= 0, worker)
    for cls, first in zip(program.classes, class_first, strict=False):
        channels.set_depths(cls, place[first : first + sram.pes(cls)], target)
    ports = Ports(in_ports, entries, links, link_of, width)
    ch = channels.fill(ports, out_ports, first_link, width, ahead)

    counts = zeros((len(place), w.N_WORDS), np.int64)
    counts[:, (w.N_FIRST, w.N_LAST, w.N_EPOCH)] = -1
    counts[:, w.N_COST_OF] = w.N_CONTROL_SLOTS
    pe, pe_base = pe_records(program, flats, class_first, memory.starts, place, channels)
    memory.wait()
    feed, port_rows = ports.rows(inputs, channels.mouth)
    if ahead:
        set_ahead(pe, pe_base, ch, place, channels)
    g = _globals(target, len(routers), len(place), channels.out_links, ahead, workers)
    machine = Machine(
        ch=ch,
        trees=channels.trees,
        routers=router_records(channels, len(routers)),
        router_entries=channels.entry_records(),
        pe=pe,
        pe_base=pe_base,
        place=place.astype(np.int32),
        classes=np.array([flat.layout for flat in flats], np.int32).reshape(-1, w.CLASS_WORDS),
        tasks=np.concatenate([flat.tasks for flat in distinct] or [np.zeros((0, w.TASK_TABLE_WORDS), np.int32)]),
        code=np.concatenate([flat.code for flat in distinct] or [np.zeros((0, w.ROW_WORDS), np.int32)]),
        counts=counts,
        waited=np.zeros((len(place), len(target.input_queues) + 1), np.int32),
        contended=np.zeros(int(channels.runs.sum()), np.int32),
        pending=np.zeros(entities, np.uint32),
        border=channels.border,
        **own_arrays(worker, 0, g, channels.out_links),
        **mail_arrays(worker[channels.producer], worker[channels.consumer[channels.between]], workers),
        far_next=np.full(entities, -1, np.int32),
        far_prev=np.full(entities, -1, np.int32),
        far_at=np.zeros(entities, np.int64),
        link_first=np.searchsorted(np.sort(link_of), np.arange(len(links) + 1)).astype(np.int32),
        ports=port_rows,
        feed=feed,
        half=memory.bytes.view(np.uint16),
        word=memory.bytes.view(np.uint32),
        real=memory.bytes.view(np.float32),
    )
    more = (own_arrays(worker, number, g, channels.out_links) for number in range(1, workers))
    machines = [machine, *(machine._replace(**own) for own in more)]
    starting = first_pe + np.flatnonzero(pe[pe_base + w.START])
    for number, m in enumerate(machines):
        own = np.flatnonzero(worker == number)
        wake_first(m, own[own >= first_link], 0)
        wake_first(m, np.intersect1d(own, starting), target.launch_cycles)
    ports_in_order = [in_ports[k] for k in ports.order]
    return Layout(machines, entries, channels.runs, channels.bases(), memory.bytes, class_first, ports_in_order)


def _flatten(program: Program, target: Target) -> tuple[list[FlatClass], list[FlatClass]]:
    """Of each class, and those that are distinct: the copies of a program share tasks and what these name."""
    flats: list[FlatClass] = []
    known: dict[tuple[int, ...], FlatClass] = {}
    row = task = 0
    for cls in program.classes:
        shared = tuple(map(id, (cls.tasks, cls.queues, cls.registers, cls.buffers, cls.tables)))
        if shared not in known:
            known[shared] = flatten(cls, target, row, task)
            row, task = row + len(known[shared].code), task + len(known[shared].tasks)
        flats.append(known[shared])
    return flats, list(known.values())


def _places(cls: ProgramClass, width: int) -> np.ndarray:
    """y * W + x of the PEs of a class, in order."""
    grid = cls.grid
    x = grid.x + grid.step_x * np.arange(grid.width, dtype=np.int64)
    y = grid.y + grid.step_y * np.arange(grid.height, dtype=np.int64)
    return (y[:, None] * width + x[None, :]).reshape(-1)


def _globals(target: Target, routers: int, pes: int, out_links: int, ahead: bool, workers: int) -> np.ndarray:
    g = np.zeros(w.G_WORDS, np.int64)
    g[w.G_LAST] = -1
    g[w.G_ROUTERS], g[w.G_PES], g[w.G_WORKERS] = routers, pes, workers
    g[w.G_OUT_LINKS], g[w.G_AHEAD] = (1 + w.MOST_AHEAD) * out_links, w.MOST_AHEAD if ahead else 0
    g[w.G_QUEUES] = len(target.input_queues)
    g[w.G_LAUNCH], g[w.G_DISPATCH] = target.launch_cycles, target.dispatch_cycles
    g[w.G_ISSUE], g[w.G_ROW] = target.vector_issue, target.row_overhead
    g[w.G_AXPY_ISSUE], g[w.G_AXPY_ENTRY] = target.axpy_issue, target.axpy_overhead
    g[w.G_LOAD], g[w.G_BRANCH], g[w.G_DIVIDE] = target.load_cycles, target.branch_cycles, target.divide_cycles
    g[w.G_BANK], g[w.G_GROUPS] = target.sram_bytes // target.banks, target.bank_groups
    return g
