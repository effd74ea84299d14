"""The engine's state: one tuple of flat arrays, which the jitted functions share. Indices: words.py."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
F32 = NDArray[np.float32]


class Machine(NamedTuple):
    """Entities are numbered routers first, then PEs, then host links. Jitted functions see pointers (handle.py).

    Several workers share most of the arrays, in which each touches what belongs to its entities."""

    ch: I32  # channels and their rings
    trees: I32  # [trees, TREE_WORDS]
    routers: I32  # [routers, ROUTER_WORDS]
    router_entries: I32  # [entries that are not within a chain, ENTRY_WORDS], by router, then color
    pe: I32  # PE records
    pe_base: I64  # [PEs] into pe
    place: I32  # [PEs], y * W + x
    classes: I32  # [classes, CLASS_WORDS]
    tasks: I32  # [tasks of all classes, TASK_TABLE_WORDS]
    code: I32  # [rows, ROW_WORDS]
    counts: I64  # [PEs, N_WORDS]
    waited: I32  # [PEs, input queues + 1], waiting cycles
    contended: I32  # [entries], in the order of router_entries
    g: I64  # [G_WORDS], of this worker
    pending: U32  # [entities], bit t % NEAR: is in that near bucket
    border: U8  # [entities], 1 for those that mail may concern in the cycle after it was sent
    near: I32  # [NEAR, entities of this worker]: routers from the front, the others from the back
    near_count: I64  # [NEAR, 2], of this worker
    far_head: I32  # [FAR], -1 for none, of this worker
    far_next: I32  # [entities]
    far_prev: I32  # [entities], -1 - bucket at the head of a list
    far_at: I64  # [entities], 0 for none
    link_first: I32  # [host links + 1] into ports
    ports: I64  # [input ports, PORT_WORDS], by link, then color
    feed: U32  # all host input
    log_port: I32  # what went over host outputs: port, value, cycle of arrival; of this worker
    log_value: I32
    log_time: I64
    half: U16  # all SRAM
    word: U32  # the same
    real: F32  # the same
    row: F32  # [WIDE], of this worker: a row of AXPYs as f32
    said: I64  # [workers, 2, MEETING_WORDS]
    left: I64  # [1], not 0 if a worker does not go on
    box: I64  # [workers, workers, BOXES], the first message from one to another
    mailed: I64  # [workers, workers, BOXES, MAILED_WORDS], how many
    mail: I32  # [messages, MESSAGE_WORDS]


def _element(hint: Any) -> np.dtype[Any]:
    _, dtype = get_args(hint)
    return np.dtype(get_args(dtype)[0])


ELEMENTS = {name: _element(hint) for name, hint in get_type_hints(Machine).items()}
"""The type of each field's elements."""
