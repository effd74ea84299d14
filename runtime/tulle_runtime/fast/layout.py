"""Builds the engine's arrays from a program: entities, channels, PE records, host ports. Vectorised over PEs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_ir.program import HostPort, Program, ProgramClass
from tulle_ir.progress import steps
from tulle_ir.routes import EDGE, INDEX, RAMP, RouteEntries, expand_routes
from tulle_ir.target import Target
from tulle_runtime.fast import sram
from tulle_runtime.fast import words as w
from tulle_runtime.fast.chains import Chains, join
from tulle_runtime.fast.code import FlatClass, flatten, wrap
from tulle_runtime.fast.machine import Machine

_LOG = 1 << 16  # least entries of the output log
_NONE = -1 << 40  # an entry has no such output
_AHEAD = 16  # most cycles


@dataclass(frozen=True)
class Layout:
    """The machine's arrays and what is needed to read results out of them."""

    machine: Machine
    entries: RouteEntries
    runs: np.ndarray  # bool[entries]: not within a chain
    channels: np.ndarray  # i64[2 entries] bases: the channel of each entry, then the one it fills at the ramp; -1: none
    memory: np.ndarray  # u8[]
    class_first: list[int]  # first PE of each class
    input_ports: list[HostPort]  # in the order of machine.ports


def build(program: Program, target: Target, inputs: list[list[np.ndarray]], *, ahead: bool) -> Layout:
    """All arrays of a run that is about to begin. With `ahead` chains are joined and entities go ahead of the present
    cycle; then only the result of a run that ends `ok` is exact."""
    width, height = program.mesh
    entries, _ = expand_routes(program)
    routers, router_of = np.unique(entries.router, return_inverse=True)
    flats = _flatten(program, target)
    place = np.concatenate([_places(cls, width) for cls in program.classes] or [np.zeros(0, np.int64)])
    pe_at = np.full(width * height, -1, np.int64)
    pe_at[place] = np.arange(len(place))
    class_first = np.cumsum([0] + [sram.pes(cls) for cls in program.classes]).tolist()

    in_ports = [port for stream in program.streams if stream.is_input for port in stream.ports]
    out_ports = [port for stream in program.streams if not stream.is_input for port in stream.ports]
    links, link_of = np.unique(_link_keys(in_ports, width), return_inverse=True)
    first_pe, first_link = len(routers), len(routers) + len(place)
    entities = first_link + len(links)

    channels = _Channels(entries, target, router_of, first_pe, first_pe + pe_at, pe_at >= 0)
    for cls, first in zip(program.classes, class_first, strict=False):
        channels.set_depths(cls, place[first : first + sram.pes(cls)], target)
    ports = _Ports(in_ports, entries, links, link_of, width)
    ch = channels.fill(ports, out_ports, first_link, width, ahead)

    counts = np.zeros((len(place), w.N_WORDS), np.int64)
    counts[:, (w.N_FIRST, w.N_LAST, w.N_EPOCH)] = -1
    counts[:, w.N_COST_OF] = w.N_CONTROL_SLOTS
    memory, starts = _memory(program)
    pe, pe_base = _records(program, flats, class_first, starts, place, channels)
    feed, port_rows = ports.rows(inputs, channels)
    if ahead:
        _set_ahead(pe, pe_base, ch, place, channels)
    log = max(_LOG, 2 * (1 + _AHEAD) * channels.out_links)
    machine = Machine(
        ch=ch,
        trees=channels.trees,
        routers=_routers(channels, len(routers), len(ch)),
        router_entries=channels.base[: len(router_of)][channels.runs].astype(np.int32),
        pe=pe,
        pe_base=pe_base,
        place=place.astype(np.int32),
        classes=np.array([flat.layout for flat in flats], np.int32).reshape(-1, w.CLASS_WORDS),
        tasks=np.concatenate([flat.tasks for flat in flats] or [np.zeros((0, w.TASK_TABLE_WORDS), np.int32)]),
        code=np.concatenate([flat.code for flat in flats] or [np.zeros((0, w.ROW_WORDS), np.int32)]),
        counts=counts,
        waited=np.zeros((len(place), len(target.input_queues) + 1), np.int32),
        contended=np.zeros(int(channels.runs.sum()), np.int32),
        g=_globals(target, len(routers), len(place), entities, channels.out_links, log, ahead),
        pending=np.zeros(entities, np.uint32),
        near=np.zeros((w.NEAR, entities), np.int32),
        near_count=np.zeros((w.NEAR, 2), np.int64),
        far_head=np.full(w.FAR, -1, np.int32),
        far_next=np.full(entities, -1, np.int32),
        far_prev=np.full(entities, -1, np.int32),
        far_at=np.zeros(entities, np.int64),
        link_first=np.searchsorted(np.sort(link_of), np.arange(len(links) + 1)).astype(np.int32),
        ports=port_rows,
        feed=feed,
        log_port=np.zeros(log, np.int32),
        log_value=np.zeros(log, np.int32),
        log_time=np.zeros(log, np.int64),
        half=memory.view(np.uint16),
        word=memory.view(np.uint32),
        real=memory.view(np.float32),
    )
    _first_wakes(machine, program, class_first, first_pe, first_link, target)
    return Layout(
        machine, entries, channels.runs, channels.bases(), memory, class_first, [in_ports[k] for k in ports.order]
    )


