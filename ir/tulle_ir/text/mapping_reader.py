"""Builds `Placed` and `Routed` while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from lark import Token, v_args

from tulle_ir.geometry import Frame, Orientation
from tulle_ir.placed import HostLink, Placed
from tulle_ir.plan import Plan
from tulle_ir.program import Bundle, Port
from tulle_ir.routed import NetRoute, Routed
from tulle_ir.text.plan_reader import Numbers, PlanReader, find, index_of
from tulle_ir.text.reader import error

Value = TypeVar("Value", Frame, HostLink, NetRoute, "Inside")


@dataclass(frozen=True, slots=True)
class Of(Generic[Value]):
    """What a line says of the kernel or net that it names."""

    name: Token
    value: Value


@dataclass(frozen=True, slots=True)
class Inside:
    """The internal colors and the reversed groups of a kernel."""

    colors: Numbers = ()
    reversed_groups: frozenset[int] = frozenset()


class MappingReader(PlanReader):
    """Methods are named after the grammar's rules."""

    def placed(self, keyword: Token, cost: float, shelf: float, plan: Plan, *lines: Of) -> Placed:
        frames = _by_kernel(plan, Frame, lines, keyword)
        links = _by_net(plan, HostLink, lines, keyword)
        for kernel in plan.kernels:
            if kernel.name not in frames:
                raise error(f"kernel '{kernel.name}' has no place", keyword)
        placed = Placed(
            plan=plan,
            frames=tuple(frames[kernel.name] for kernel in plan.kernels),
            links=tuple(links.get(net.name) for net in plan.nets),
            cost=float(cost),
            shelf_cost=float(shelf),
        )
        return self.put(keyword, placed)

    def place_kernel(
        self,
        keyword: Token,
        kernel: Token,
        region: tuple[int, int, int, int],
        transpose: Token | None,
        mirror_x: Token | None,
        mirror_y: Token | None,
    ) -> Of[Frame]:
        x, y, width, height = region
        orientation = Orientation(transpose is not None, mirror_x is not None, mirror_y is not None)
        size = (height, width) if orientation.transpose else (width, height)
        return Of(kernel, self.put(keyword, Frame(x, y, *size, orientation)))

    def link(self, keyword: Token, net: Token, at: tuple[int, int], side: Token) -> Of[HostLink]:
        return Of(net, self.put(keyword, HostLink(*at, Port(side))))

    def routed(self, keyword: Token, placed: Placed, *lines: Of) -> Routed:
        plan = placed.plan
        routes = _by_net(plan, NetRoute, lines, keyword)
        inside = _by_kernel(plan, Inside, lines, keyword)
        for net in plan.nets:
            if net.name not in routes:
                raise error(f"net '{net.name}' has no route", keyword)
        kernels = [inside.get(kernel.name, Inside()) for kernel in plan.kernels]
        routed = Routed(
            placed=placed,
            nets=tuple(routes[net.name] for net in plan.nets),
            internal=tuple(kernel.colors for kernel in kernels),
            reversed_groups=tuple(kernel.reversed_groups for kernel in kernels),
        )
        return self.put(keyword, routed)

    def net_route(
        self, keyword: Token, net: Token, colors: Numbers | None, flipped: Token | None, *bundles: Bundle
    ) -> Of[NetRoute]:
        return Of(net, self.put(keyword, NetRoute(colors or (), flipped is not None, bundles)))

    def kernel_route(
        self, _keyword: Token, kernel: Token, colors: Numbers | None, groups: Numbers | None
    ) -> Of[Inside]:
        return Of(kernel, Inside(colors or (), frozenset(groups or ())))


v_args(inline=True)(MappingReader)  # lark passes the children as arguments


def _by_kernel(plan: Plan, kind: type[Value], lines: tuple[Of, ...], keyword: Token) -> dict[str, Value]:
    return _by_name([kernel.name for kernel in plan.kernels], kind, lines, "kernel", keyword)


def _by_net(plan: Plan, kind: type[Value], lines: tuple[Of, ...], keyword: Token) -> dict[str, Value]:
    return _by_name([net.name for net in plan.nets], kind, lines, "net", keyword)


def _by_name(names: list[str], kind: type[Value], lines: tuple[Of, ...], what: str, keyword: Token) -> dict[str, Value]:
    """What the lines of one kind say, by name. Raises TextError for an unknown name, or one that stands twice."""
    index: Mapping[str, int] = index_of(names, what, keyword)
    said: dict[str, Value] = {}
    for line in lines:
        if isinstance(line.value, kind):
            find(line.name, index, what)
            if line.name in said:
                raise error(f"{what} '{line.name}' stands here a second time", line.name)
            said[str(line.name)] = line.value
    return said
