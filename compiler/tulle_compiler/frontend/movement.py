"""Operators that only move elements: they change layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tulle_compiler.frontend import layout as layouts
from tulle_compiler.frontend.binder import Binder
from tulle_compiler.frontend.constants import Const
from tulle_compiler.frontend.layout import Layout
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.values import Ids, Rows, Scores, Value, Weights

Handler = Callable[[Binder, Node, list[Value]], Sequence[Value]]
_INT_LIMIT = np.iinfo(np.int64).max


def relaid(value: Value, layout: Layout | None, node: Node) -> Value:
    """The value read through another layout."""
    if layout is None:
        raise node.fail("it regroups elements in a way that mixes features and tokens")
    if isinstance(value, Ids):
        return Ids(layout)
    if isinstance(value, Rows):
        return Rows(layout, value.expr)
    raise node.fail("it moves attention scores around in a way not understood")


def layout_of(value: Value, node: Node) -> Layout:
    """The layout of ids or rows."""
    if isinstance(value, Ids | Rows):
        return value.layout
    raise node.fail("it moves attention scores around in a way not understood")


def integers(value: Value, node: Node, what: str) -> list[int]:
    """A constant list of integers; bounded to int64 as Python ints."""
    if not isinstance(value, Const) or value.array.dtype.kind not in "iu":
        raise node.fail(f"{what} depend on the token values")
    return [int(n) for n in value.array.reshape(-1)]


def given(inputs: list[Value], index: int) -> Value:
    """An optional input; None when absent."""
    return inputs[index] if index < len(inputs) else None


def axis_of(node: Node, axis: int, rank: int) -> int:
    """A non-negative axis."""
    if not -rank <= axis < rank:
        raise node.fail(f"axis {axis} of a tensor with {rank} axes")
    return axis % rank


def axes_of(node: Node, inputs: list[Value], index: int = 1) -> list[int] | None:
    """Axes from input `index` or from the attribute of older opsets."""
    value = given(inputs, index)
    if value is not None:
        return integers(value, node, "its axes")
    attribute = node.ints("axes")
    return None if attribute is None else list(attribute)


def same(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Identity, casts between float types, dropout at inference."""
    if node.op == "Dropout":
        _check_inference(node, inputs)
    if node.op == "Cast" and not isinstance(inputs[0], Ids) and node.integer("to", 1) not in (1, 10, 11, 16):
        raise node.fail("it casts activations to something that is not a float")
    return [inputs[0]]


def _check_inference(node: Node, inputs: list[Value]) -> None:
    training = given(inputs, 2)
    if training is not None and (not isinstance(training, Const) or bool(training.array.reshape(-1)[0])):
        raise node.fail("dropout in training mode is random", remedy="export the model in eval mode")


def shape(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Shape, whole or part."""
    sizes = shape_of(inputs[0], node)
    part = sizes[slice(node.integer("start", 0), node.integer("end", _INT_LIMIT))]
    return [Const(np.array(part, np.int64))]


def size(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Size."""
    return [Const(np.array(np.prod(shape_of(inputs[0], node)), np.int64))]


def shape_of(value: Value, node: Node) -> tuple[int, ...]:
    """The ONNX shape of a value."""
    if isinstance(value, Const):
        return value.array.shape
    if isinstance(value, Ids | Rows | Scores | Weights):
        return value.shape
    raise node.fail("it asks for the shape of a sequence or an absent value")


def reshape(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Reshape with 0 and -1; of scores, only their leading axes."""
    old = shape_of(inputs[0], node)
    wanted = list(node.ints("shape") or ()) if len(inputs) < 2 else integers(inputs[1], node, "its shape")
    if not node.integer("allowzero", 0):
        wanted = [old[i] if n == 0 and i < len(old) else n for i, n in enumerate(wanted)]
    if wanted.count(-1) == 1:
        known = -int(np.prod(wanted))
        wanted[wanted.index(-1)] = int(np.prod(old)) // known if known > 0 else 0
    if any(n < 0 for n in wanted) or np.prod(wanted) != np.prod(old):
        raise node.fail(f"a tensor of shape {list(old)} cannot take the shape {wanted}")
    return [reshaped(inputs[0], wanted, node)]


def reshaped(value: Value, wanted: Sequence[int], node: Node) -> Value:
    """The value in a shape of as many elements."""
    if isinstance(value, Scores | Weights):
        return _lead_reshaped(value, tuple(wanted), node)
    return relaid(value, layouts.reshape(layout_of(value, node), wanted), node)


def _lead_reshaped(value: Scores | Weights, wanted: tuple[int, ...], node: Node) -> Scores | Weights:
    scores = value if isinstance(value, Scores) else value.scores
    if wanted[-2:] != scores.shape[-2:]:
        raise node.fail("it reshapes attention scores across tokens")
    moved = Scores(wanted, scores.q, scores.k, scores.heads, scores.head_dim, scores.scale, scores.mask)
    return moved if isinstance(value, Scores) else Weights(moved)


def squeeze(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Drop axes of size 1."""
    old = shape_of(inputs[0], node)
    axes = axes_of(node, inputs)
    dropped = [i for i, n in enumerate(old) if n == 1] if axes is None else [axis_of(node, a, len(old)) for a in axes]
    if any(old[axis] != 1 for axis in dropped):
        raise node.fail(f"it squeezes an axis of {list(old)} that is not 1")
    return [reshaped(inputs[0], [n for i, n in enumerate(old) if i not in dropped], node)]


def unsqueeze(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Insert axes of size 1."""
    old = list(shape_of(inputs[0], node))
    axes = axes_of(node, inputs) or []
    for axis in sorted(axis_of(node, a, len(old) + len(axes)) for a in axes):
        old.insert(axis, 1)
    return [reshaped(inputs[0], old, node)]


def flatten(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Flatten to two axes."""
    old = shape_of(inputs[0], node)
    axis = node.integer("axis", 1)
    axis = axis + len(old) if axis < 0 else axis
    return [reshaped(inputs[0], [int(np.prod(old[:axis])), int(np.prod(old[axis:]))], node)]


def transpose(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Permute axes."""
    layout = layout_of(inputs[0], node)
    permutation = node.ints("perm") or tuple(reversed(range(len(layout.axes))))
    if sorted(permutation) != list(range(len(layout.axes))):
        raise node.fail(f"perm {list(permutation)} is no permutation of {len(layout.axes)} axes")
    return [relaid(inputs[0], layouts.transpose(layout, permutation), node)]


def expand(_: Binder, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Broadcast to a shape."""
    old = shape_of(inputs[0], node)
    target = np.broadcast_shapes(old, tuple(integers(inputs[1], node, "its shape")))
    if target == old:
        return [inputs[0]]
    return [relaid(inputs[0], layouts.expand(layout_of(inputs[0], node), target), node)]


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
    "Identity": same, "Cast": same, "CastLike": same, "Dropout": same, "Shape": shape, "Size": size,
    "Reshape": reshape, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Flatten": flatten, "Transpose": transpose,
    "Expand": expand, "Split": split, "SplitToSequence": split_to_sequence, "SequenceAt": sequence_at, "Slice": slice_,
}  # fmt: skip