def _flatten(program: Program, target: Target) -> list[FlatClass]:
    flats: list[FlatClass] = []
    row = task = 0
    for cls in program.classes:
        flats.append(flatten(cls, target, row, task))
        row, task = row + len(flats[-1].code), task + len(flats[-1].tasks)
    return flats


def _places(cls: ProgramClass, width: int) -> np.ndarray:
    """y * W + x of the PEs of a class, in order."""
    grid = cls.grid
    x = grid.x + grid.step_x * np.arange(grid.width, dtype=np.int64)
    y = grid.y + grid.step_y * np.arange(grid.height, dtype=np.int64)
    return (y[:, None] * width + x[None, :]).reshape(-1)


def _link_keys(ports: list[HostPort], width: int) -> np.ndarray:
    return np.array([(port.y * width + port.x) * 4 + INDEX[port.side] for port in ports], np.int64)


def _globals(
    target: Target, routers: int, pes: int, entities: int, out_links: int, log: int, ahead: bool
) -> np.ndarray:
    g = np.zeros(w.G_WORDS, np.int64)
    g[w.G_LAST] = -1
    g[w.G_ROUTERS], g[w.G_PES], g[w.G_ENTITIES] = routers, pes, entities
    g[w.G_OUT_LINKS], g[w.G_AHEAD] = (1 + _AHEAD) * out_links, _AHEAD if ahead else 0
    g[w.G_LOG_SIZE], g[w.G_QUEUES] = log, len(target.input_queues)
    g[w.G_LAUNCH], g[w.G_DISPATCH] = target.launch_cycles, target.dispatch_cycles
    g[w.G_ISSUE], g[w.G_ROW] = target.vector_issue, target.row_overhead
    g[w.G_AXPY_ISSUE], g[w.G_AXPY_ENTRY] = target.axpy_issue, target.axpy_overhead
    g[w.G_LOAD], g[w.G_BRANCH], g[w.G_DIVIDE] = target.load_cycles, target.branch_cycles, target.divide_cycles
    g[w.G_BANK], g[w.G_GROUPS] = target.sram_bytes // target.banks, target.bank_groups
    return g


def _routers(channels: _Channels, routers: int, words: int) -> np.ndarray:
    """The routers' records, and one more that ends the last one's entries; `words` of the channel array."""
    records = np.zeros((routers + 1, w.ROUTER_WORDS), np.int32)
    router_of = channels.router_of[channels.runs]
    records[:, w.Q_FIRST] = np.searchsorted(router_of, np.arange(routers + 1))
    bases = np.append(channels.base[: len(channels.router_of)][channels.runs], words)
    line = bases[records[:, w.Q_FIRST]] // w.LINE
    records[:, w.Q_LINE], records[:-1, w.Q_LINES] = line, np.diff(line)
    return records


