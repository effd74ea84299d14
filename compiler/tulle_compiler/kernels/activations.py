"""Bias and activation on rows of partial sums, as instructions and as slots.

Z holds the sums [rows, chunk]; the result goes to OUT in the stream's type. Arithmetic is f32.
"""

from __future__ import annotations

import math

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, mem, vector
from tulle_compiler.options import Precision
from tulle_ir.code import DType, Instruction, Reg, VectorOp
from tulle_ir.program import Category
from tulle_ir.target import Target

GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


def activation_code(
    b: ClassBuilder,
    activation: str,
    bias: np.ndarray | None,
    rows: Reg,
    n: Reg,
    largest: int,
    chunk: int,
    precision: Precision,
) -> list[Instruction]:
    """OUT = activation(Z + bias); declares the buffers it needs."""
    b.buffer("OUT", precision.stream, largest * chunk, side=1)
    z, out = mem("Z", (chunk, 1)), mem("OUT", (chunk, 1))
    code: list[Instruction] = []

    def do(op: str, dst, a, c=None) -> None:
        code.append(vector(op, dst, a, c, rows, n))

    work = z
    if precision.reduce is DType.F16 and activation != "none":
        work = mem(b.buffer("F", DType.F32, largest * chunk, side=0), (chunk, 1))
    if bias is not None:
        b.buffer("B", DType.F32, largest, Category.WEIGHTS, bias)
        do("add", out if activation == "none" else work, z, mem("B", (1, 0)))
    elif activation == "none" or work is not z:
        do("mov", out if activation == "none" else work, z)
    if activation in ("gelu", "gelu_tanh"):
        u = mem(b.buffer("U", DType.F32, largest * chunk, side=1), (chunk, 1))
        _gelu(do, activation, work, u, out)
    elif activation == "relu":
        do("max", out, work, 0.0)
    elif activation != "none":
        raise ValueError(f"no code for activation {activation}")
    return code


def _gelu(do, activation: str, z, u, out) -> None:
    """0.5 z (1 + tanh(c (z + 0.044715 z^3))), or 0.5 z (1 + erf(z / sqrt 2)); u is scratch."""
    if activation == "gelu_tanh":
        do("mul", u, z, z)
        do("mul", u, u, GELU_SCALE * GELU_CUBIC)
        do("add", u, u, GELU_SCALE)
        do("mul", u, u, z)
        do("tanh", u, u)
    else:
        do("mul", u, z, math.sqrt(0.5))
        do("erf", u, u)
    do("mul", z, z, 0.5)
    do("mul", u, u, z)
    do("add", out, u, z)


def activation_slots(activation: str, rows: int, precision: Precision, target: Target, chunk: int) -> float:
    """Slots of `activation_code` on `rows` rows of a full chunk (bias counted)."""
    per_element = {
        "none": 1.0 if precision.stream is not precision.reduce else 0.5,
        "relu": 1.5,
        "gelu": 5.0 + target.cost_of(VectorOp.ERF),
        "gelu_tanh": 6.5 + target.cost_of(VectorOp.TANH),
    }[activation]
    instructions = {"none": 1, "relu": 2, "gelu": 6, "gelu_tanh": 9}[activation]
    issues = instructions * (target.vector_issue + rows * target.row_overhead) + target.load_cycles  # of the bias
    return issues + rows * chunk * per_element
