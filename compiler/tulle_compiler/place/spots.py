"""Where a kernel could go: the best spots in the free room, judged by its nets to kernels that have a place."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tulle_compiler.place.links import HostEnds
from tulle_compiler.place.space import Space
from tulle_compiler.place.wires import NetShape, Place3, Wires, frame_of
from tulle_ir.plan import Plan

ROOMS = 12  # empty rectangles looked at per shape of the region
WANTED = 4  # places looked at for their nets' sake, per orientation
LOOKED_AT = 24  # spots whose paths are found exactly


class Spot(NamedTuple):
    """A place with its score (what the search compares) and the wavelet-hops of the nets that it completes."""

    score: float
    wires: float
    place: Place3


@dataclass(frozen=True, slots=True)
class Pull:
    """A preference that makes packings tight: each column to the east (`x`) and each row to the south (`y`) of the far
    corner costs that many hops of the kernel's nets. `noise`: relative random change of a spot's score."""

    x: float = 0.0
    y: float = 0.0
    noise: float = 0.0


class Spots:
    """Finds spots for the kernels of one plan."""

    def __init__(self, wires: Wires, host: HostEnds) -> None:
        self.wires, self.host = wires, host
        self.plan: Plan = wires.plan
        kernels = range(len(self.plan.kernels))
        self._sizes = [[frame_of(self.plan.kernels[k], (o, 0, 0)).region[2:] for o in range(8)] for k in kernels]
        self._turns = [distinct_turns(wires, host, k) for k in kernels]
        self._weight = [float(max((s.weight for s in nets), default=1)) for nets in wires.by_kernel]
        self._lost = [weight * sum(self.plan.mesh) for weight in self._weight]  # the least a net without a path costs

    def best(
        self, k: int, placed: Mapping[int, Place3], space: Space, pull: Pull, count: int, rng: np.random.Generator
    ) -> list[Spot]:
        """Up to `count` spots for kernel k, best first; none if there is no room."""
        nets = [s for s in self.wires.by_kernel[k] if (s.sink if s.source == k else s.source) in placed]
        found = [self._candidates(k, size, nets, placed, space) for size in dict.fromkeys(self._sizes[k])]
        turn = np.concatenate([turns for turns, _ in found])
        at = np.concatenate([origins for _, origins in found])
        if not len(at):
            return []
        score = self._bound(k, turn, at, nets, placed) + self._pulled(k, turn, at, pull)
        if pull.noise:
            score = (score + self._weight[k]) * (1 + pull.noise * rng.random(len(score)))
        first = np.argsort(score, kind="stable")[: 4 * LOOKED_AT]
        ranked = zip(turn[first].tolist(), *at[first].T.tolist(), strict=True)
        spots: dict[Place3, float] = {}
        for place, bound in zip(ranked, score[first].tolist(), strict=True):
            spots.setdefault(place, bound)
        return self._exact(k, nets, placed, spots, pull, count)

    def _exact(
        self,
        k: int,
        nets: Sequence[NetShape],
        placed: Mapping[int, Place3],
        spots: Mapping[Place3, float],
        pull: Pull,
        count: int,
    ) -> list[Spot]:
        """Find the paths of the most promising spots; stop when the bound of the rest is worse than enough of them."""
        found: list[Spot] = []
        for looked, (place, bound) in enumerate(spots.items()):
            enough = len(found) >= count
            if enough and (bound >= found[count - 1].score or (looked >= LOOKED_AT and found[0].wires < self._lost[k])):
                break
            wires = 0.0
            for s in nets:
                ends = (place, placed[s.sink]) if s.source == k else (placed[s.source], place)
                wires += s.weight * self.wires.hops(s, *ends)
            wires += sum(self.host.nearest(n, place) for n in self.host.by_kernel.get(k, ()))
            o, x, y = place
            w, h = self._sizes[k][o]
            insort(found, Spot(wires + self._weight[k] * (pull.x * (x + w) + pull.y * (y + h)), wires, place))
        return found[:count]

    def _candidates(
        self, k: int, size: tuple[int, int], nets: Sequence[NetShape], placed: Mapping[int, Place3], space: Space
    ) -> tuple[np.ndarray, np.ndarray]:
        """Orientations [N] and origins [N, 2] for one size of the region: corners, and where nets are short."""
        free = space.free
        room = free[(free[:, 2] - free[:, 0] >= size[0]) & (free[:, 3] - free[:, 1] >= size[1])]
        turns = [o for o in self._turns[k] if self._sizes[k][o] == size]
        if not len(room) or not turns:
            return np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
        low, high = room[:, :2], room[:, 2:] - np.array(size)  # [M, 2] origins allowed
        wanted = np.array([self._wanted(k, o, nets, placed) for o in turns])  # [T, D, 2]
        near = np.clip(wanted[:, :, None], low, high)  # [T, D, M, 2]
        if len(room) > ROOMS:
            distance = np.abs(near - wanted[:, :, None]).sum(axis=3).min(axis=(0, 1))
            keep = np.argsort(distance, kind="stable")[:ROOMS]
            low, high, near = low[keep], high[keep], near[:, :, keep]
        shape = (len(turns), 1, len(low), 2)
        grid = np.concatenate([np.broadcast_to(low, shape), np.broadcast_to(high, shape), near], axis=1)
        x, y = np.broadcast_arrays(grid[:, :, None, :, 0], grid[:, None, :, :, 1])
        at = np.stack([x.reshape(-1), y.reshape(-1)], axis=1)
        return np.repeat(np.array(turns), len(at) // len(turns)), at

    def _wanted(self, k: int, o: int, nets: Sequence[NetShape], placed: Mapping[int, Place3]) -> list[tuple[int, int]]:
        """WANTED origins at which the middles of a net's two lines coincide (or are as near as their pitches allow),
        heaviest nets first."""
        points: dict[tuple[int, int], None] = {}
        for s in sorted(nets, key=lambda s: -s.weight):
            p, u, v = placed[s.sink if s.source == k else s.source]
            if s.source == k:
                (a, b), others, sign = s.doubled_source[o].tolist(), s.doubled_sink[p].tolist(), 1
            else:
                (a, b), others, sign = s.doubled_source[p].tolist(), s.doubled_sink[o].tolist(), -1
            gap = (s.slack, 0) if (s.sink_axis if s.source == k else s.source_axis)[p] == 0 else (0, s.slack)
            for c, d in others:
                x, y = u + sign * (c - a) // 2, v + sign * (d - b) // 2
                points |= dict.fromkeys(((x + gap[0], y + gap[1]), (x - gap[0], y - gap[1])))
        for n in self.host.by_kernel.get(k, ())[:1]:
            x, y = self.host.point(n, (o, 0, 0))
            points |= dict.fromkeys((link.x - x, link.y - y) for link in self.host.links[:2])
        chosen = list(points)[:WANTED] or [(0, 0)]
        return chosen + chosen[:1] * (WANTED - len(chosen))

    def _pulled(self, k: int, turn: np.ndarray, at: np.ndarray, pull: Pull) -> np.ndarray | float:
        if not (pull.x or pull.y):
            return 0.0
        far = at + np.array(self._sizes[k])[turn]
        return self._weight[k] * (pull.x * far[:, 0] + pull.y * far[:, 1])

    def _bound(
        self, k: int, turn: np.ndarray, at: np.ndarray, nets: Sequence[NetShape], placed: Mapping[int, Place3]
    ) -> np.ndarray:
        """[N] lower bounds of the wavelet-hops of the nets, for orientations and origins."""
        total = np.zeros(len(at))
        here = 2 * at
        for s in nets:
            if s.source == k:
                p, u, v = placed[s.sink]
                step = (s.doubled_sink[p] + np.array([2 * u, 2 * v])) - (s.doubled_source[turn] + here)[:, None, :]
                parallel, axis = s.source_axis[turn] == s.sink_axis[p], s.sink_axis[p]
            else:
                p, u, v = placed[s.source]
                step = (s.doubled_sink[turn] + here[:, None, :]) - (s.doubled_source[p] + np.array([2 * u, 2 * v]))
                parallel, axis = s.sink_axis[turn] == s.source_axis[p], s.source_axis[p]
            total += s.weight * (s.bound(step, parallel, int(axis)) / 2 + 1)
        for n in self.host.by_kernel.get(k, ()):
            point = at + self.host.points(n)[turn]
            distance = np.abs(point[:, None, :] - self.host.at).sum(axis=2).min(axis=1)
            total += self.plan.nets[n].wavelets * distance
        return total


def distinct_turns(wires: Wires, host: HostEnds, k: int) -> list[int]:
    """The orientations of a kernel that differ in more than the order of its lanes."""
    seen: dict[object, int] = {}
    kernel = wires.plan.kernels[k]
    for o in range(8):
        ends: list[object] = [frame_of(kernel, (o, 0, 0)).region]
        for s in wires.by_kernel[k]:
            if s.source == k:
                ends.append(_unordered(s.sources[o].at))
            else:
                ends.append(frozenset((_unordered(a.at), a.heading) for a in s.approaches[o]))
        for n in host.by_kernel.get(k, ()):
            headings = tuple(a.heading for a in host.approaches(n, (o, 0, 0)))
            ends.append((host.point(n, (o, 0, 0)), headings))
        seen.setdefault(tuple(ends), o)
    return list(seen.values())


def _unordered(at: tuple[tuple[int, int], tuple[int, int]]) -> frozenset[tuple[int, int]]:
    (x0, x1), (y0, y1) = at
    return frozenset({(x0, y0), (x1, y1)})