def _set_ahead(pe: np.ndarray, pe_base: np.ndarray, ch: np.ndarray, place: np.ndarray, channels: _Channels) -> None:
    """How far a PE may go ahead: until what its routers may yet push into one of its channels is visible.

    In the present cycle routers come before PEs and host links, so what the latter push may come a cycle earlier."""
    entries, n = channels.entries, len(channels.entries.router)
    base = channels.base[n:][channels.delivers]
    known = ch[base + w.LATENCY] - (ch[base + w.FEEDER] == w.NO_FEEDER)
    least = np.full(int(entries.mesh[0] * entries.mesh[1]), _AHEAD, np.int64)
    np.minimum.at(least, entries.router[channels.delivers], known)
    pe[pe_base + w.AHEAD] = least[place]


def _memory(program: Program) -> tuple[np.ndarray, list[int]]:
    """All SRAM, filled, and where each class's begins."""
    sizes = [sram.pes(cls) * sram.stride(cls) for cls in program.classes]
    starts = np.cumsum([0, *sizes]).tolist()
    memory = np.zeros(starts[-1] + sram.ALIGN, np.uint8)
    for cls, start in zip(steps("load", program.classes, "classes"), starts, strict=False):
        sram.load(memory, start, cls, program.tensors)
    return memory, starts


def _records(
    program: Program,
    flats: list[FlatClass],
    class_first: list[int],
    starts: list[int],
    place: np.ndarray,
    channels: _Channels,
) -> tuple[np.ndarray, np.ndarray]:
    """The PE records and where each begins."""
    sizes = [sram.pes(cls) * int(flat.layout[w.C_SIZE]) for cls, flat in zip(program.classes, flats, strict=True)]
    firsts = np.cumsum([0, *sizes])
    pe = np.zeros(firsts[-1], np.int32)
    bases: list[np.ndarray] = [np.zeros(0, np.int64)]
    for k, (cls, flat) in enumerate(zip(program.classes, flats, strict=True)):
        layout = flat.layout
        size, n = int(layout[w.C_SIZE]), sram.pes(cls)
        bases.append(firsts[k] + size * np.arange(n))
        view = pe[firsts[k] : firsts[k + 1]].reshape(n, size)
        view[:, w.TASK] = view[:, w.DEFER] = -1
        view[:, w.START] = int(flat.tasks[:, w.K_START].any())
        view[:, w.CLASS] = k * w.CLASS_WORDS
        view[:, w.SRAM] = starts[k] // sram.ALIGN + np.arange(n) * (sram.stride(cls) // sram.ALIGN)
        view[:, w.EXTENT] = cls.sram_bytes
        at = place[class_first[k] : class_first[k] + n]
        for index, queue in enumerate(cls.queues):
            view[:, layout[w.C_QUEUES] + index] = channels.of_queue(at, queue.color, queue.is_input)
        for index, task in enumerate(cls.tasks):
            view[:, layout[w.C_TASKS] + w.TASK_WORDS * index + w.FLAGS] = w.BLOCKED if task.blocked else 0
        for index, register in enumerate(cls.registers):
            value = register.value
            values = program.tensors[value] if isinstance(value, str) else wrap(value)
            view[:, layout[w.C_REGISTERS] + index] = values
    return pe, np.concatenate(bases)


def _first_wakes(
    m: Machine, program: Program, class_first: list[int], first_pe: int, first_link: int, target: Target
) -> None:
    """Host links at cycle 0, PEs with tasks on start at `launch_cycles`."""
    links = np.arange(first_link, m.near.shape[1])
    starts = [
        np.arange(first_pe + class_first[k], first_pe + class_first[k + 1])
        for k, cls in enumerate(program.classes)
        if m.pe[m.pe_base[class_first[k]] + w.START]
    ]
    for entities, when in ((links, 0), (np.concatenate([*starts, links[:0]]), target.launch_cycles)):
        if when < w.NEAR:
            done = int(m.near_count[when, 1])
            m.near[when, m.near.shape[1] - done - len(entities) : m.near.shape[1] - done] = entities[::-1]
            m.near_count[when, 1] += len(entities)
            m.pending[entities] |= np.uint32(1 << when)
        elif len(entities):
            bucket = when % w.FAR
            m.far_head[bucket] = entities[0]
            m.far_next[entities[:-1]] = entities[1:]
            m.far_prev[entities[0]] = -1 - bucket
            m.far_prev[entities[1:]] = entities[:-1]
            m.far_at[entities] = when
            m.g[w.G_FAR] += len(entities)


