"""Builds host streams and routes while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from dataclasses import replace

from lark import Token, v_args

from tulle_ir.program import Affine, Bundle, HostPort, HostStream, Leg, Port, Route, StreamFormat
from tulle_ir.text.class_reader import ClassReader, element_type
from tulle_ir.text.reader import Term, error


class FabricReader(ClassReader):
    """Methods are named after the grammar's rules."""

    def place(self, token: Token) -> Token:
        return token

    def stream(
        self, direction: Token, name: Token, form: Token, dtype: Token, width: int, *ports: HostPort
    ) -> HostStream:
        is_input = direction.type == "INPUT"
        stream = HostStream(str(name), is_input, StreamFormat(form), element_type(dtype), width, ports)
        return self.put(direction, stream)

    def port(
        self,
        keyword: Token,
        at: tuple[int, int],
        side: Token,
        color: int,
        features: Token | None,
        without: Token | None,
        turn: int | None,
        turns: int | None,
    ) -> HostPort:
        port = HostPort(
            *at, Port(side), color, str(features or ""), without is None, turn or 0, 1 if turns is None else turns
        )
        return self.put(keyword, port)

    def route(self, keyword: Token, name: Token, *bundles: Bundle) -> Route:
        return self.put(keyword, Route(str(name), bundles))

    def bundle(self, keyword: Token, color: int, path: Bundle) -> Bundle:
        return self.put(keyword, replace(path, color=color))

    def path(
        self,
        lanes: tuple[int, int] | None,
        source: Token,
        start: tuple[Affine, Affine],
        ramp: Token | None,
        *way: Leg | Token | None,
    ) -> Bundle:
        """A bundle of color 0."""
        *legs, end = way
        bundle = Bundle(
            color=0,
            lanes=lanes or (1, 1),
            x=start[0],
            y=start[1],
            source=Port(source),
            legs=tuple(leg for leg in legs if isinstance(leg, Leg)),
            end=Port(end) if isinstance(end, Token) else None,
            start_ramp=ramp is not None,
        )
        return self.put(source, bundle)

    def leg(self, side: Token, terms: tuple[Term, ...], ramp: Token | None) -> Leg:
        return self.put(side, Leg(Port(side), _affine(terms), ramp is not None))

    def lanes(self, token: Token) -> tuple[int, int]:
        return size_of(token) if token.type == "SIZE" else (int(token), 1)

    def affine_point(self, x: tuple[Term, ...], y: tuple[Term, ...]) -> tuple[Affine, Affine]:
        return _affine(x), _affine(y)


v_args(inline=True)(FabricReader)  # lark passes the children as arguments


def size_of(token: Token) -> tuple[int, int]:
    """The two numbers of `4x3`."""
    width, height = token.split("x")
    return int(width), int(height)


def _affine(terms: tuple[Term, ...]) -> Affine:
    factors: dict[str | None, int] = {"i": 0, "j": 0, None: 0}
    for variable, factor in terms:
        if variable not in factors:
            assert isinstance(variable, Token)
            raise error(f"a coordinate depends on the lane (i, j) only, not on '{variable}'", variable)
        factors[variable] += factor
    return Affine(factors[None], factors["i"], factors["j"])
