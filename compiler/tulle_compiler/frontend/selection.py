"""Operators that take parts of a tensor: Split, Slice and Gather at fixed places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.frontend import layout as layouts
from tulle_compiler.frontend.binder import Binder
from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.layout import Layout
from tulle_compiler.frontend.movement import Handler, axes_of, axis_of, given, integers, layout_of, relaid
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.values import Value


def split(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Split by sizes from an input, an attribute, or into equal parts."""
    layout = layout_of(inputs[0], node)
    axis = axis_of(node, node.integer("axis", 0), len(layout.axes))
    total = layout.shape[axis]
    sizes = given(inputs, 1)
    parts = list(node.ints("split") or ()) if sizes is None else integers(sizes, node, "its sizes")
    if not parts:
        count = node.integer("num_outputs", len(node.outputs))
        each = -(-total // max(count, 1))
        parts = [min(each, total - i * each) for i in range(count)]
    if sum(parts) != total or any(n <= 0 for n in parts):
        raise node.fail(f"parts {parts} do not make up {total}")
    return _pieces(inputs[0], layout, axis, parts, node)


def _pieces(value: Value, layout: Layout, axis: int, parts: list[int], node: Node) -> list[Value]:
    starts = np.cumsum([0, *parts[:-1]]).tolist()
    pairs = zip(starts, parts, strict=True)
    return [relaid(value, layouts.take(layout, axis, start, 1, count), node) for start, count in pairs]


def split_to_sequence(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Split into a list."""
    layout = layout_of(inputs[0], node)
    axis = axis_of(node, node.integer("axis", 0), len(layout.axes))
    total = layout.shape[axis]
    if given(inputs, 1) is None:
        parts = [1] * total
    else:
        parts = integers(inputs[1], node, "its sizes")
        if isinstance(inputs[1], Const) and inputs[1].array.ndim == 0:
            parts = [min(parts[0], total - at) for at in range(0, total, parts[0])]
    if sum(parts) != total:
        raise node.fail(f"parts {parts} do not make up {total}")
    return [_pieces(inputs[0], layout, axis, parts, node)]


def sequence_at(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """An element of a list."""
    items, index = inputs[0], integers(inputs[1], node, "its position")[0]
    if not isinstance(items, list) or not -len(items) <= index < len(items):
        raise node.fail("it takes an element that is not there")
    return [items[index]]


def slice_(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Slice, by inputs or (opset 9 and older) attributes."""
    layout: Layout | None = layout_of(inputs[0], node)
    if len(inputs) > 1:
        starts, ends = (integers(inputs[i], node, "its bounds") for i in (1, 2))
    else:
        starts, ends = list(node.ints("starts") or ()), list(node.ints("ends") or ())
    axes = axes_of(node, inputs, 3) or list(range(len(starts)))
    steps = [1] * len(starts) if given(inputs, 4) is None else integers(inputs[4], node, "its steps")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if layout is None or step == 0:
            break
        axis = axis_of(node, axis, len(layout.axes))
        picked = range(*slice(start, end, step).indices(layout.shape[axis]))
        if len(picked) == 0:
            raise node.fail("it selects nothing")
        layout = layouts.take(layout, axis, picked.start, step, len(picked))
    return [relaid(inputs[0], layout, node)]


def gather_fixed(node: Node, value: Value, index: Const, axis: int) -> Value:
    """Gather of evenly spaced fixed positions: a slice."""
    layout = layout_of(value, node)
    axis = axis_of(node, axis, len(layout.axes))
    size = layout.shape[axis]
    picked = [int(i) + (size if i < 0 else 0) for i in index.array.reshape(-1)]
    step = picked[1] - picked[0] if len(picked) > 1 else 1
    even = bool(picked) and picked == [picked[0] + i * step for i in range(len(picked))]
    if not even or step == 0 or min(picked) < 0 or max(picked) >= size:
        raise node.fail("it gathers activations at positions that are not evenly spaced, or outside")
    taken = layouts.take(layout, axis, picked[0], step, len(picked))
    if taken is not None:
        taken = layouts.reshape(taken, (*taken.shape[:axis], *index.array.shape, *taken.shape[axis + 1 :]))
    return relaid(value, taken, node)


HANDLERS: dict[str, Handler] = {
    "Split": split,
    "SplitToSequence": split_to_sequence,
    "SequenceAt": sequence_at,
    "Slice": slice_,
}