class _Channels:
    """Channel e is the link or up-ramp channel of entry e, channel n + e the down-ramp channel that entry e of n fills.
    The channels of a chain share one base."""

    def __init__(
        self,
        entries: RouteEntries,
        target: Target,
        router_of: np.ndarray,
        first_pe: int,
        pe_entity: np.ndarray,
        has_pe: np.ndarray,
    ) -> None:
        self.entries, self.router_of, n = entries, router_of.astype(np.int64), len(entries.router)
        up = entries.port == RAMP
        self.capacity = np.full(2 * n, target.ramp_cycles, np.int64)
        self.capacity[:n] = np.where(up, target.ramp_cycles + target.router_depth, target.router_depth)
        self.latency = np.full(2 * n, target.ramp_cycles, np.int64)
        self.latency[:n] = np.where(up, 1 + target.ramp_cycles, target.hop_cycles)
        self.is_link = np.concatenate([~up, np.zeros(n, bool)])
        self.delivers = entries.mask >> RAMP & 1 != 0
        # where there is no PE the router itself is woken, which is harmless
        self.pe = np.where(has_pe[entries.router], pe_entity[entries.router], self.router_of)
        self.consumer = np.concatenate([self.router_of, self.pe])
        self.base = self.last = np.zeros(0, np.int64)
        self.trees = np.zeros((0, w.TREE_WORDS), np.int32)
        self.first_pe = first_pe
        self.runs = np.ones(n, bool)  # entries that the router must look at
        self.out_links = 0

    def set_depths(self, cls: ProgramClass, place: np.ndarray, target: Target) -> None:
        """Capacities of the ramp channels that the queues of a class are bound to."""
        n = len(self.entries.router)
        for queue in cls.queues:
            at = self.entries.find(place, np.full(len(place), queue.color))
            at = at[at >= 0]
            if queue.is_input:
                self.capacity[n + at] = target.down_ramp_capacity(queue.index)
            else:
                self.capacity[at[self.entries.port[at] == RAMP]] = target.up_ramp_capacity(queue.index)

    def of_queue(self, place: np.ndarray, color: int, is_input: bool) -> np.ndarray:
        """Channel base per PE, NO_ROUTE where the color has no such entry."""
        at = self.entries.find(place, np.full(len(place), color))
        n = len(self.entries.router)
        if not n:
            return np.full(len(place), w.NO_ROUTE)
        found, at = at >= 0, np.maximum(at, 0)
        bound = self.delivers[at] if is_input else self.entries.port[at] == RAMP
        return np.where(found & bound, self.base[n + at if is_input else at], w.NO_ROUTE)

    def bases(self) -> np.ndarray:
        """Of the channels that there are, -1 for the others."""
        return np.where(np.concatenate([np.ones(len(self.delivers), bool), self.delivers]), self.base, -1)

    def fill(self, ports: _Ports, out_ports: list[HostPort], first_link: int, width: int, joined: bool) -> np.ndarray:
        """The channel array."""
        n = len(self.entries.router)
        outputs = self._outputs(out_ports, width)
        follows = np.arange(2 * n)
        if joined:
            free = self._free(outputs)
            follows[free] = outputs[free].max(axis=1)
        chains = join(follows, self.capacity, self.latency, self.is_link)
        self.last = chains.last
        self.runs = chains.last[:n] == np.arange(n)
        return self._write(outputs, chains, ports, first_link)

    def _outputs(self, out_ports: list[HostPort], width: int) -> np.ndarray:
        """i64[n, 5]: the channel behind each output of each entry, or OUT_DROP, OUT_HOST - port, OUT_NEVER, _NONE."""
        entries, n = self.entries, len(self.entries.router)
        hosts = {((p.y * width + p.x) * 4 + INDEX[p.side], p.color): k for k, p in enumerate(out_ports)}
        outputs = np.full((n, 5), _NONE, np.int64)
        for side in range(4):
            has = np.flatnonzero(entries.mask >> side & 1)
            target = entries.target(side)[has]
            outputs[has, side] = np.where(target >= 0, target, np.where(target == EDGE, w.OUT_DROP, w.OUT_NEVER))
            for entry in has[target == EDGE]:
                port = hosts.get((int(entries.router[entry]) * 4 + side, int(entries.color[entry])))
                if port is not None:
                    outputs[entry, side] = w.OUT_HOST - port
                    self.out_links += 1
        outputs[self.delivers, RAMP] = n + np.flatnonzero(self.delivers)
        return outputs

    def _free(self, outputs: np.ndarray) -> np.ndarray:
        """Entries whose only output leads to a channel and is used by no other entry of the router."""
        used = outputs != _NONE
        users = np.zeros((int(self.router_of.max(initial=-1)) + 1, 5), np.int64)
        np.add.at(users, self.router_of, used)
        alone = (users[self.router_of] == 1) & (outputs >= 0)
        return np.flatnonzero((used.sum(axis=1) == 1) & alone.any(axis=1))

    def _write(self, outputs: np.ndarray, chains: Chains, ports: _Ports, first_link: int) -> np.ndarray:
        n, all_channels = len(self.entries.router), np.arange(2 * len(self.entries.router))
        exists = (chains.last == all_channels) & np.concatenate([np.ones(n, bool), self.delivers])
        fan = np.concatenate([(outputs != _NONE).sum(axis=1), np.zeros(n, np.int64)])
        size = np.where(exists, w.RING + 2 * chains.capacity + np.maximum(fan - 1, 0), 0)
        size += np.where(exists, -size % w.LINE, 0)
        order = np.stack([all_channels[:n], all_channels[n:]], axis=1).reshape(
            -1
        )  # an entry beside what it delivers to
        ends = np.cumsum(size[order])
        place = np.empty(2 * n, np.int64)
        place[order] = ends - size[order]
        self.base = place[chains.last]
        trees = _Trees(exists, chains, outputs)
        ch = np.zeros(int(ends[-1]) if n else 0, np.int32)
        at = np.flatnonzero(exists)
        base = place[at]
        mask = np.concatenate([self.entries.mask.astype(np.int64), np.zeros(n, np.int64)])
        ch[base + w.HEAD] = ch[base + w.TAIL] = base + w.RING
        ch[base + w.CAPACITY] = chains.capacity[at] | mask[at] << w.MASK_SHIFT
        ch[base + w.LATENCY], ch[base + w.CREDIT] = chains.latency[at], chains.length[at]
        ch[base + w.HOPS], ch[base + w.LAST_POP] = chains.hops[at], -1
        ch[base + w.CONSUMER], ch[base + w.FEEDER] = self.consumer[at], w.NO_FEEDER
        ch[base + w.TREE], ch[base + w.DEPTH] = w.TREE_WORDS * trees.of[at], trees.depth[at]
        ch[base + w.GROWTH] = trees.growth[at]
        self.trees = self._sources(trees, ports)
        slots = np.repeat(base + w.RING + 1, chains.capacity[at])
        first = np.repeat(np.cumsum(chains.capacity[at]) - chains.capacity[at], chains.capacity[at])
        ch[slots + 2 * (np.arange(len(slots)) - first)] = w.NEVER
        self._write_outputs(ch, outputs, chains, ports, first_link)
        return ch

    def _sources(self, trees: _Trees, ports: _Ports) -> np.ndarray:
        """The record of each tree."""
        records = np.zeros((len(trees.first), w.TREE_WORDS), np.int32)
        records[:, w.SOURCE], records[:, w.FIRST] = w.NOWHERE, self.base[trees.first]
        up = np.flatnonzero(self.entries.port == RAMP)
        up = up[self.pe[up] >= self.first_pe]
        records[trees.of[self.last[up]], w.SOURCE] = self.pe[up] - self.first_pe
        fed = np.flatnonzero(ports.entry >= 0)
        records[trees.of[self.last[ports.entry[fed]]], w.SOURCE] = w.FROM_HOST - fed
        return records

    def _write_outputs(
        self, ch: np.ndarray, outputs: np.ndarray, chains: Chains, ports: _Ports, first_link: int
    ) -> None:
        """Where entries lead, and who fills each channel."""
        n = len(self.entries.router)
        up = np.flatnonzero(self.entries.port == RAMP)
        ch[self.base[up] + w.PRODUCER] = 2 * self.pe[up]
        fed = np.flatnonzero(ports.entry >= 0)
        ch[self.base[ports.entry[fed]] + w.PRODUCER] = 2 * (first_link + ports.link[fed])
        before = np.zeros(n, np.int64)  # outputs already placed
        for side in range(5):
            has = np.flatnonzero((outputs[:, side] != _NONE) & self.runs)
            target, base = outputs[has, side], self.base[has]
            out = np.where(target >= 0, self.base[np.maximum(target, 0)], target)
            extra = base + w.RING + 2 * chains.capacity[has] + before[has] - 1
            ch[np.where(before[has] == 0, base + w.OUT, extra)] = out
            before[has] += 1
            leads = target >= 0
            ch[out[leads] + w.PRODUCER], ch[out[leads] + w.FEEDER] = 2 * self.router_of[has[leads]], base[leads]


