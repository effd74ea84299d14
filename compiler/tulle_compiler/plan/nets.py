"""The nets of a plan: one per wire between stages, and one per host link used."""

from __future__ import annotations

from tulle_compiler.plan.kernels import Kernels
from tulle_compiler.plan.lower import Wire
from tulle_ir import graph as ops
from tulle_ir.code import DType
from tulle_ir.plan import HOST, End, HostNet, Kernel, Net

HOST_PORTS = ("ids", "in", "out")  # how the names of terminals towards the host begin


class Nets:
    """Makes the nets between `kernels`, those of `made`."""

    def __init__(self, made: Kernels, kernels: tuple[Kernel, ...]) -> None:
        self.made, self.problem, self.kernels = made, made.problem, kernels

    def make(self, graph: ops.Graph) -> tuple[tuple[Net, ...], tuple[HostNet, ...]]:
        """All nets, those of wires first, and the host's streams."""
        stages = self.problem.stages
        nets = [self._net(i, port, wire) for i, stage in enumerate(stages) for port, wire in stage.inputs]
        host: list[HostNet] = []
        first = next(i for i, stage in enumerate(stages) if stage.kind in ("scatter", "embed"))
        last = [k for k, stage in enumerate(stages) if stage.kind == "gather"]
        for ends, is_input, stream in (([first], True, graph.input.name), (last, False, graph.output.name)):
            more = [net for k in ends for net in self._host_nets(k, is_input)]
            host.append(HostNet(stream, is_input, tuple(len(nets) + n for n in range(len(more)))))
            nets += more
        return tuple(nets), tuple(host)

    def _net(self, i: int, port: str, wire: Wire) -> Net:
        """The net of a wire into stage i."""
        kernels, cut = self.kernels, self.made.cuts[self.problem.classes.output[wire.producer]]
        return Net(
            f"{self.problem.stages[i].name}.{port}",
            End(wire.producer, kernels[wire.producer].terminal(wire.port)),
            End(i, kernels[i].terminal(port)),
            cut.lanes,
            self.problem.precision.stream,
            1 + cut.largest * self.problem.wavelets + (i in self.made.filtered),
        )

    def _host_nets(self, k: int, is_input: bool) -> list[Net]:
        """A net for each terminal of stage k towards the host."""
        name, terminals = self.problem.stages[k].name, self.kernels[k].terminals
        links = [t for t, terminal in enumerate(terminals) if terminal.name.startswith(HOST_PORTS)]
        form = self._host_wavelets(k, len(links))
        ends = [(End(HOST), End(k, t)) if is_input else (End(k, t), End(HOST)) for t in links]
        return [Net(f"{name}.{terminals[t].name}", *pair, 1, *form) for t, pair in zip(links, ends, strict=True)]

    def _host_wavelets(self, i: int, links: int) -> tuple[DType, int]:
        """Element type, and wavelets per full chunk on each of the host links of stage i: ids, or rows of features."""
        problem = self.problem
        if problem.stages[i].kind == "embed":
            return DType.I32, 1 + problem.chunk
        return problem.precision.stream, 1 + -(-problem.stages[i].width // links) * problem.wavelets
