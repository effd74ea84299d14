"""Builds a `Plan` while the text is parsed (inline LALR transformer): names become indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lark import Token, v_args

from tulle_ir.plan import HOST, End, HostNet, Kernel, Net, Plan
from tulle_ir.text.class_reader import all_of, element_type
from tulle_ir.text.fabric_reader import size_of
from tulle_ir.text.kernel_reader import KernelReader, Setting, arrays_of, settings_of
from tulle_ir.text.reader import error

Numbers = tuple[int, ...]
Index = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NamedEnd:
    """An end of a net as it is written; no kernel: the host."""

    kernel: Token | None = None
    terminal: Token | None = None


@dataclass(frozen=True, slots=True)
class NamedNet:
    """A net as it is written, before the names of its ends are resolved."""

    keyword: Token
    name: Token
    dtype: Token
    lanes: int
    source: NamedEnd
    sink: NamedEnd
    wavelets: int


@dataclass(frozen=True, slots=True)
class NamedHost:
    """A host stream as it is written."""

    direction: Token
    name: Token
    nets: tuple[Token, ...]


class PlanReader(KernelReader):
    """Methods are named after the grammar's rules."""

    def plan(self, keyword: Token, name: Token, target: Token, mesh: Token, *items: object) -> Plan:
        kernels, named = all_of(Kernel, items), all_of(NamedNet, items)
        index = index_of([kernel.name for kernel in kernels], "kernel", keyword)
        nets = index_of([str(net.name) for net in named], "net", keyword)
        plan = Plan(
            name=str(name),
            mesh=size_of(mesh),
            target=str(target),
            kernels=kernels,
            nets=tuple(self.put(net.keyword, _net(net, kernels, index)) for net in named),
            host=tuple(self.put(host.direction, _host(host, nets)) for host in all_of(NamedHost, items)),
            options=settings_of(items),
            tensors=arrays_of(items),
        )
        return self.put(keyword, plan)

    def options(self, _keyword: Token, *settings: tuple[Token, Setting]) -> tuple[tuple[Token, Setting], ...]:
        return settings

    def net(
        self,
        keyword: Token,
        name: Token,
        dtype: Token,
        lanes: int,
        source: NamedEnd,
        sink: NamedEnd,
        wavelets: int,
    ) -> NamedNet:
        return NamedNet(keyword, name, dtype, lanes, source, sink, wavelets)

    def net_end(self, kernel: Token, terminal: Token | None = None) -> NamedEnd:
        return NamedEnd() if terminal is None else NamedEnd(kernel, terminal)

    def host_net(self, direction: Token, name: Token, *nets: Token | None) -> NamedHost:
        return NamedHost(direction, name, all_of(Token, nets))


v_args(inline=True)(PlanReader)  # lark passes the children as arguments


def index_of(names: Sequence[str], what: str, keyword: Token) -> Index:
    """Names to indices. Raises TextError if two are equal: names are what the text refers by."""
    index = {name: position for position, name in enumerate(names)}
    if len(index) < len(names):
        twice = next(name for position, name in enumerate(names) if index[name] != position)
        raise error(f"there are two {what}s named '{twice}'", keyword)
    return index


def find(name: Token, index: Index, what: str) -> int:
    """The index of a name. Raises TextError at the name."""
    if name not in index:
        raise error(f"there is no {what} '{name}'", name)
    return index[name]


def _net(net: NamedNet, kernels: Sequence[Kernel], index: Index) -> Net:
    source, sink = (_end(end, kernels, index) for end in (net.source, net.sink))
    return Net(str(net.name), source, sink, net.lanes, element_type(net.dtype), net.wavelets)


def _end(end: NamedEnd, kernels: Sequence[Kernel], index: Index) -> End:
    if end.kernel is None or end.terminal is None:
        return End(HOST)
    kernel = find(end.kernel, index, "kernel")
    names = [terminal.name for terminal in kernels[kernel].terminals]
    terminals = index_of(names, f"terminal of '{end.kernel}'", end.terminal)
    return End(kernel, find(end.terminal, terminals, f"terminal of '{end.kernel}' named"))


def _host(host: NamedHost, nets: Index) -> HostNet:
    return HostNet(str(host.name), host.direction.type == "INPUT", tuple(find(net, nets, "net") for net in host.nets))
