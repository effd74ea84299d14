"""How functions are compiled: inner ones without doors to Python, and raw pointers instead of arrays.

Within the engine arrays travel as pointers: no reference counts, no negative indices, and quick to compile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_njit: Any = njit
inner: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
once: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, inline="always")  # for one caller
inlined: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


def _pointer(typingctx: Any, array: Any) -> Any:
    """A pointer to the first element of a contiguous array, which must stay alive."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), build


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Has the cache line of an element fetched that is soon needed. `array` is a pointer."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(builder.module, kind, "llvm.prefetch.p0")
        at = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        builder.call(fetch, [at, number(0), number(3), number(1)])  # for reading, into all levels, data
        return context.get_dummy_value()

    return types.void(array, types.int64), build


def _lowest_bit(typingctx: Any, word: Any) -> Any:
    """The number of the lowest bit of an integer that is not 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.int64), build


pointer: Any = intrinsic(_pointer)
prefetch: Any = intrinsic(_prefetch)
lowest_bit: Any = intrinsic(_lowest_bit)
