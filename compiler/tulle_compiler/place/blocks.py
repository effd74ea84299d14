"""The repetition in a plan: the blocks of a model are equal chains of kernels, so one good layout serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tulle_ir.plan import HOST, Plan


@dataclass(frozen=True, slots=True)
class Blocks:
    """`blocks[b]` are the kernels of block b, corresponding ones at the same index; `rest` the kernels outside."""

    blocks: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]


def find_blocks(plan: Plan, order: Sequence[int]) -> Blocks | None:
    """The repetition that covers most kernels (of equal ones the one with the shortest block), or None.

    Two kernels correspond if their sizes and kinds are equal and their inputs come from as far back in the order.
    """
    kinds = _kinds(plan, order)
    n = len(kinds)
    best: tuple[int, int, int, int] | None = None  # -kernels covered, block length, first, count
    for length in range(2, n // 2 + 1):
        run = 0
        for i in range(n - length + 1):
            if i < n - length and kinds[i] == kinds[i + length]:
                run += 1
                continue
            count = run // length + 1
            if count > 1:
                found = (-count * length, length, i - run, count)
                best = found if best is None or found < best else best
            run = 0
    if best is None:
        return None
    _, length, first, count = best
    blocks = tuple(tuple(order[first + b * length : first + (b + 1) * length]) for b in range(count))
    inside = {k for block in blocks for k in block}
    return Blocks(blocks, tuple(k for k in order if k not in inside))


def _kinds(plan: Plan, order: Sequence[int]) -> list[int]:
    """A number per position in the order; equal numbers correspond."""
    position = {k: i for i, k in enumerate(order)}
    inputs: list[list[tuple[int, int, int]]] = [[] for _ in plan.kernels]
    for net in plan.nets:
        if HOST not in (net.source.kernel, net.sink.kernel):
            back = position[net.sink.kernel] - position[net.source.kernel]
            inputs[net.sink.kernel].append((net.sink.terminal, back, net.lanes))
    numbers: dict[object, int] = {}
    kinds = []
    for k in order:
        kernel = plan.kernels[k]
        key = (kernel.kind, kernel.width, kernel.height, tuple(sorted(inputs[k])))
        kinds.append(numbers.setdefault(key, len(numbers)))
    return kinds
