"""Routes that several kernels share: lanes entering along columns, chains of PEs with alternating colors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from tulle_ir.plan import Entry
from tulle_ir.program import Affine, Bundle, Leg, Port


def at(constant: int, per_i: int = 0, per_j: int = 0) -> Affine:
    """An affine coordinate."""
    return Affine(constant, per_i, per_j)


def column_entries(height: int) -> tuple[Entry, ...]:
    """Lane i enters column i at the top heading south or at the bottom heading north, and serves the whole column."""
    return (
        Entry(Port.SOUTH, at(0, 1), at(0), Leg(Port.SOUTH, at(height - 1), ramp=True)),
        Entry(Port.NORTH, at(0, 1), at(height - 1), Leg(Port.NORTH, at(0), ramp=True)),
    )


def east_chain(length: int, rows: int, parity: int) -> tuple[Bundle, ...]:
    """Per row, PE 2i + parity sends to its eastern neighbour, for all pairs inside `length` PEs."""
    pairs = (length - parity) // 2
    if pairs <= 0:
        return ()
    hop = Leg(Port.EAST, at(parity + 1, 2))
    return (Bundle(0, (pairs, rows), at(parity, 2), at(0, 0, 1), Port.RAMP, (hop,), Port.RAMP),)


def south_chain(length: int, columns: int, parity: int) -> tuple[Bundle, ...]:
    """Per column, PE 2i + parity sends to its southern neighbour, for all pairs inside `length` PEs."""
    pairs = (length - parity) // 2
    if pairs <= 0:
        return ()
    hop = Leg(Port.SOUTH, at(parity + 1, 2))
    return (Bundle(0, (pairs, columns), at(0, 0, 1), at(parity, 2), Port.RAMP, (hop,), Port.RAMP),)


def chain_classes(length: int) -> list[tuple[str, int, int, int]]:
    """The PEs of a chain by what their code looks like: (name, first, count, step); empty classes are left out.

    A chain's PE k receives on color A if k is odd, else B, and sends on color A if k is even, else B.
    """
    if length == 1:
        return [("only", 0, 1, 1)]
    classes = [("first", 0, 1, 1)]
    if length > 2:
        classes.append(("odd", 1, (length - 1) // 2, 2))
    if length > 3:
        classes.append(("even", 2, (length - 2) // 2, 2))
    return [*classes, ("last", length - 1, 1, 1)]


def runs(labels: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """The positions of a line in regular runs of one label each: (first, count, step), every position in one run.

    Greedy: from the first position left, the longest run there is (of equally long ones the densest).
    """
    numbers: dict[Hashable, int] = {}
    label = np.array([numbers.setdefault(each, len(numbers)) for each in labels], np.int64)
    left = np.ones(len(label), bool)
    found: list[tuple[int, int, int]] = []
    while left.any():
        first = int(left.argmax())
        same = left & (label == label[first])
        count, step = max((_run_length(same, first, step), -step) for step in range(1, max(2, len(label) - first)))
        found.append((first, count, -step))
        left[first : first - step * count : -step] = False
    return found


def _run_length(same: np.ndarray, first: int, step: int) -> int:
    """How many of first, first + step, ... are true before the first that is not."""
    row = same[first::step]
    return len(row) if row.all() else int(row.argmin())


def meeting_chain(length: int, parity: int) -> tuple[Bundle, ...]:
    """Two chains that meet in the middle of a line: PE p sends towards it on `parity` if that is `sending_parity`."""
    middle = length // 2
    bundles = []
    for start, end, step in ((parity, middle, 1), (middle + 1 + (parity + middle) % 2, length, -1)):
        pairs = (end - start + 1) // 2
        if pairs > 0:
            hop = Leg(Port.EAST if step == 1 else Port.WEST, at(start + step, 2))
            bundles.append(Bundle(0, (pairs, 1), at(start, 2), at(0), Port.RAMP, (hop,), Port.RAMP))
    return tuple(bundles)


def sending_parity(position: int, length: int) -> int:
    """The parity of the color on which a PE of a meeting chain sends; it receives on the other one."""
    return position % 2 if position < length // 2 else (position + 1) % 2
