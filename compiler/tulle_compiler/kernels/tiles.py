"""Cutting a weight matrix into tiles: compressed columns or dense columns per PE, in canonical order."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.builder import Columns
from tulle_compiler.partition import Partition
from tulle_ir.code import DType

SET = 0x8000  # an entry that sets its row instead of adding to it


def nonzeros_per_tile(weight: np.ndarray, inputs: Partition, outputs: Partition) -> np.ndarray:
    """Non-zeros of tile (out lane j, in lane i): i64[Lo, Li]. weight: [in, out]."""
    by_input = np.add.reduceat(weight[inputs.order] != 0, inputs.start[:-1], axis=0, dtype=np.int64)
    return np.add.reduceat(by_input[:, outputs.order], outputs.start[:-1], axis=1).T


def output_work(weight: np.ndarray, inputs: Partition) -> np.ndarray:
    """Non-zeros of each output feature by input lane: [out, Li]."""
    return np.add.reduceat(weight[inputs.order] != 0, inputs.start[:-1], axis=0, dtype=np.int64).T


def compressed(weight: np.ndarray, inputs: Partition, outputs: Partition, dtype: DType) -> Columns:
    """Tiles of the whole grid, PE p = j * Li + i; the first entry of each row of a tile carries the set mark."""
    k, r = np.nonzero(weight)
    in_lane, in_place = inputs.lane_of(), inputs.place_of()
    out_lane, out_place = outputs.lane_of(), outputs.place_of()
    pe = out_lane[r] * inputs.lanes + in_lane[k]
    column, row = in_place[k], out_place[r]
    order = np.argsort((pe * inputs.largest + column) * outputs.largest + row, kind="stable")
    pe, column, row = pe[order], column[order], row[order]
    _, first = np.unique(pe * outputs.largest + row, return_index=True)
    marks = row.astype(np.uint16)
    marks[first] |= SET
    pes = inputs.lanes * outputs.lanes
    counts = np.bincount(pe * inputs.largest + column, minlength=pes * inputs.largest).reshape(pes, -1)
    ptr = np.zeros((pes, inputs.largest + 1), np.uint16)
    ptr[:, 1:] = np.cumsum(counts, axis=1)
    start = np.concatenate([[0], np.cumsum(counts.sum(axis=1))]).astype(np.int64)
    return Columns(ptr, start, marks, weight[k, r][order].astype(numpy_type(dtype)))


def dense(weight: np.ndarray, inputs: Partition, outputs: Partition, dtype: DType) -> np.ndarray:
    """Tiles [Lo, Li, Kmax * Rmax] of dense columns, zero padded."""
    tiles = np.zeros((outputs.lanes, inputs.lanes, inputs.largest, outputs.largest), numpy_type(dtype))
    for j in range(outputs.lanes):
        columns = weight[:, outputs.features(j)]
        for i in range(inputs.lanes):
            tile = columns[inputs.features(i)]
            tiles[j, i, : tile.shape[0], : tile.shape[1]] = tile
    return tiles.reshape(outputs.lanes, inputs.lanes, -1)


def numpy_type(dtype: DType) -> type[np.generic]:
    """The numpy type of an element type."""
    return {DType.F16: np.float16, DType.F32: np.float32, DType.I32: np.int32, DType.U16: np.uint16}[dtype]
