"""The last pass: Routed -> Program. Each kernel's emitter writes its classes; this page puts them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_compiler.kernels.attention import emit_attention
from tulle_compiler.kernels.blocks import blocks
from tulle_compiler.kernels.embed import emit_embed
from tulle_compiler.kernels.host_lanes import emit_host_lanes, port_features
from tulle_compiler.kernels.linear import emit_linear
from tulle_compiler.kernels.strip_code import emit_strip
from tulle_compiler.kernels.view import PortView, View
from tulle_compiler.options import Precision
from tulle_ir.code import DType
from tulle_ir.placed import HostLink
from tulle_ir.plan import HostNet, Kernel, Net
from tulle_ir.program import HostPort, HostStream, Program, ProgramClass, Protocol, Route, StreamFormat, Symbol
from tulle_ir.progress import steps
from tulle_ir.routed import NetRoute, Routed
from tulle_ir.target import Target

EMITTERS = {
    "scatter": emit_host_lanes,
    "gather": emit_host_lanes,
    "embed": emit_embed,
    "linear": emit_linear,
    "strip": emit_strip,
    "attention": emit_attention,
}


@dataclass(frozen=True)
class Emit:
    """Write the per-PE programs of a routed plan."""

    target: Target

    def __call__(self, routed: Routed) -> Program:
        return _Emitter(routed, self.target).program()


class _Emitter:
    """One emission; `views[k]` is what kernel k's emitter sees."""

    def __init__(self, routed: Routed, target: Target) -> None:
        self.routed, self.placed, self.plan = routed, routed.placed, routed.placed.plan
        self.target = target
        options = self.plan.options
        self.precision = Precision(DType(options["dtype"]), DType(options["accumulate"]), DType(options["reduce"]))
        self.chunk = int(options["chunk"])
        self.views = [self._view(k, kernel) for k, kernel in enumerate(self.plan.kernels)]

    def program(self) -> Program:
        """The whole program; bulk data is collected as classes are written."""
        tensors: dict[str, np.ndarray] = {}
        classes: list[ProgramClass] = []
        for view in steps("emit", self.views, "kernels"):
            classes += EMITTERS[view.kernel.kind](view, tensors)
        streams = tuple(self._stream(host, tensors) for host in self.plan.host)
        options = self.plan.options
        return Program(
            target=self.plan.target,
            mesh=self.plan.mesh,
            name=self.plan.name,
            symbols=tuple(self._symbol(view, tensors) for view in self.views),
            routes=self._routes(),
            classes=tuple(classes),
            streams=streams,
            protocol=Protocol(self.chunk, int(options["context"]), int(options["vocab"]), bool(options["last_only"])),
            tensors=tensors,
        )

    def _symbol(self, view: View, tensors: dict[str, np.ndarray]) -> Symbol:
        """The kernel's name, region and origin, and which features its PEs hold."""
        held = blocks(view)
        names = {part: f"{view.kernel.name}.{part}" for part in held}
        tensors |= {names[part]: places for part, places in held.items()}
        return Symbol(view.kernel.name, view.frame.region, view.kernel.origin, **names)

    def _view(self, k: int, kernel: Kernel) -> View:
        """Kernel k after routing."""
        ports: dict[str, PortView] = {}
        for net, route in zip(self.plan.nets, self.routed.nets, strict=True):
            for end, is_source in ((net.source, True), (net.sink, False)):
                if end.kernel == k:
                    terminal = kernel.terminals[end.terminal]
                    reverse = terminal.order_group in self.routed.reversed_groups[k]
                    ports[terminal.name] = PortView(position_colors(net, route, is_source), reverse, net.dtype)
        return View(
            kernel,
            self.placed.frames[k],
            self.target,
            self.precision,
            self.chunk,
            self.routed.internal[k],
            ports,
        )

    def _routes(self) -> tuple[Route, ...]:
        """Every net by name, then every kernel's internal routes."""
        nets = [Route(net.name, route.bundles) for net, route in zip(self.plan.nets, self.routed.nets, strict=True)]
        internal = [
            Route(
                f"{kernel.name}.inside",
                tuple(frame.bundle(b, colors[r.local_color]) for r in kernel.internal for b in r.bundles),
            )
            for kernel, frame, colors in zip(self.plan.kernels, self.placed.frames, self.routed.internal, strict=True)
            if kernel.internal
        ]
        return tuple(nets + internal)

    def _stream(self, host: HostNet, tensors: dict[str, np.ndarray]) -> HostStream:
        """A host stream with its ports in order."""
        ports: list[HostPort] = []
        width, dtype, form = 0, DType.I32, StreamFormat.IDS
        for index in host.nets:
            net, link = self.plan.nets[index], self.placed.links[index]
            assert link is not None
            end = net.sink if host.is_input else net.source
            k = end.kernel
            features = ""
            if self.views[k].kernel.kind != "embed":
                features = f"{host.name}.port{len(ports)}"
                tensors[features] = port_features(self.views[k], end.terminal)
                width = max(width, 1 + int(tensors[features].max(initial=0)))
                dtype, form = net.dtype, StreamFormat.CHUNKS
            ports.append(_port(link, self.routed.nets[index].colors[0], features, self.plan.kernels[k]))
        return HostStream(host.name, host.is_input, form, dtype, width or 1, tuple(ports))


def _port(link: HostLink, color: int, features: str, kernel: Kernel) -> HostPort:
    turn, turns = (int(kernel.params.get(name, default)) for name, default in (("turn", 0), ("turns", 1)))
    return HostPort(link.x, link.y, link.side, color, features, turn=turn, turns=turns)


def position_colors(net: Net, route: NetRoute, is_source: bool) -> tuple[int, ...]:
    """The color at each position of one end of a net: groups are counted at the sink."""
    positions = np.arange(net.lanes)
    if is_source and route.flipped:
        positions = positions[::-1]
    return tuple(route.colors[p % len(route.colors)] for p in positions)
