"""The machine as jitted functions see it: one pointer, to a table of where its arrays begin.

A tuple of so many pointers would be copied at every call. The table does not change while it is in use, which the
compiler is told: it may keep what it has once looked up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model
from numba.np.numpy_support import from_dtype

from tulle_runtime.fast.machine import ELEMENTS, Machine

_FIELDS = {name: number for number, name in enumerate(ELEMENTS)}


class Handle(types.Type):
    """numba's type of the machine."""

    def __init__(self) -> None:
        super().__init__("MachineHandle")


HANDLE = Handle()
register_model(Handle)(models.OpaqueModel)


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Handle

    def generic_resolve(self, value: Any, attr: str) -> types.CPointer:
        return types.CPointer(from_dtype(ELEMENTS[attr]))


@lower_getattr_generic(Handle)
def _field(context: Any, builder: Any, typ: Any, value: Any, attr: str) -> Any:
    """A pointer to the first element of a field."""
    pointer = context.get_value_type(types.CPointer(from_dtype(ELEMENTS[attr])))
    table = builder.bitcast(value, pointer.as_pointer())
    found = builder.load(builder.gep(table, [ir.IntType(32)(_FIELDS[attr])]))
    found.set_metadata("invariant.load", builder.module.add_metadata([]))
    return found


def _handle(typingctx: Any, table: Any) -> Any:
    """The handle of a machine, from its table."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        begin = context.make_array(table)(context, builder, args[0]).data
        return builder.bitcast(begin, context.get_value_type(HANDLE))

    return HANDLE(table), build


handle: Any = intrinsic(_handle)


def addresses(machine: Machine) -> np.ndarray:
    """u64[fields]: the table. The machine's arrays must live as long as it is used."""
    for name, array in zip(ELEMENTS, machine, strict=True):
        if array.dtype != ELEMENTS[name] or not array.flags.c_contiguous:
            raise TypeError(f"{name} is not a contiguous array of {ELEMENTS[name]}")
    return np.array([array.ctypes.data for array in machine], np.uint64)
