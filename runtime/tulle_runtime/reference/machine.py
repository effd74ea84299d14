"""Builds the machine of a program: routers, channels, compute engines, host ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tulle_ir.program import HostPort, Port, Program, Queue
from tulle_ir.target import Target
from tulle_runtime.reference.channel import Channel
from tulle_runtime.reference.host import EdgeLink, HostInput, HostOutput
from tulle_runtime.reference.load import Site, load, pe_state
from tulle_runtime.reference.pe import ComputeEngine
from tulle_runtime.reference.router import Entry, Outlet, Router
from tulle_runtime.reference.routes import OPPOSITE, STEP, Key, RouteEntry, expand


@dataclass(frozen=True, slots=True)
class Held:
    """A channel and where it ends: the router, or the PE for a down-ramp channel."""

    x: int
    y: int
    color: int
    channel: Channel


@dataclass(slots=True)
class Machine:
    """All of it; `inputs` and `outputs` are in the order of streams and ports."""

    mesh: tuple[int, int]
    input_queues: int  # of a PE
    routers: list[Router]
    pes: list[ComputeEngine]
    edges: list[EdgeLink]
    channels: list[Held]
    inputs: list[HostInput]
    outputs: list[list[HostOutput]]


def build(program: Program, target: Target, inputs: Sequence[Sequence[np.ndarray]]) -> Machine:
    """The machine at the start of cycle 0."""
    return _Builder(program, target).build(inputs)


class _Builder:
    def __init__(self, program: Program, target: Target) -> None:
        self.program = program
        self.target = target
        self.routes = expand(program)
        self.sites = load(program)
        self.inboxes = {key: Channel(*self._inbox(key, entry)) for key, entry in self.routes.items()}
        self.ramps = {key: self._down_ramp(key) for key, entry in self.routes.items() if Port.RAMP in entry.sinks}
        self.over_edge: dict[tuple[int, int, Port, int], HostOutput] = {}

    def build(self, inputs: Sequence[Sequence[np.ndarray]]) -> Machine:
        routers = self._routers()
        pes = [self._compute_engine(site) for site in sorted(self.sites.values(), key=lambda site: (site.y, site.x))]
        channels = [Held(*key, channel) for table in (self.inboxes, self.ramps) for key, channel in table.items()]
        host = self._host_inputs(inputs)
        edges: dict[tuple[int, int, Port], EdgeLink] = {}
        for each in host:
            edges.setdefault((each.port.x, each.port.y, each.port.side), EdgeLink()).ports.append(each)
        outputs = [[self._over_edge(port) for port in s.ports] for s in self.program.streams if not s.is_input]
        return Machine(
            self.program.mesh,
            len(self.target.input_queues),
            routers,
            pes,
            list(edges.values()),
            channels,
            host,
            outputs,
        )

    def _inbox(self, key: Key, entry: RouteEntry) -> tuple[int, int]:
        """Capacity and latency of the channel that an entry reads."""
        target = self.target
        if entry.source is not Port.RAMP:
            return target.router_depth, target.hop_cycles
        queue = self._queue_index(key, is_input=False)
        capacity = target.router_depth + target.ramp_cycles if queue is None else target.up_ramp_capacity(queue)
        return capacity, 1 + target.ramp_cycles

    def _down_ramp(self, key: Key) -> Channel:
        queue = self._queue_index(key, is_input=True)
        capacity = self.target.ramp_cycles if queue is None else self.target.down_ramp_capacity(queue)
        return Channel(capacity, self.target.ramp_cycles)

    def _queue_index(self, key: Key, *, is_input: bool) -> int | None:
        x, y, color = key
        site = self.sites.get((x, y))
        queues = site.kind.queues if site else ()
        return next((q.index for q in queues if q.is_input == is_input and q.color == color), None)

    def _routers(self) -> list[Router]:
        routers: dict[tuple[int, int], Router] = {}
        for key in sorted(self.routes):
            x, y, color = key
            outlets = [(port, self._outlet(key, port)) for port in Port if port in self.routes[key].sinks]
            routers.setdefault((x, y), Router(x, y)).entries.append(Entry(color, self.inboxes[key], outlets))
        return list(routers.values())

    def _outlet(self, key: Key, port: Port) -> Outlet:
        if port is Port.RAMP:
            return self.ramps[key]
        x, y, color = key
        dx, dy = STEP[port]
        width, height = self.program.mesh
        if not (0 <= x + dx < width and 0 <= y + dy < height):
            return self._over_edge(HostPort(x, y, port, color))
        beyond = (x + dx, y + dy, color)
        if beyond not in self.routes or self.routes[beyond].source is not OPPOSITE[port]:
            raise ValueError(f"color {color} leaves ({x}, {y}) to the {port}, but no route goes on there")
        return self.inboxes[beyond]

    def _over_edge(self, port: HostPort) -> HostOutput:
        return self.over_edge.setdefault((port.x, port.y, port.side, port.color), HostOutput())

    def _compute_engine(self, site: Site) -> ComputeEngine:
        def channel_of(queue: Queue) -> Channel:
            key = (site.x, site.y, queue.color)
            return (self.ramps if queue.is_input else self.inboxes)[key]

        return ComputeEngine(site.x, site.y, pe_state(site, self.target, self.program.tensors, channel_of))

    def _host_inputs(self, inputs: Sequence[Sequence[np.ndarray]]) -> list[HostInput]:
        ports = [s.ports for s in self.program.streams if s.is_input]
        if [len(each) for each in ports] != [len(each) for each in inputs]:
            raise ValueError("the inputs do not match the program's input streams and ports")
        return [
            HostInput(port, [int(word) for word in words], self.inboxes[port.x, port.y, port.color])
            for stream, arrays in zip(ports, inputs, strict=True)
            for port, words in zip(stream, arrays, strict=True)
        ]
