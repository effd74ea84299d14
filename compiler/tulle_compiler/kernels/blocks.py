"""Which block of its matrix each PE of a kernel holds: for reports only."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.host_lanes import position_lanes
from tulle_compiler.kernels.view import View
from tulle_compiler.partition import Partition
from tulle_ir.geometry import Frame

X, Y = 0, 1  # canonical axes


def blocks(view: View) -> dict[str, np.ndarray]:
    """`inputs` and `outputs` of the kernel's symbol: i32 [features, 2], where on the region each feature is held.

    An embedding's inputs are the rows of its table. An attention keeps positions, not features.
    """
    match view.kernel.kind:
        case "linear":
            return {
                "inputs": _along(X, view.partition("inputs"), view.ports["x"].lanes(), view.frame),
                "outputs": _along(Y, view.partition("outputs"), view.ports["y"].lanes(), view.frame),
            }
        case "embed":
            groups = np.arange(len(view.kernel.tensors["table"])) // view.number("rows")
            return {
                "inputs": _on_mesh(Y, groups, view.frame),
                "outputs": _along(X, view.partition("lanes"), view.ports["y"].lanes(), view.frame),
            }
        case "strip":
            return {"outputs": _along(X, view.partition("lanes"), view.ports["y"].lanes(), view.frame)}
        case "scatter" | "gather":
            return {"outputs": _along(X, view.partition("lanes"), position_lanes(view), view.frame)}
        case _:
            return {}


def _along(axis: int, partition: Partition, lanes: np.ndarray, frame: Frame) -> np.ndarray:
    """Features whose lane `lanes[i]` is held at position i of a canonical axis."""
    position = np.empty(len(lanes), np.int64)
    position[lanes] = np.arange(len(lanes))
    return _on_mesh(axis, position[partition.lane_of()], frame)


def _on_mesh(axis: int, position: np.ndarray, frame: Frame) -> np.ndarray:
    """Positions along a canonical axis as (column, row) of the region on the mesh, -1 for all."""
    turned = frame.orientation
    if turned.transpose:
        axis = 1 - axis
    mirrored = turned.mirror_x if axis == X else turned.mirror_y
    last = frame.region[2 + axis] - 1
    places = np.full((len(position), 2), -1, np.int32)
    places[:, axis] = last - position if mirrored else position
    return places
