"""TensorProto and SparseTensorProto to numpy, without trusting their sizes."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tulle_compiler.frontend.external import ExternalData
from tulle_ir.diagnostics import BadInput

_MAX_DENSE_BYTES = 1 << 36  # a sparse tensor may claim any dense size: 64 GiB is the limit
_PACKED = frozenset({TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1})
_ODD = frozenset({TensorProto.STRING, TensorProto.UNDEFINED})


def dense_array(tensor: TensorProto, external: ExternalData) -> np.ndarray:
    """The tensor as an array of its dims and dtype; raw and external float data are views, not copies."""
    where = f"tensor {tensor.name!r}"
    shape = _shape(tensor.dims, where)
    if tensor.data_type in _ODD or tensor.data_type not in TensorProto.DataType.values():
        raise BadInput(f"data type {tensor.data_type} is not a number type", where=where)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    count = math.prod(shape)
    if tensor.data_type in _PACKED:
        return _by_onnx(tensor, where)
    if tensor.data_location == TensorProto.EXTERNAL:
        return external.bytes_of(tensor, count * dtype.itemsize).view(dtype).reshape(shape)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise BadInput(
                f"{len(tensor.raw_data)} bytes of data, but its dims need {count * dtype.itemsize}", where=where
            )
        return np.frombuffer(tensor.raw_data, dtype).reshape(shape)
    _check_typed_count(tensor, count, where)
    return _by_onnx(tensor, where)


def _shape(dims, where: str) -> tuple[int, ...]:
    if any(dim < 0 for dim in dims):
        raise BadInput(f"dims {list(dims)} are negative", where=where)
    return tuple(dims)


def _check_typed_count(tensor: TensorProto, count: int, where: str) -> None:
    """The typed fields (float_data ...) must hold as many numbers as the dims say."""
    field = helper.tensor_dtype_to_field(tensor.data_type)
    numbers = len(getattr(tensor, field))
    per_element = 2 if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128) else 1
    if numbers != count * per_element:
        raise BadInput(f"{numbers} numbers of data, but its dims need {count}", where=where)


def _by_onnx(tensor: TensorProto, where: str) -> np.ndarray:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"its data cannot be read ({error})", where=where) from error


def sparse_array(sparse: onnx.SparseTensorProto, external: ExternalData) -> np.ndarray:
    """The dense array of a COO tensor with linear `[nnz]` or `[nnz, rank]` indices."""
    where = f"sparse tensor {sparse.values.name!r}"
    shape = _shape(sparse.dims, where)
    values, indices = dense_array(sparse.values, external), dense_array(sparse.indices, external)
    if (
        values.ndim != 1
        or indices.dtype != np.int64
        or indices.shape not in ((values.size,), (values.size, len(shape)))
    ):
        raise BadInput(f"{values.size} values do not go with indices of shape {list(indices.shape)}", where=where)
    if math.prod(shape) * values.itemsize > _MAX_DENSE_BYTES:
        raise BadInput(f"dense size of {list(shape)} is too large", where=where)
    limits = np.array(shape if indices.ndim == 2 else [math.prod(shape)], np.int64)
    if np.any(indices < 0) or np.any(indices >= limits):
        raise BadInput(f"an index lies outside {list(shape)}", where=where)
    flat = np.ravel_multi_index(tuple(indices.T), shape) if indices.ndim == 2 else indices
    if np.unique(flat).size != flat.size:
        raise BadInput("an index occurs twice", where=where)
    dense = np.zeros(math.prod(shape), values.dtype)
    dense[flat] = values
    return dense.reshape(shape)
