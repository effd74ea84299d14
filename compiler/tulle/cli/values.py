"""Values on the command line: each function reads one argument, or raises argparse.ArgumentTypeError."""

from __future__ import annotations

from argparse import ArgumentTypeError


def mesh(text: str) -> tuple[int, int]:
    """`64x48`: width and height in PEs."""
    return _pair(text, "x", "a width and a height such as 64x48", 1)


def place(text: str) -> tuple[int, int]:
    """`3,4`: the PE at column 3, row 4."""
    return _pair(text, ",", "a column and a row such as 3,4", 0)


def positive(text: str) -> int:
    """A whole number above zero."""
    value = integer(text)
    if value < 1:
        raise ArgumentTypeError(f"{value} is not above zero")
    return value


def integer(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"'{text}' is not a whole number") from None


def tokens(text: str) -> list[int]:
    """`1,2,3`: token ids; an empty text gives none (the session complains then, as for any empty sequence)."""
    return [integer(part) for part in text.split(",")] if text.strip() else []


def pruning(text: str) -> str:
    """`magnitude:0.75`, `random:0.5` or `mask:FILE`."""
    kind, colon, rest = text.partition(":")
    if kind == "mask" and rest:
        return text
    if kind not in ("magnitude", "random") or not colon:
        raise ArgumentTypeError(f"'{text}' is not magnitude:S, random:S or mask:FILE")
    try:
        share = float(rest)
    except ValueError:
        raise ArgumentTypeError(f"'{rest}' is not a share between 0 and 1") from None
    if not 0 <= share < 1:
        raise ArgumentTypeError(f"the share to prune, {rest}, is not in [0, 1)")
    return text


def _pair(text: str, mark: str, wanted: str, least: int) -> tuple[int, int]:
    parts = text.lower().split(mark)
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise ArgumentTypeError(f"'{text}' is not {wanted}")
    first, second = (int(part) for part in parts)
    if min(first, second) < least:
        raise ArgumentTypeError(f"'{text}' is not {wanted}")
    return first, second
