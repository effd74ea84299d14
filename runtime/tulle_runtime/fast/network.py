"""Channels and where they lead, for all route entries at once."""

from __future__ import annotations

import numpy as np

from tulle_ir.diagnostics import BadInput
from tulle_ir.program import HostPort, ProgramClass
from tulle_ir.routes import EDGE, INDEX, RAMP, RouteEntries
from tulle_ir.target import Target
from tulle_runtime.fast import words as w
from tulle_runtime.fast.chains import Chains, join
from tulle_runtime.fast.lines import whole, zeros
from tulle_runtime.fast.ports import Ports
from tulle_runtime.fast.trees import Trees

NONE = -1 << 40  # an entry has no such output
_BLOCK = 1 << 14  # channels whose headers are made at a time, in the cache


class Channels:
    """Channel e is the link or up-ramp channel of entry e, channel n + e the down-ramp channel that entry e of n fills.
    The channels of a chain share one base. `worker`: of each entity."""

    def __init__(
        self,
        entries: RouteEntries,
        target: Target,
        router_of: np.ndarray,
        first_pe: int,
        pe_entity: np.ndarray,
        has_pe: np.ndarray,
        worker: np.ndarray,
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
        self.base = self.mouth = self.last = np.zeros(0, np.int64)  # mouth: base of the copy that the producer fills
        self.worker, self.between = worker, np.zeros(0, np.int64)  # between: channels from one worker to another
        self.producer = np.zeros(0, np.int64)  # the entities that fill those
        self.trees = np.zeros((0, w.TREE_WORDS), np.int32)
        self.first_pe = first_pe
        self.runs = np.ones(n, bool)  # entries that the router must look at
        self.ranks = np.zeros(n, np.int64)  # of each among those of its router
        self.out_links = 0
        self.border = np.zeros(len(worker), np.uint8)  # as in Machine
        self._require_few_colors()

    def _require_few_colors(self) -> None:
        """Raises BadInput where a router has more entries than a word has bits for."""
        colors = np.bincount(self.router_of, minlength=1)
        if colors.max() > w.NOBODY:
            router = int(self.entries.router[np.searchsorted(self.router_of, colors.argmax())])
            width = self.entries.mesh[0]
            raise BadInput(
                f"{colors.max()} colors meet in a router, and the fast engine takes {w.NOBODY}",
                where=f"router ({router % width}, {router // width})",
                remedy="--engine reference takes any number",
            )

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
        return np.where(found & bound, self.base[n + at] if is_input else self.mouth[at], w.NO_ROUTE)

    def bases(self) -> np.ndarray:
        """Of the channels that there are, -1 for the others."""
        return np.where(np.concatenate([np.ones(len(self.delivers), bool), self.delivers]), self.base, -1)

    def fill(self, ports: Ports, out_ports: list[HostPort], first_link: int, width: int, joined: bool) -> np.ndarray:
        """The channel array."""
        n = len(self.entries.router)
        outputs = self._outputs(out_ports, width)
        self.border[first_link:] = 1
        follows = np.arange(2 * n)
        if joined:
            free = self._free(outputs)
            follows[free] = outputs[free].max(axis=1)
        chains = join(follows, self.capacity, self.latency, self.is_link)
        self.last = chains.last
        self.runs = chains.last[:n] == np.arange(n)
        before = np.cumsum(self.runs) - self.runs
        self.ranks = before - before[np.searchsorted(self.router_of, self.router_of)]
        producer = self._producers(outputs, ports, first_link)
        apart = (producer >= 0) & (self.worker[producer] != self.worker[self.consumer])
        self.between = np.flatnonzero(apart & (chains.last == np.arange(2 * n)))
        self.producer = producer[self.between]
        return self._write(outputs, chains, producer, ports)

    def _producers(self, outputs: np.ndarray, ports: Ports, first_link: int) -> np.ndarray:
        """The entity that fills each channel, -1 for none; of those of a chain only the last is right."""
        n = len(self.entries.router)
        producer = np.full(2 * n, -1, np.int64)
        entry, side = np.nonzero((outputs >= 0) & self.runs[:, None])
        producer[self.last[outputs[entry, side]]] = self.router_of[entry]
        up = np.flatnonzero(self.entries.port == RAMP)
        producer[self.last[up]] = self.pe[up]
        fed = np.flatnonzero(ports.entry >= 0)
        producer[self.last[ports.entry[fed]]] = first_link + ports.link[fed]
        return producer

    def _outputs(self, out_ports: list[HostPort], width: int) -> np.ndarray:
        """i64[n, 5]: the channel behind each output of each entry, or OUT_DROP, OUT_HOST - port, OUT_NEVER, NONE."""
        entries, n = self.entries, len(self.entries.router)
        hosts = {((p.y * width + p.x) * 4 + INDEX[p.side], p.color): k for k, p in enumerate(out_ports)}
        outputs = np.full((n, 5), NONE, np.int64)
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
        used = outputs != NONE
        output_of = 5 * self.router_of[:, None] + np.arange(5)
        users = np.bincount(output_of[used], minlength=output_of.max(initial=-1) + 1)
        alone = (users[output_of] == 1) & (outputs >= 0)
        return np.flatnonzero((used.sum(axis=1) == 1) & alone.any(axis=1))

    def _write(self, outputs: np.ndarray, chains: Chains, producer: np.ndarray, ports: Ports) -> np.ndarray:
        n, all_channels = len(self.entries.router), np.arange(2 * len(self.entries.router))
        exists = (chains.last == all_channels) & np.concatenate([np.ones(n, bool), self.delivers])
        fan = np.concatenate([(outputs != NONE).sum(axis=1), np.zeros(n, np.int64)])
        ring = w.RING + 2 * chains.capacity
        size = np.where(exists, whole(ring + np.maximum(fan - 1, 0), w.LINE), 0)
        order = np.stack([all_channels[:n], all_channels[n:]], axis=1).reshape(
            -1
        )  # an entry beside what it delivers to
        ends = np.cumsum(size[order])
        place = np.empty(2 * n, np.int64)
        place[order] = ends - size[order]
        self.base = place[chains.last]
        copies = whole(ring[self.between], w.LINE)
        begin = int(size.sum())
        place[self.between] = begin + np.cumsum(copies) - copies
        self.mouth = place[chains.last]

        trees = Trees(exists, chains, outputs, self.between)
        self._mark_border(outputs, trees)
        self.trees = self._sources(trees, ports)
        ch = zeros((begin + int(copies.sum()),), np.int32)
        lines = ch.reshape(-1, w.LINE)  # a header is one
        ranks, known = np.append(self.ranks, np.full(n, w.NOBODY)), order[exists[order]]
        for first in range(0, len(known), _BLOCK):
            at, after = known[first : first + _BLOCK], known[first + _BLOCK :]
            end = self.base[after[0]] if len(after) else len(ch)
            ch[self.base[at[0]] + 1 : end : 2] = w.NEVER  # of the slots; headers come now
            heads = self._empty(chains, at, self.base)
            heads[:, w.CAPACITY] |= ranks[at] << w.RANK_SHIFT
            heads[:, w.CONSUMER], heads[:, w.PRODUCER] = self.consumer[at], 2 * np.maximum(producer[at], 0)
            heads[:, w.TREE], heads[:, w.DEPTH] = w.TREE_WORDS * trees.of[at], trees.depth[at]
            heads[:, w.GROWTH] = trees.growth[at]
            lines[self.base[at] // w.LINE] = heads
        self._write_outputs(ch, outputs, chains)
        self._part(lines, chains, producer, trees)
        return ch

    @staticmethod
    def _empty(chains: Chains, at: np.ndarray, base: np.ndarray) -> np.ndarray:
        """The headers of channels `at`, that are filled from nowhere; base: where each channel begins."""
        heads = np.zeros((len(at), w.LINE), np.int32)
        heads[:, w.HEAD] = heads[:, w.TAIL] = base[at] + w.RING
        heads[:, w.CAPACITY], heads[:, w.LATENCY] = chains.capacity[at], chains.latency[at]
        heads[:, w.CREDIT], heads[:, w.HOPS], heads[:, w.LAST_POP] = chains.length[at], chains.hops[at], -1
        heads[:, w.FEEDER] = w.NO_FEEDER
        return heads

    def _part(self, lines: np.ndarray, chains: Chains, producer: np.ndarray, trees: Trees) -> None:
        """Writes the producers' copies of channels between workers, and how the copies know of each other (mail.py). A
        push counts as crossings where it is made."""
        at, base, mouth = self.between, self.base[self.between], self.mouth[self.between]
        copies = self._empty(chains, at, self.mouth)
        copies[:, w.CAPACITY] |= w.NOBODY << w.RANK_SHIFT
        copies[:, w.PRODUCER], copies[:, w.CONSUMER] = 2 * producer[at], w.ELSEWHERE
        copies[:, w.ADDRESS] = base + self.worker[self.consumer[at]]
        other, feeder, lone = base // w.LINE, trees.feeder[at], trees.lone
        copies[:, w.FEEDER] = lines[other, w.FEEDER]
        copies[:, w.TREE] = w.TREE_WORDS * np.where(lone, len(trees.first) + np.cumsum(lone) - 1, trees.of[feeder])
        copies[:, w.DEPTH] = copies[:, w.LATENCY] + np.where(lone, 0, trees.depth[feeder])
        lines[mouth // w.LINE] = copies
        lines[other, w.PRODUCER] = -1 - (mouth + self.worker[producer[at]])
        lines[other, w.FEEDER], lines[other, w.CREDIT], lines[other, w.HOPS] = w.NO_FEEDER, 0, 0

    def entry_records(self) -> np.ndarray:
        """i32[entries that routers must look at, ENTRY_WORDS]."""
        at, ranks = np.flatnonzero(self.runs), self.ranks[self.runs]
        records = np.zeros((len(at), w.ENTRY_WORDS), np.int32)
        mask, router = self.entries.mask[at], self.router_of[at]
        records[:, w.E_BASE], records[:, w.E_MASK] = self.base[at], mask
        users = np.zeros((int(router.max(initial=-1)) + 1, 5), np.int32)  # bits: ranks
        for side in range(5):
            has = mask >> side & 1 != 0
            np.bitwise_or.at(users[:, side], router[has], np.int32(1) << ranks[has].astype(np.int32))
            records[has, w.E_RIVALS] |= users[router[has], side]
        records[:, w.E_RIVALS] &= ~(np.int32(1) << ranks.astype(np.int32))
        return records

    def _mark_border(self, outputs: np.ndarray, trees: Trees) -> None:
        """Marks routers that deal with another worker, or log what goes to the host; and PEs that deal with another
        worker or that a marked router feeds, since a PE's turn comes after theirs."""
        self.border[self.consumer[self.between]] = self.border[self.producer] = 1
        to_host = np.nonzero((outputs <= w.OUT_HOST) & (outputs != NONE))[0]
        self.border[self.router_of[to_host]] = 1
        n = len(outputs)
        fed = n + np.flatnonzero(trees.feeder[n:] < n)
        late = self.border[self.router_of[trees.feeder[fed]]] != 0
        self.border[self.consumer[fed[late]]] = 1

    def _sources(self, trees: Trees, ports: Ports) -> np.ndarray:
        """The record of each tree; then of those that are a producer's copy of a channel between workers."""
        sources = np.full(len(trees.of), w.NOWHERE, np.int64)  # of the channels that they fill
        up = np.flatnonzero(self.entries.port == RAMP)
        up = up[self.pe[up] >= self.first_pe]
        sources[self.last[up]] = self.pe[up] - self.first_pe
        fed = np.flatnonzero(ports.entry >= 0)
        sources[self.last[ports.entry[fed]]] = w.FROM_HOST - fed
        own, lone = len(trees.first), self.between[trees.lone]
        records = zeros((own + len(lone), w.TREE_WORDS), np.int32)
        records[:own, w.SOURCE], records[:own, w.FIRST] = sources[trees.first], self.base[trees.first]
        records[own:, w.SOURCE], records[own:, w.FIRST] = sources[lone], self.mouth[lone]
        records[trees.of[self.between], w.SOURCE] = w.ABROAD
        return records

    def _write_outputs(self, ch: np.ndarray, outputs: np.ndarray, chains: Chains) -> None:
        """Where entries lead."""
        before = np.zeros(len(self.entries.router), np.int64)  # outputs already placed
        for side in range(5):
            has = np.flatnonzero((outputs[:, side] != NONE) & self.runs)
            target, base = outputs[has, side], self.base[has]
            out = np.where(target >= 0, self.mouth[np.maximum(target, 0)], target)
            extra = base + w.RING + 2 * chains.capacity[has] + before[has] - 1
            ch[np.where(before[has] == 0, base + w.OUT, extra)] = out
            before[has] += 1
            leads = target >= 0
            ch[self.base[target[leads]] + w.FEEDER] = base[leads]
