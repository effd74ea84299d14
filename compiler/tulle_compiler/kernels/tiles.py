"""Cutting a weight matrix into tiles: compressed columns or dense columns per PE, in canonical order."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.builder import Columns
from tulle_compiler.partition import Partition
from tulle_ir.code import DType

SET = 0x8000  # an entry that sets its row instead of adding to it


def nonzeros_per_tile(weight: np.ndarray, inputs: Partition, outputs: Partition) -> np.ndarray:
    """Non-zeros of tile (out lane j, in lane i): i64[Lo, Li]. weight: [in, out]."""
    return _lane_sums(nonzeros_by_lane(weight, inputs).T, outputs, np.dtype(np.int64))


def nonzeros_by_lane(weight: np.ndarray, inputs: Partition) -> np.ndarray:
    """Non-zeros of each output feature by input lane: [Li, out], in the smallest type that holds them."""
    return _lane_sums((weight != 0).view(np.uint8), inputs, np.min_scalar_type(inputs.largest))


def _lane_sums(values: np.ndarray, lanes: Partition, dtype: np.dtype) -> np.ndarray:
    """Sums over the features (rows) of each lane: [lanes, columns]. Whole rows are added: many at a time."""
    values = np.ascontiguousarray(values)
    sums = np.empty((lanes.lanes, values.shape[1]), dtype)
    for lane in range(lanes.lanes):
        np.add.reduce(values[lanes.features(lane)], axis=0, dtype=dtype, out=sums[lane])
    return sums


def compressed(weight: np.ndarray, inputs: Partition, outputs: Partition, dtype: DType) -> Columns:
    """Tiles of the whole grid, PE p = j * Li + i; the first entry of each row of a tile carries the set mark.

    The matrix is put into the order of the lanes and read once, so nothing is sorted.
    """
    ordered = np.take(weight, inputs.order, axis=0)
    lane = np.repeat(np.arange(inputs.lanes), inputs.sizes)
    place = np.arange(len(lane)) - np.repeat(inputs.start[:-1], inputs.sizes)
    ptr = np.zeros((outputs.lanes, inputs.lanes, inputs.largest + 1), np.uint16)
    rows: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for j in range(outputs.lanes):
        block = np.take(ordered, outputs.features(j), axis=1)
        used = block != 0
        ptr[j, lane, place + 1] = np.count_nonzero(used, axis=1)
        rows.append(_marked_rows(used, lane))
        values.append(block[used].astype(numpy_type(dtype)))
    np.cumsum(ptr, axis=2, out=ptr)
    ptr = ptr.reshape(-1, inputs.largest + 1)
    start = np.concatenate([[0], np.cumsum(ptr[:, -1], dtype=np.int64)])
    return Columns(ptr, start, np.concatenate(rows), np.concatenate(values), np.arange(len(ptr)))


def _marked_rows(used: np.ndarray, lane: np.ndarray) -> np.ndarray:
    """Row of each entry of one output lane, u16, with the set mark. used: bool [in, rows]; lane: of each input."""
    k, row = np.nonzero(used)
    tile_row = lane[k] * used.shape[1] + row
    first = np.zeros((lane[-1] + 1) * used.shape[1], np.int64)
    first[tile_row[::-1]] = np.arange(len(k))[::-1]  # of entries of one row the first is written last
    marked = row.astype(np.uint16)
    marked[first[tile_row]] |= SET
    return marked


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
