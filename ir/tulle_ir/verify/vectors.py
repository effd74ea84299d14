"""Types of vector instructions and AXPYs (docs/machine.md, section 5). Names are known to resolve."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tulle_ir.code import BINARY, Axpy, DType, Fabric, Mem, Number, Source, Vector, VectorOp
from tulle_ir.verify.scope import Scope

Report = Callable[[str], None]


def check_vector_types(vector: Vector, scope: Scope, error: Report) -> None:
    """Operand count, directions of queues, and element types."""
    binary = vector.op in BINARY
    if binary != (vector.b is not None):
        error(f"'{vector.op}' takes {'two sources' if binary else 'one source'}")
    sources = [source for source in (vector.a, vector.b) if source is not None]
    _check_queues(vector, sources, scope, error)
    types = [dtype for dtype in (_type(x, scope) for x in (vector.dst, *sources)) if dtype]
    if DType.U16 in types:
        error("u16 is for load, store and tables only")
    if DType.I32 in types and (vector.op is not VectorOp.MOV or set(types) != {DType.I32} or len(types) < 2):
        error("i32 admits only mov, between i32 operands")
    elif any(isinstance(x, Fabric) for x in (vector.dst, *sources)) and len(set(types)) > 1:
        error(f"with a queue among the operands all have one type, here {' and '.join(sorted(set(types)))}")


def _check_queues(vector: Vector, sources: list[Source], scope: Scope, error: Report) -> None:
    heard = [source for source in sources if isinstance(source, Fabric)]
    if len(heard) > 1:
        error("at most one source can be a queue")
    for source in heard:
        if source.index is not None:
            error(f"'%{source.queue}' has an index: only a destination can be sparse")
        if not scope.queues[source.queue].is_input:
            error(f"'%{source.queue}' is an output queue: it cannot be a source")
    if isinstance(vector.dst, Fabric):
        if scope.queues[vector.dst.queue].is_input:
            error(f"'%{vector.dst.queue}' is an input queue: it cannot be the destination")
        if vector.op is VectorOp.FMA:
            error("fma adds to its destination, which must be in memory")
        if vector.dst.index is not None:
            _check_sparse(vector, scope.queues[vector.dst.queue].dtype, error)
    elif vector.launch and not heard:
        error("only an instruction with a queue among its operands can be async")


def _check_sparse(vector: Vector, dtype: DType, error: Report) -> None:
    if dtype is not DType.F16:
        error(f"a sparse destination carries f16, not {dtype}")
    if vector.n1 != 1:
        error("a sparse destination takes rows of one element: 'over n, 1'")


def _type(operand: Source, scope: Scope) -> DType | None:
    match operand:
        case Mem(buffer):
            return scope.buffers[buffer].dtype
        case Fabric(queue):
            return scope.queues[queue].dtype
        case Number():
            return None


def check_axpy_types(views: Mapping[str, Mem], scope: Scope, error: Report) -> None:
    """y and x hold floats."""
    for what, view in views.items():
        dtype = scope.buffers[view.buffer].dtype
        if dtype not in (DType.F16, DType.F32):
            error(f"{what} of an axpy holds {dtype}: it must hold f16 or f32")


def check_arrivals(queue: str, scope: Scope, error: Report) -> None:
    """Sparse wavelets come from an input queue of f16."""
    declared = scope.queues[queue]
    if not declared.is_input:
        error(f"'%{queue}' is an output queue: nothing arrives there")
    elif declared.dtype is not DType.F16:
        error(f"'%{queue}' carries {declared.dtype}: sparse wavelets carry f16")


def check_column(axpy: Axpy, scope: Scope, error: Report) -> None:
    """A column in the code is one of the table's."""
    columns = scope.tables[axpy.table].columns
    if isinstance(axpy.column, int) and not 0 <= axpy.column < columns:
        error(f"table '{axpy.table}' has no column {axpy.column}: it has {columns}")
