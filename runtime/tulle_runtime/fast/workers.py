"""Who simulates what: the parts of the mesh that workers take, and what each of them has for itself."""

from __future__ import annotations

import os

import numpy as np

from tulle_ir.program import Program
from tulle_runtime.fast import sram
from tulle_runtime.fast import words as w
from tulle_runtime.fast.machine import Machine

STRIPE = 16  # rows of the mesh: few enough for each worker to have a part of each kernel
_MOST = 2  # more were not measured
_PES = 512  # of a program for which it pays to meet after every cycle
_LOG = 1 << 16  # least entries of the output log


def worthwhile(program: Program) -> int:
    """The number of workers with which a run is quickest: one for few PEs, else one per core, at most two."""
    if sum(map(sram.pes, program.classes)) < _PES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST)


def owners(place: np.ndarray, width: int, workers: int) -> np.ndarray:
    """The worker of each place y * W + x: stripes of rows in turn."""
    return place // width // STRIPE % workers


def own_arrays(worker: np.ndarray, number: int, g: np.ndarray, out_links: int) -> dict[str, np.ndarray]:
    """The fields of Machine that worker `number` has for itself. `worker`: of each entity; g: the globals of all."""
    entities = int((worker == number).sum())
    log = max(_LOG, 2 * (1 + w.MOST_AHEAD) * out_links)
    own = g.copy()
    own[w.G_WORKER], own[w.G_ENTITIES], own[w.G_LOG_SIZE] = number, entities, log
    return {
        "g": own,
        "near": np.zeros((w.NEAR, entities), np.int32),
        "near_count": np.zeros((w.NEAR, 2), np.int64),
        "far_head": np.full(w.FAR, -1, np.int32),
        "row": np.zeros(w.WIDE, np.float32),
        "log_port": np.zeros(log, np.int32),
        "log_value": np.zeros(log, np.int32),
        "log_time": np.zeros(log, np.int64),
    }


def mail_arrays(producers: np.ndarray, consumers: np.ndarray, workers: int) -> dict[str, np.ndarray]:
    """The fields of Machine with which workers meet. `producers`, `consumers`: the workers at the ends of each channel
    between two."""
    channels = np.zeros((workers, workers), np.int64)
    np.add.at(channels, (producers, consumers), 1)
    # per channel and cycle: a push or a pop in each cycle that may be handled, a question, an answer
    most = (channels + channels.T)[:, :, None] * (1 + w.MOST_AHEAD + 2) * np.ones(w.BOXES, np.int64)
    ends = np.cumsum(most).reshape(most.shape)
    return {
        "said": np.zeros((workers, 2, w.MEETING_WORDS), np.int64),
        "left": np.zeros(1, np.int64),
        "box": ends - most,
        "mailed": np.zeros((workers, workers, w.BOXES, w.MAILED_WORDS), np.int64),
        "mail": np.zeros((int(ends[-1, -1, -1]), w.MESSAGE_WORDS), np.int32),
    }


def wake_first(m: Machine, entities: np.ndarray, when: int) -> None:
    """Wakes entities of a worker that are no routers, in this order, when none of them is to be woken yet."""
    if when < w.NEAR:
        done, end = int(m.near_count[when, 1]), m.near.shape[1]
        m.near[when, end - done - len(entities) : end - done] = entities[::-1]
        m.near_count[when, 1] += len(entities)
        m.pending[entities] |= np.uint32(1 << when)
    elif len(entities):
        bucket = when % w.FAR
        m.far_head[bucket] = entities[0]
        m.far_next[entities[:-1]] = entities[1:]
        m.far_prev[entities[0]] = -1 - bucket
        m.far_prev[entities[1:]] = entities[:-1]
        m.far_at[entities] = when
        m.g[w.G_FAR] += len(entities)
