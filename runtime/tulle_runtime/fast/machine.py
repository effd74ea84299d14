"""The engine's state: one tuple of flat arrays, which the jitted functions share. Indices: words.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Machine(NamedTuple):
    """Entities are numbered routers first, then PEs, then host links. In jitted code the fields are pointers.

    Several workers share most of the arrays, in which each touches what belongs to its entities."""

    ch: np.ndarray  # i32[], channels and their rings
    trees: np.ndarray  # i32[trees, TREE_WORDS]
    routers: np.ndarray  # i32[routers, ROUTER_WORDS]
    router_entries: np.ndarray  # i32[entries that are not within a chain, ENTRY_WORDS], by router, then color
    pe: np.ndarray  # i32[], PE records
    pe_base: np.ndarray  # i64[PEs] into pe
    place: np.ndarray  # i32[PEs], y * W + x
    classes: np.ndarray  # i32[classes, CLASS_WORDS]
    tasks: np.ndarray  # i32[tasks of all classes, TASK_TABLE_WORDS]
    code: np.ndarray  # i32[rows, ROW_WORDS]
    counts: np.ndarray  # i64[PEs, N_WORDS]
    waited: np.ndarray  # i32[PEs, input queues + 1], waiting cycles
    contended: np.ndarray  # i32[entries], in the order of router_entries
    g: np.ndarray  # i64[G_WORDS], of this worker
    pending: np.ndarray  # u32[entities], bit t % NEAR: is in that near bucket
    near: np.ndarray  # i32[NEAR, entities of this worker]: routers from the front, the others from the back
    near_count: np.ndarray  # i64[NEAR, 2], of this worker
    far_head: np.ndarray  # i32[FAR], -1 for none, of this worker
    far_next: np.ndarray  # i32[entities]
    far_prev: np.ndarray  # i32[entities], -1 - bucket at the head of a list
    far_at: np.ndarray  # i64[entities], 0 for none
    link_first: np.ndarray  # i32[host links + 1] into ports
    ports: np.ndarray  # i64[input ports, PORT_WORDS], by link, then color
    feed: np.ndarray  # u32[], all host input
    log_port: np.ndarray  # i32[], what went over host outputs: port, value, cycle of arrival; of this worker
    log_value: np.ndarray  # i32[]
    log_time: np.ndarray  # i64[]
    half: np.ndarray  # u16 view of all SRAM
    word: np.ndarray  # u32 view
    real: np.ndarray  # f32 view
    said: np.ndarray  # i64[workers, 2, MEETING_WORDS]
    left: np.ndarray  # i64[1], not 0 if a worker does not go on
    box: np.ndarray  # i64[workers, workers, 2], the first message from one to another
    mailed: np.ndarray  # i64[workers, workers, 2, MAILED_WORDS], how many
    mail: np.ndarray  # i32[messages, MESSAGE_WORDS]
