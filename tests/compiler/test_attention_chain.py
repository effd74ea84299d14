"""The chain of an attention's workers, whatever the shape of a head's block."""

from __future__ import annotations

import pytest

from tulle_compiler.kernels.attention import _snake, worker_at
from tulle_ir.program import Affine, Port

HEADS = 2


def _at(of: Affine, lane: tuple[int, int]) -> int:
    return of.constant + of.per_i * lane[0] + of.per_j * lane[1]


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_every_worker_sends_to_the_next_one_beside_it(columns: int, rows: int) -> None:
    hops: list[tuple[int, int]] = []
    for parity in (0, 1):
        for bundle in _snake(columns, rows, HEADS, parity):
            for lane in [(i, j) for i in range(bundle.lanes[0]) for j in range(bundle.lanes[1])]:
                x, y, to = _at(bundle.x, lane), _at(bundle.y, lane), _at(bundle.legs[0].to, lane)
                step = {Port.EAST: (to - x, 0), Port.SOUTH: (0, to - y), Port.NORTH: (0, to - y)}
                dx, dy = step[bundle.legs[0].direction]
                assert abs(dx) + abs(dy) == 1
                worker = worker_at(x % columns, y, rows)
                assert worker % 2 == parity
                hops.append((worker, worker_at((x + dx) % columns, y + dy, rows)))
    workers = columns * rows
    assert sorted(hops) == sorted((w, w + 1) for w in range(workers - 1) for _ in range(HEADS))