class _Trees:
    """Which channels one source fills, directly or through others. Arrays as in Chains, but for `first`, the channels
    that sources fill."""

    def __init__(self, exists: np.ndarray, chains: Chains, outputs: np.ndarray) -> None:
        n, index = len(outputs), np.arange(len(exists))
        from_entry, side = np.nonzero((outputs >= 0) & exists[:n, None])
        filled = chains.last[outputs[from_entry, side]]
        feeder = index.copy()
        feeder[filled] = from_entry
        self.growth = np.bincount(from_entry, weights=filled < n, minlength=len(exists)).astype(np.int64) - 1
        first, depth = feeder, np.where(feeder == index, 0, chains.latency)
        for _ in range(n.bit_length()):  # as in join
            if np.array_equal(first[first], first):
                break
            depth = np.minimum(depth + depth[first], w.CAPACITY_MASK)
            first = first[first]
        self.depth = depth + chains.latency[first]
        is_first = np.zeros(len(first), bool)
        is_first[first[exists]] = True
        self.first, self.of = np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[first]


class _Ports:
    """Host input ports, sorted by link and color."""

    def __init__(
        self, ports: list[HostPort], entries: RouteEntries, links: np.ndarray, link_of: np.ndarray, width: int
    ) -> None:
        color = np.array([port.color for port in ports], np.int64)
        self.order = np.lexsort((color, link_of)).tolist()
        self.link = link_of[self.order]
        key = links[self.link]
        found = entries.find(key // 4, color[self.order])
        fits = found >= 0
        fits[fits] = entries.port[found[fits]] == key[fits] % 4
        self.entry = np.where(fits, found, -1)

    def rows(self, inputs: list[list[np.ndarray]], channels: _Channels) -> tuple[np.ndarray, np.ndarray]:
        """(feed, port rows): the input wavelets of all ports in one array, and the state of each port."""
        lists = [words for stream in inputs for words in stream]
        if len(lists) != len(self.order):
            raise ValueError(f"{len(lists)} input lists for {len(self.order)} input ports")
        ordered = [np.asarray(lists[k], dtype=np.uint32) for k in self.order]
        ends = np.cumsum([len(words) for words in ordered], dtype=np.int64)
        rows = np.zeros((len(ordered), w.PORT_WORDS), np.int64)
        rows[:, w.P_BASE] = (
            np.where(self.entry >= 0, channels.base[np.maximum(self.entry, 0)], -1) if len(channels.base) else -1
        )
        rows[:, w.P_NEXT] = ends - [len(words) for words in ordered]
        rows[:, w.P_END] = ends
        rows[:, w.P_LAST] = -1
        feed = np.concatenate(ordered) if ordered else np.zeros(0, np.uint32)
        return feed, rows
