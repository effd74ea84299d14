"""Tensors that a class names exist, with the type and shape that their use needs, and tables are well formed."""

from __future__ import annotations

import numpy as np

from tulle_ir.program import Buffer, Program, Register, Symbol, Table
from tulle_ir.tensors import describe
from tulle_ir.text.tensor_text import dtype_name, numpy_dtype
from tulle_ir.verify.findings import Findings
from tulle_ir.verify.scope import Scope

Shape = tuple[int, ...]


def check_data(scope: Scope, program: Program, findings: Findings) -> None:
    """Buffers, registers and tables of one class."""
    for buffer in scope.of.buffers:
        if buffer.data:
            _check_buffer(buffer, scope, program, findings)
    for register in scope.of.registers:
        if isinstance(register.value, str):
            path = f"{scope.path}, register '{register.name}'"
            check_tensor(register.value, "i32", (scope.pes,), register, path, program, findings)
    for table in scope.of.tables:
        if check_table_shapes(table, scope, program, findings):
            _check_table_content(table, scope, program, findings)


def check_symbol(symbol: Symbol, program: Program, findings: Findings) -> None:
    """The features that a symbol's PEs hold lie within its region."""
    for part in (symbol.inputs, symbol.outputs):
        path = f"symbol '{symbol.name}'"
        if part and check_tensor(part, "i32", (-1, 3), symbol, path, program, findings):
            places = program.tensors[part][:, 1:]
            if ((places < -1) | (places >= symbol.region[2:])).any():
                findings.error(f"tensor '{part}' names a place outside the region", symbol, path)


def _check_buffer(buffer: Buffer, scope: Scope, program: Program, findings: Findings) -> None:
    path = f"{scope.path}, buffer '{buffer.name}'"
    found = _described(buffer.data, buffer, path, program, findings)
    if found is None:
        return
    dtype, shape = found
    rows = shape[:1] == (scope.pes,) and int(np.prod(shape)) == scope.pes * buffer.size
    if dtype != numpy_dtype(buffer.dtype) or not (rows or int(np.prod(shape)) == buffer.size):
        wanted = f"{buffer.dtype}[{buffer.size}], or [{scope.pes}, {buffer.size}] with a row per PE"
        findings.error(f"{_is(buffer.data, dtype, shape)}; the buffer needs {wanted}", buffer, path)


def check_tensor(
    tensor: str,
    dtype: str,
    shape: Shape,
    node: Buffer | Register | Table | Symbol,
    path: str,
    program: Program,
    findings: Findings,
) -> bool:
    """Whether a tensor exists with this type and shape (-1: any size)."""
    found = _described(tensor, node, path, program, findings)
    if found is None:
        return False
    fits = len(found[1]) == len(shape) and all(want in (-1, have) for want, have in zip(shape, found[1], strict=True))
    if found[0] != numpy_dtype(dtype) or not fits:
        wanted = f"{dtype}[{', '.join('any' if size < 0 else str(size) for size in shape)}]"
        findings.error(f"{_is(tensor, *found)}; {wanted} is needed", node, path)
        return False
    return True


def _described(
    tensor: str, node: object, path: str, program: Program, findings: Findings
) -> tuple[np.dtype, Shape] | None:
    if tensor not in program.tensors:
        findings.error(f"there is no tensor '{tensor}'", node, path)
        return None
    return describe(program.tensors, tensor)


def _is(tensor: str, dtype: np.dtype, shape: Shape) -> str:
    return f"tensor '{tensor}' is {dtype_name(dtype)}{list(shape)}"


def check_table_shapes(table: Table, scope: Scope, program: Program, findings: Findings) -> bool:
    """Whether the four tensors of a table exist with their types and shapes."""
    path = f"{scope.path}, table '{table.name}'"
    parts: dict[str, tuple[str, Shape]] = {
        "ptr": ("u16", (scope.pes, table.columns + 1)),
        "start": ("i64", (scope.pes + 1,)),
        "row": ("u16", (-1,)),
        "value": (table.dtype, (-1,)),
    }
    fits = [
        check_tensor(f"{table.data}.{part}", dtype, shape, table, path, program, findings)
        for part, (dtype, shape) in parts.items()
    ]
    return all(fits)


def _check_table_content(table: Table, scope: Scope, program: Program, findings: Findings) -> None:
    """Offsets rise from 0 to the number of entries, per PE and over all PEs."""
    path = f"{scope.path}, table '{table.name}'"
    ptr, start, row, value = (program.tensors[f"{table.data}.{part}"] for part in ("ptr", "start", "row", "value"))
    counts = np.diff(start)
    if start[0] != 0 or start[-1] != len(row) or (counts < 0).any() or len(row) != len(value):
        findings.error(f"'{table.data}.start' does not divide the {len(row)} entries among the PEs", table, path)
        return
    if (counts > table.capacity).any():
        what = f"a PE has {int(counts.max())} entries, the table has room for {table.capacity}"
        findings.error(what, table, path)
    steps = ptr[:, 1:] < ptr[:, :-1]
    if (ptr[:, 0] != 0).any() or steps.any() or (ptr[:, -1] != counts).any():
        findings.error(f"'{table.data}.ptr' does not rise from 0 to each PE's number of entries", table, path)
