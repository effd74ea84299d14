"""Where the wavelets of an input queue come from, and what they lose to other colors on their way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_ir.memory import grid_axes
from tulle_ir.program import Program
from tulle_ir.routes import RAMP, STEP_X, STEP_Y, RouteEntries

HOST = -1


@dataclass(frozen=True, slots=True)
class Upstream:
    """`sender`: i32 [queues, H, W], the PE (y * W + x) that fills the input queue of this number, HOST for the host
    (and for queues that do not exist); `lost`: i64 of this shape, the contended cycles of all route entries between;
    `lost_behind`: i64 [H, W], those of all entries that carry what this PE sends."""

    sender: np.ndarray
    lost: np.ndarray
    lost_behind: np.ndarray


def upstream_of(program: Program, entries: RouteEntries, contended: np.ndarray, queues: int) -> Upstream:
    """For all PEs at once; `entries`: the program's, `contended`: i64 per entry."""
    width, height = program.mesh
    sender, lost = follow_back(entries, contended)
    of_queue, of_lost = np.full((queues, height * width), HOST, np.int32), np.zeros((queues, height * width), np.int64)
    index, place, color = input_queues(program)
    at = entries.find(place, color)
    index, place, at = index[at >= 0], place[at >= 0], at[at >= 0]
    of_queue[index, place] = sender[at]
    of_lost[index, place] = lost[at]
    sent = sender != HOST
    behind = np.bincount(sender[sent], contended[sent], height * width).astype(np.int64)
    shape = (queues, height, width)
    return Upstream(of_queue.reshape(shape), of_lost.reshape(shape), behind.reshape(height, width))


def follow_back(entries: RouteEntries, contended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per entry the PE that sends what it carries (HOST for the host) and the contended cycles from there to here.

    Every round doubles the distance that each entry looks back.
    """
    count = len(entries.router)
    feeder = np.append(_feeder(entries), count)  # entry `count` stands before every first one
    sender = np.append(np.where(entries.port == RAMP, entries.router, HOST), HOST).astype(np.int32)
    lost = np.append(contended, 0)
    for _ in range(count.bit_length()):
        further = feeder != count
        sender[further] = sender[feeder[further]]
        lost = lost + lost[feeder]
        feeder = feeder[feeder]
    return sender[:count], lost[:count]


def _feeder(entries: RouteEntries) -> np.ndarray:
    """i64[n]: the entry that each entry's wavelets come from, n where that is a compute engine or the host."""
    width, height = entries.mesh
    side = np.minimum(entries.port, RAMP - 1)
    x = entries.router % width + np.array(STEP_X)[side]
    y = entries.router // width + np.array(STEP_Y)[side]
    inside = (entries.port != RAMP) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    found = entries.find(np.where(inside, y * width + x, 0), entries.color)
    return np.where(inside & (found >= 0), found, len(entries.router))


def input_queues(program: Program) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(number, PE, color) of every input queue of every PE, i64 each."""
    width = program.mesh[0]
    rows: list[np.ndarray] = [np.zeros((3, 0), np.int64)]
    for of in program.classes:
        xs, ys = grid_axes(of.grid)
        place = (ys[:, None] * width + xs[None, :]).reshape(-1)
        for queue in of.queues:
            if queue.is_input:
                rows.append(np.stack([np.full_like(place, queue.index), place, np.full_like(place, queue.color)]))
    index, place, color = np.concatenate(rows, axis=1)
    return index, place, color
