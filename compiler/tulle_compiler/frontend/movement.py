"""Operators that only rearrange elements: they change layouts."""

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


HANDLERS: dict[str, Handler] = {
    "Identity": same, "Cast": same, "CastLike": same, "Dropout": same, "Shape": shape, "Size": size,
    "Reshape": reshape, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Flatten": flatten, "Transpose": transpose,
    "Expand": expand, 
}  # fmt: skip
