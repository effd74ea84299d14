"""The lexical bits that all printers share: names, strings, numbers, sums. The grammar's half is in tlir.lark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")

_RESERVED = """
    async axpy await load loop pop push stop store if else while over rows then min max inf nan
    mov add sub mul fma exp tanh erf recip rsqrt activate block unblock
    buffer color input output ramp register table task
"""
WORDS = frozenset(_RESERVED.split())  # names must be quoted; the grammar decides, and a test holds this list to it


def string(text: str) -> str:
    """A string in quotes, with the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)


def name(text: str) -> str:
    """A name inside a class: bare where it can be, in quotes otherwise."""
    return text if _PLAIN.fullmatch(text) and text not in WORDS else string(text)


def key(text: str) -> str:
    """A name where no words are reserved: bare where it can be, in quotes otherwise."""
    return text if _PLAIN.fullmatch(text) else string(text)


def queue(text: str) -> str:
    """A queue by name: `%x`."""
    return f"%{key(text)}"


def linear(terms: Iterable[tuple[str, int]], constant: int) -> str:
    """`a*4 - b + 3`; just the constant if there are no terms."""
    parts = [(factor < 0, variable if abs(factor) == 1 else f"{variable}*{abs(factor)}") for variable, factor in terms]
    if constant or not parts:
        parts.append((constant < 0, str(abs(constant))))
    first, *rest = parts
    signed = ["-" + first[1] if first[0] else first[1]]
    signed += [("- " if negative else "+ ") + text for negative, text in rest]
    return " ".join(signed)


def real(value: float) -> str:
    """The shortest decimal that reads back as the same double; always with a point, an exponent, or inf/nan."""
    return repr(float(value))
