"""Which block of its matrix each PE of a kernel holds: for reports only."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.line import position_lanes
from tulle_compiler.kernels.view import View
from tulle_compiler.partition import Partition
from tulle_ir.geometry import Frame

X, Y = 0, 1  # canonical axes


def blocks(view: View) -> dict[str, np.ndarray]:
    """`inputs` and `outputs` of the kernel's symbol (see `Symbol`): i32 [features, 3].

    An embedding's inputs are the rows of its table. An attention keeps positions, not features.
    """
    match view.kernel.kind:
        case "linear":
            inputs = _along(X, view.partition("inputs"), view.ports["x"].lanes(), view)
            outputs = _along(Y, view.partition("outputs"), view.ports["y"].lanes(), view)
            return {"inputs": inputs, "outputs": _named(outputs, view)}
        case "embed":
            rows = np.arange(len(view.kernel.tensors["table"]))
            outputs = _along(X, view.partition("lanes"), view.ports["y"].lanes(), view)
            return {"inputs": _on_mesh(rows, Y, rows // view.number("rows"), view.frame), "outputs": outputs}
        case "strip":
            return {"outputs": _along(X, view.partition("lanes"), view.ports["y"].lanes(), view)}
        case "scatter" | "gather":
            return {"outputs": _named(_along(X, view.partition("lanes"), position_lanes(view), view), view)}
        case _:
            return {}


def _along(axis: int, partition: Partition, lanes: np.ndarray, view: View) -> np.ndarray:
    """Features whose lane `lanes[i]` is held at position i of a canonical axis."""
    position = np.empty(len(lanes), np.int64)
    position[lanes] = np.arange(len(lanes))
    return _on_mesh(np.arange(len(partition.order)), axis, position[partition.lane_of()], view.frame)


def _on_mesh(features: np.ndarray, axis: int, position: np.ndarray, frame: Frame) -> np.ndarray:
    """Features and their positions along a canonical axis, as (feature, column, row) of the region on the mesh."""
    turned = frame.orientation
    if turned.transpose:
        axis = 1 - axis
    mirrored = turned.mirror_x if axis == X else turned.mirror_y
    last = frame.region[2 + axis] - 1
    places = np.full((len(features), 3), -1, np.int32)
    places[:, 0] = features
    places[:, 1 + axis] = last - position if mirrored else position
    return places


def _named(places: np.ndarray, view: View) -> np.ndarray:
    """The same with the matrix's own numbers, where the kernel has a part of it only."""
    if "features" in view.kernel.tensors:
        places[:, 0] = view.kernel.tensors["features"][places[:, 0]]
    return places
