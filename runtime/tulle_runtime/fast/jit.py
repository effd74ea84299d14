"""How functions are compiled: inner ones without doors to Python, and raw pointers instead of arrays.

Within the engine arrays travel as pointers: no reference counts, no negative indices, and quick to compile.
"""

from __future__ import annotations

from typing import Any

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


pointer: Any = intrinsic(_pointer)
