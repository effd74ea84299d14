"""Cutting a weight matrix into tiles: compressed columns or dense columns per PE, in canonical order."""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.builder import Columns
from tulle_compiler.partition import Partition
from tulle_ir.code import DType

SET = 0x8000  # an entry that sets its row instead of adding to it


def nonzeros_per_tile(weight: np.ndarray, inputs: Partition, outputs: Partition) -> np.ndarray:
    """Non-zeros of tile (out lane j, in lane i): i64[Lo, Li]. weight: [in, out]."""
    return _column_sums(nonzeros_by_input(weight, inputs), outputs, np.dtype(np.int64)).T


def nonzeros_by_input(weight: np.ndarray, inputs: Partition) -> np.ndarray:
    """Non-zeros of each output feature by input lane: [Li, out], in the smallest type that holds them."""
    used = _used(weight)
    sums = np.empty((inputs.lanes, used.shape[1]), np.min_scalar_type(inputs.largest))
    for lane in range(inputs.lanes):  # whole rows are added, many elements at a time
        np.add.reduce(used[inputs.features(lane)], axis=0, dtype=sums.dtype, out=sums[lane])
    return sums


def nonzeros_by_output(weight: np.ndarray, outputs: Partition) -> np.ndarray:
    """Non-zeros of each input feature by output lane: [in, Lo], in the smallest type that holds them."""
    return _column_sums(_used(weight), outputs, np.min_scalar_type(outputs.largest))


def _used(weight: np.ndarray) -> np.ndarray:
    """1 where a weight is stored, else 0: u8[in, out]."""
    return (weight != 0).view(np.uint8)


def _column_sums(values: np.ndarray, lanes: Partition, dtype: np.dtype) -> np.ndarray:
    """Sums over the columns of each lane: [rows, lanes]."""
    begin = np.minimum(lanes.start[:-1], len(lanes.order) - 1)  # a lane may be empty
    sums = np.add.reduceat(columns_of(values, lanes.order), begin, axis=1, dtype=dtype)
    sums[:, lanes.sizes == 0] = 0
    return sums


def columns_of(matrix: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`matrix[:, order]`, whichever way the matrix lies in memory: `take` would copy a transposed one whole."""
    if matrix.flags.c_contiguous:
        return np.take(matrix, order, axis=1)
    return matrix.T[order].T


def compressed(
    weight: np.ndarray, inputs: Partition, outputs: Partition, dtype: DType, scale: np.ndarray | None = None
) -> Columns:
    """Tiles of the whole grid, PE p = j * Li + i; the first entry of each row of a tile carries the set mark.

    scale: [in], factors of the rows of `weight`. The matrix is put into the order of the lanes and read once, so
    nothing is sorted.
    """
    ordered = np.ascontiguousarray(columns_of(weight, outputs.order)[inputs.order])
    if scale is not None:
        ordered *= scale[inputs.order, None]
    lane = np.repeat(np.arange(inputs.lanes), inputs.sizes)
    place = np.arange(len(lane)) - np.repeat(inputs.start[:-1], inputs.sizes)
    ptr = np.zeros((outputs.lanes, inputs.lanes, inputs.largest + 1), np.uint16)
    rows: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for j in range(outputs.lanes):
        block = np.ascontiguousarray(ordered[:, outputs.start[j] : outputs.start[j + 1]])
        used = _used(block)
        ptr[j, lane, place + 1] = np.add.reduce(used, axis=1, dtype=np.uint16)
        at = np.flatnonzero(used)
        rows.append(_marked_rows(at, lane, block.shape[1]))
        values.append(block.reshape(-1).take(at).astype(numpy_type(dtype)))
    np.cumsum(ptr, axis=2, out=ptr)
    ptr = ptr.reshape(-1, inputs.largest + 1)
    start = np.concatenate([[0], np.cumsum(ptr[:, -1], dtype=np.int64)])
    return Columns(ptr, start, np.concatenate(rows), np.concatenate(values), np.arange(len(ptr)))


def _marked_rows(at: np.ndarray, lane: np.ndarray, rows: int) -> np.ndarray:
    """Row of each entry of one output lane, u16, with the set mark. at: k * rows + row, rising; lane: of each input."""
    k, row = np.divmod(at, rows) if rows else (at, at)
    tile_row = lane[k] * rows + row
    first = np.zeros((lane[-1] + 1) * rows, np.int64)
    first[tile_row[::-1]] = np.arange(len(at))[::-1]  # of entries of one row the first is written last
    marked = row.astype(np.uint16)
    marked[first[tile_row]] |= SET
    return marked


def dense(
    weight: np.ndarray, inputs: Partition, outputs: Partition, dtype: DType, scale: np.ndarray | None = None
) -> np.ndarray:
    """Tiles [Lo, Li, Kmax * Rmax] of dense columns, zero padded; scale: [in], factors of the rows of `weight`."""
    tiles = np.zeros((outputs.lanes, inputs.lanes, inputs.largest, outputs.largest), numpy_type(dtype))
    lane, place = inputs.lane_of(), inputs.place_of()
    for j in range(outputs.lanes):
        mine = outputs.features(j)
        tiles[j, lane, place, : len(mine)] = columns_of(weight, mine) * (1 if scale is None else scale[:, None])
    return tiles.reshape(outputs.lanes, inputs.lanes, -1)


def numpy_type(dtype: DType) -> type[np.generic]:
    """The numpy type of an element type."""
    return {DType.F16: np.float16, DType.F32: np.float32, DType.I32: np.int32, DType.U16: np.uint16}[dtype]
