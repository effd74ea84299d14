"""What the transformers of all stages share: tokens to strings and numbers, and the side table of places."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeVar

from lark import Token, Transformer, v_args

from tulle_ir.text.lexical import WORDS
from tulle_ir.text.places import Places, TextError

Node = TypeVar("Node")
Term = tuple[str | None, int]  # (variable, factor); no variable: a constant


def error(what: str, token: Token, remedy: str = "") -> TextError:
    """An error at a token."""
    return TextError(what, token.line or 1, token.column or 1, remedy)


def integer_of(text: str) -> int:
    """Decimal or 0x hexadecimal."""
    return int(text, 16 if text.startswith("0x") else 10)


class Reader(Transformer):
    """Base of the inline transformers. `places` is replaced for every text that is parsed."""

    places = Places("")

    def put(self, token: Token, node: Node) -> Node:
        """Note that `node` begins at `token`."""
        self.places.put(node, token.line or 1, token.column or 1)
        return node

    def STRING(self, token: Token) -> Token:
        """Text in quotes becomes the text itself."""
        return token.update(value=_unquoted(token, token))

    def QUEUE(self, token: Token) -> Token:
        """`%x` becomes `x`."""
        quoted = token[1:]
        return token.update(value=_unquoted(token, quoted) if quoted.startswith('"') else quoted)

    def THREAD(self, token: Token) -> Token:
        """`t3` becomes `3`."""
        return token.update(value=token[1:])

    def name(self, token: Token) -> Token:
        """A name, bare or in quotes. The parser could take some reserved words too; that would read badly."""
        if token.type == "NAME" and token in WORDS:
            raise error(
                f"'{token}' is a word of the language", token, f'to use it as a name, write it in quotes: "{token}"'
            )
        return token

    def declared(self, token: Token) -> Token:
        """The name in a declaration: a rule of its own, so that the words after it are not reserved in code."""
        return self.name(token)

    def integer(self, *tokens: Token) -> int:
        """An integer with its sign."""
        value = integer_of(tokens[-1])
        return -value if len(tokens) == 2 else value

    def immediate(self, *tokens: Token) -> int:
        """An integer in code: a rule of its own, so that the words of declarations are not reserved after it."""
        return self.integer(*tokens)

    def factor(self, *tokens: Token) -> int:
        return self.integer(*tokens)

    def number(self, minus: Token | None, token: Token) -> float | int:
        """An int if it is written as one."""
        value = integer_of(token) if token.type == "INT" else float(token)
        return -value if minus else value

    def integers(self, *values: int) -> tuple[int, ...]:
        return values

    def values(self, *values: float | None) -> tuple[float, ...]:
        return tuple(value for value in values if value is not None)

    def rectangle(self, *values: int) -> tuple[int, ...]:
        return values

    def point(self, x: int, y: int) -> tuple[int, int]:
        return x, y

    def constant_term(self, token: Token) -> Term:
        return None, integer_of(token)

    def scaled_term(self, variable: Token, factor: int | None) -> Term:
        return variable, 1 if factor is None else factor

    def swapped_term(self, factor: Token, variable: Token) -> Term:
        return variable, integer_of(factor)

    def signed_term(self, sign: Token, term: Term) -> Term:
        return _negated(term) if sign == "-" else term

    def linear(self, *terms: Term) -> tuple[Term, ...]:
        return terms

    def negative_linear(self, _minus: Token, first: Term, *rest: Term) -> tuple[Term, ...]:
        return _negated(first), *rest


v_args(inline=True)(Reader)  # lark passes the children as arguments


def _negated(term: Term) -> Term:
    return term[0], -term[1]


def _unquoted(token: Token, quoted: str) -> str:
    try:
        return json.loads(quoted)
    except ValueError:
        raise error(f"{quoted} has an escape that is not one of JSON's", token) from None


def constant_of(terms: Iterable[Term]) -> int:
    """The sum of the terms without a variable."""
    return sum(factor for variable, factor in terms if variable is None)
