"""Where a kernel could go: the best spots in the free room, judged by its nets to kernels that have a place."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tulle_compiler.place.links import HostEnds
from tulle_compiler.place.space import Space
from tulle_compiler.place.wires import NetShape, Place3, Wires, frame_of
from tulle_ir.plan import Kernel, Plan

ROOMS = 12  # empty rectangles looked at per orientation
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
        self._turns = [distinct_turns(wires, host, k) for k in range(len(self.plan.kernels))]
        self._weight = [float(max((s.weight for s in nets), default=1)) for nets in wires.by_kernel]

    def best(
        self, k: int, placed: Mapping[int, Place3], space: Space, pull: Pull, count: int, rng: np.random.Generator
    ) -> list[Spot]:
        """Up to `count` spots for kernel k, best first; none if there is no room."""
        nets = [s for s in self.wires.by_kernel[k] if (s.sink if s.source == k else s.source) in placed]
        rough = [self._rough(k, o, nets, placed, space, pull) for o in self._turns[k]]
        rough = [r for r in rough if len(r)]
        if not rough:
            return []
        spots = np.concatenate(rough)  # [N, 4]: score, orientation, x, y
        if pull.noise:
            spots[:, 0] *= 1 + pull.noise * rng.random(len(spots))
        best = spots[np.argsort(spots[:, 0], kind="stable")[: 4 * LOOKED_AT]].tolist()
        different = {(int(o), int(x), int(y)): bound for bound, o, x, y in reversed(best)}
        return self._exact(k, nets, placed, list(different.items())[::-1], pull, count)

    def _exact(
        self, k: int, nets: list[NetShape], placed: Mapping[int, Place3], spots: list[tuple[Place3, float]], pull: Pull, count: int
    ) -> list[Spot]:
        """Find the paths of the most promising spots; stop when the bound of the rest is worse than enough of them."""
        found: list[Spot] = []
        worst = float("inf")
        lost = self._weight[k] * sum(self.plan.mesh)  # the least that a net without a path costs
        for looked, (place, bound) in enumerate(spots):
            if bound >= worst or (looked >= LOOKED_AT and len(found) >= count and found[0].wires < lost):
                break
            _, x, y = place
            wires = 0.0
            for s in nets:
                ends = (place, placed[s.sink]) if s.source == k else (placed[s.source], place)
                wires += s.weight * self.wires.hops(s, *ends)
            wires += sum(self.host.nearest(n, place) for n in self.host.by_kernel.get(k, ()))
            _, _, w, h = frame_of(self.plan.kernels[k], place).region
            score = wires + self._weight[k] * (pull.x * (x + w) + pull.y * (y + h))
            insort(found, Spot(score, wires, place))
            if len(found) >= count:
                worst = found[count - 1].score
        return found[:count]

    def _rough(
        self, k: int, o: int, nets: list[NetShape], placed: Mapping[int, Place3], space: Space, pull: Pull
    ) -> np.ndarray:
        """[N, 4] of (lower bound of the score, orientation, x, y) of spots for one orientation."""
        kernel = self.plan.kernels[k]
        _, _, w, h = frame_of(kernel, (o, 0, 0)).region
        free = space.free
        room = free[(free[:, 2] - free[:, 0] >= w) & (free[:, 3] - free[:, 1] >= h)]
        if not len(room):
            return np.zeros((0, 4))
        low, high = room[:, :2], room[:, 2:] - np.array([w, h])  # [M, 2] origins allowed
        wanted = self._wanted(k, o, nets, placed)
        if len(room) > ROOMS:
            near = np.clip(wanted[:1], low, high) if len(wanted) else low
            distance = self._bound(k, o, near, nets, placed) + self._pulled(k, near, w, h, pull)
            keep = np.argsort(distance, kind="stable")[:ROOMS]
            low, high = low[keep], high[keep]
        xs = np.concatenate([low[:, :1], high[:, :1], *(np.clip(v[0], low[:, :1], high[:, :1]) for v in wanted)], axis=1)
        ys = np.concatenate([low[:, 1:], high[:, 1:], *(np.clip(v[1], low[:, 1:], high[:, 1:]) for v in wanted)], axis=1)
        at = np.stack(np.broadcast_arrays(xs[:, :, None], ys[:, None, :]), axis=-1).reshape(-1, 2)
        score = self._bound(k, o, at, nets, placed) + self._pulled(k, at, w, h, pull)
        return np.concatenate([score[:, None], np.full((len(at), 1), o), at], axis=1)

    def _pulled(self, k: int, at: np.ndarray, w: int, h: int, pull: Pull) -> np.ndarray:
        return self._weight[k] * (pull.x * (at[:, 0] + w) + pull.y * (at[:, 1] + h))

    def _wanted(self, k: int, o: int, nets: list[NetShape], placed: Mapping[int, Place3]) -> np.ndarray:
        """[D, 2] origins at which the middles of a net's two lines coincide, heaviest net first."""
        points = []
        for s in sorted(nets, key=lambda s: -s.weight):
            if s.source == k:
                p, u, v = placed[s.sink]
                middles = [(a + 2 * np.array([u, v]) - s.doubled_source[o]) // 2 for a in s.doubled_sink[p]]
                axis = s.sink_axis[p]
            else:
                p, u, v = placed[s.source]
                middles = [(s.doubled_source[p] + 2 * np.array([u, v]) - a) // 2 for a in s.doubled_sink[o]]
                axis = s.source_axis[p]
            if s.slack:  # room to turn in
                gap = np.array([s.slack, 0]) if axis == 0 else np.array([0, s.slack])
                middles = [m + sign * gap for m in middles for sign in (1, -1)]
            points += middles
        for n in self.host.by_kernel.get(k, ())[:1]:
            x, y = self.host.point(n, (o, 0, 0))
            points += [np.array([link.x - x, link.y - y]) for link in self.host.links[:2]]
        return np.array(list(dict.fromkeys((int(x), int(y)) for x, y in points[:6]))) if points else np.zeros((0, 2), np.int64)

    def _bound(
        self, k: int, o: int, at: np.ndarray, nets: list[NetShape], placed: Mapping[int, Place3]
    ) -> np.ndarray:
        """[N] lower bounds of the wavelet-hops of the nets, for origins `at`."""
        total = np.zeros(len(at))
        for s in nets:
            if s.source == k:
                p, u, v = placed[s.sink]
                step = s.doubled_sink[p] + 2 * np.array([u, v]) - s.doubled_source[o] - 2 * at[:, None, :]
                pair = (o, p)
            else:
                p, u, v = placed[s.source]
                step = s.doubled_sink[o] + 2 * at[:, None, :] - s.doubled_source[p] - 2 * np.array([u, v])
                pair = (p, o)
            total += s.weight * (s.bound(step, *pair) / 2 + 1)
        for n in self.host.by_kernel.get(k, ()):
            x, y = self.host.point(n, (o, 0, 0))
            distance = np.abs(at[:, None, :] + np.array([x, y]) - self.host.at).sum(axis=2).min(axis=1)
            total += self.plan.nets[n].wavelets * distance
        return total


def distinct_turns(wires: Wires, host: HostEnds, k: int) -> list[int]:
    """The orientations of a kernel that differ in more than the order of its lanes."""
    seen: dict[object, int] = {}
    kernel: Kernel = wires.plan.kernels[k]
    for o in range(8):
        ends: list[object] = [frame_of(kernel, (o, 0, 0)).region]
        for s in wires.by_kernel[k]:
            if s.source == k:
                ends.append(_unordered(s.sources[o].at))
            else:
                ends.append(frozenset((_unordered(a.at), a.heading) for a in s.approaches[o]))
        ends += [(host.point(n, (o, 0, 0)), tuple(a.heading for a in host.approaches(n, (o, 0, 0)))) for n in host.by_kernel.get(k, ())]
        seen.setdefault(tuple(ends), o)
    return list(seen.values())


def _unordered(at: tuple[tuple[int, int], tuple[int, int]]) -> frozenset[tuple[int, int]]:
    (x0, x1), (y0, y1) = at
    return frozenset({(x0, y0), (x1, y1)})
