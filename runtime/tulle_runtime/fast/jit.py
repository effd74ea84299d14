"""How functions are compiled: inner ones without doors to Python; and instructions that numba has no name for.

Within the engine arrays are pointers (handle.py): no reference counts, no negative indices, and quick to compile.
"""

from __future__ import annotations

import os
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_njit: Any = njit
inner: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
kept: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, cache=True)  # on its own in the cache
once: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, inline="always")  # for one caller
inlined: Any = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)


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


def _load_acquire(typingctx: Any, array: Any, index: Any) -> Any:
    """An element that another thread may store with store_release: all that it stored before is seen after. `array` is
    a pointer to int64."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.gep(args[0], [args[1]]), "acquire", 8)

    return types.int64(array, types.int64), build


def _store_release(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Stores an element for load_acquire."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], builder.gep(args[0], [args[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), build


def _yield_core(typingctx: Any) -> Any:
    """Offers the core to another thread, where the system has a call for that."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            call = builder.module.globals.get("sched_yield") or ir.Function(builder.module, kind, "sched_yield")
            builder.call(call, [])
        return context.get_dummy_value()

    return types.void(), build


prefetch: Any = intrinsic(_prefetch)
lowest_bit: Any = intrinsic(_lowest_bit)
load_acquire: Any = intrinsic(_load_acquire)
store_release: Any = intrinsic(_store_release)
yield_core: Any = intrinsic(_yield_core)
