"""What a linear stage costs at given lanes, before its partitions are known."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import sqrt

from tulle_compiler.kernels.filtered import SHARE
from tulle_compiler.kernels.finish import finish_bytes, finish_latency, finish_slots
from tulle_compiler.kernels.linear import tile_bytes, tile_slots
from tulle_compiler.kernels.slots import hop_cycles
from tulle_compiler.plan.costs import StageCost
from tulle_compiler.plan.cuts import PAIR
from tulle_compiler.plan.lanes import is_free
from tulle_compiler.plan.problem import Problem

UNEVEN = {True: 1.4, False: 3.0}  # standard deviations of the heaviest tile, if one side is balanced for it or not
MAX_FINISHERS = 12


class LinearCosts:
    """The costs of a problem's linears, each computed once."""

    def __init__(self, problem: Problem) -> None:
        self.problem, classes = problem, problem.classes
        linears = [i for i, stage in enumerate(problem.stages) if stage.kind == "linear"]
        self.linears = Counter(c for i in linears for c in (classes.source[i], classes.output[i]))
        self.of = cache(self._of)
        self._finishing = cache(self._finishing_of)

    def _of(self, i: int, into: int, out: int) -> tuple[StageCost, ...]:
        """Linear stage i on `into` x `out` lanes, by rising numbers of finishers; nothing if it exceeds SRAM."""
        width, classes = self.problem.classes.width, self.problem.classes
        k, r = -(-width[classes.source[i]] // into), -(-width[classes.output[i]] // out)
        slots = self._tile(i, k, r)
        if slots is None:
            return ()
        hop = hop_cycles(self.problem.limits.target)
        return tuple(
            StageCost(max(slots, period), slots + (into + m) * hop + latency, into + m, out, finishers=m)
            for m, period, latency in self._finishing(i, r)
        )

    def _tile(self, i: int, k: int, r: int) -> float | None:
        """Slots of the heaviest tile of k x r features; None if it exceeds SRAM."""
        problem, precision, dense = self.problem, self.problem.precision, self.problem.dense[i]
        nonzeros = float(k * r) if dense else self._heaviest(i, k * r)
        if tile_bytes(int(nonzeros), k, r, dense, precision, problem.chunk) > problem.limits.bytes:
            return None
        shares = (None, SHARE) if i in problem.behind_relu else (None,)
        args = nonzeros, k, r, dense, precision, problem.limits.target, self._chunk(i)
        return min(float(tile_slots(*args, share)) for share in shares)

    def _heaviest(self, i: int, weights: int) -> float:
        """Non-zeros of the heaviest of the tiles, zeros being random."""
        density, classes = self.problem.density[i], self.problem.classes
        balanced = any(is_free(classes, c) and self.linears[c] <= PAIR for c in (classes.source[i], classes.output[i]))
        deviation = sqrt(weights * density * (1 - density))
        return min(float(weights), weights * density + UNEVEN[balanced] * deviation)

    def _finishing_of(self, i: int, rows: int) -> tuple[tuple[int, float, float], ...]:
        """(finishers, period, latency) of lanes of `rows` features, as long as more of them shorten either."""
        problem, activation = self.problem, self.problem.stages[i].activation
        args = activation, problem.precision, problem.limits.target, self._chunk(i)
        found: list[tuple[int, float, float]] = []
        for m in range(1, min(MAX_FINISHERS, rows) + 1):
            period = max(finish_slots(rows, m, s, *args) for s in (0, m - 1))
            latency = finish_latency(rows, m, *args)
            fits = finish_bytes(rows, m, activation, problem.precision, problem.chunk) <= problem.limits.bytes
            if fits and all(period < p or latency < q for _, p, q in found):
                found.append((m, period, latency))
        return tuple(found)

    def _chunk(self, i: int) -> int:
        """Tokens that the stage works on at once: one that works once per sequence sees single ones."""
        return 1 if i in self.problem.once else self.problem.chunk
