"""Builds the kernels of a plan while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from lark import Token, v_args

from tulle_ir.plan import ORIGIN, Entry, InternalRoute, Kernel, KernelCost, Terminal
from tulle_ir.program import Affine, Bundle, Leg, Port
from tulle_ir.text.array_reader import ArrayReader
from tulle_ir.text.class_reader import all_of
from tulle_ir.text.fabric_reader import size_of
from tulle_ir.text.reader import error

Value = TypeVar("Value")
Setting = int | float | str


class KernelReader(ArrayReader):
    """Methods are named after the grammar's rules."""

    def kernel(
        self, keyword: Token, name: Token, kind: Token, size: Token, origin: Token | None, *items: object
    ) -> Kernel:
        costs = all_of(KernelCost, items)
        if len(costs) != 1:
            raise error(f"kernel '{name}' has one cost, not {len(costs)}", keyword)
        width, height = size_of(size)
        kernel = Kernel(
            name=str(name),
            kind=str(kind),
            origin=str(origin or ""),
            width=width,
            height=height,
            terminals=all_of(Terminal, items),
            internal=all_of(InternalRoute, items),
            cost=costs[0],
            params=settings_of(items),
            tensors=arrays_of(items),
        )
        return self.put(keyword, kernel)

    def cost(self, keyword: Token, *numbers: float) -> KernelCost:
        predicted, bound, ideal, latency, growth = (float(number) for number in numbers[:5])
        size, nonzeros, pes = (int(number) for number in numbers[5:])
        return self.put(keyword, KernelCost(predicted, bound, ideal, size, nonzeros, pes, latency, growth))

    def params(self, _keyword: Token, *settings: tuple[Token, Setting]) -> tuple[tuple[Token, Setting], ...]:
        return settings

    def setting(self, name: Token, value: Setting) -> tuple[Token, Setting]:
        return name, value

    def setting_value(self, value: Token | float | int) -> Setting:
        return str(value) if isinstance(value, Token) else value

    def terminal(
        self,
        keyword: Token,
        name: Token,
        lanes: int,
        at: tuple[Affine, Affine] | None,
        colors: int | None,
        order: int | None,
        *entries: Entry,
    ) -> Terminal:
        x, y = at or (ORIGIN, ORIGIN)
        is_source = keyword.type == "SOURCE"
        count = 1 if colors is None else colors
        return self.put(keyword, Terminal(str(name), lanes, is_source, x, y, entries, count, order or 0))

    def entry(
        self, keyword: Token, heading: Token, at: tuple[Affine, Affine], leg: Leg, *branches: tuple[int, Bundle]
    ) -> Entry:
        return self.put(keyword, Entry(Port(heading), *at, leg, branches))

    def branch(self, _keyword: Token, group: int, bundle: Bundle) -> tuple[int, Bundle]:
        return group, bundle

    def internal(self, keyword: Token, color: int, *bundles: Bundle | None) -> InternalRoute:
        return self.put(keyword, InternalRoute(color, all_of(Bundle, bundles)))


v_args(inline=True)(KernelReader)  # lark passes the children as arguments


def settings_of(items: Iterable[object]) -> dict[str, Setting]:
    """The settings of all `options` or `params` lines. Raises TextError if one is given twice."""
    return _by_name(setting for item in items if isinstance(item, tuple) and _is_group(item) for setting in item)


def arrays_of(items: Iterable[object]) -> dict[str, np.ndarray]:
    """All `array` lines by name. Raises TextError if one is given twice."""
    return _by_name(item for item in items if isinstance(item, tuple) and not _is_group(item))


def _is_group(item: tuple[object, ...]) -> bool:
    """An `array` line is a pair that begins with its name; a line of settings holds pairs."""
    return not isinstance(item[0], Token)


def _by_name(pairs: Iterable[tuple[Token, Value]]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, value in pairs:
        if name in values:
            raise error(f"'{name}' is given twice", name)
        values[str(name)] = value
    return values
