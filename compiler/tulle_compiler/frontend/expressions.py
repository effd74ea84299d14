"""Elementwise and row-wise arithmetic as small DAGs over one base tensor, evaluated on probe rows in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tulle_compiler.frontend.nodes import Node
from tulle_ir.graph_math import activate, erf, sigmoid

Probe = np.ndarray  # [rows, width] float64


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A tensor that an operator of the Graph makes: `[rows, width]`.

    `last`: only the last row of each sequence is meant.
    """

    tensor: str
    width: int
    last: bool = False


@dataclass(slots=True, eq=False)
class Expr:
    """A node of the DAG. `number` grows from arguments to results; `width` is that of the base, or 1 for a row's mean.

    `op` is an ONNX type, "base" or "const"; `resolved` is the tensor it became once an operator was made of it.
    """

    op: str
    args: tuple[Expr, ...]
    number: int
    width: int
    base: Base | None = None
    value: np.ndarray | None = None
    node: Node | None = None
    resolved: Base | None = None


FUNCTIONS: dict[str, Callable[..., Probe]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Neg": np.negative,
    "Abs": np.abs,
    "Exp": np.exp,
    "Log": np.log,
    "Tanh": np.tanh,
    "Erf": erf,
    "Sigmoid": sigmoid,
    "Relu": lambda x: np.maximum(x, 0),
    "Swish": lambda x: x * sigmoid(x),
}
REDUCTIONS: dict[str, Callable[[Probe], Probe]] = {
    "ReduceMean": lambda x: x.mean(axis=-1, keepdims=True),
    "ReduceSum": lambda x: x.sum(axis=-1, keepdims=True),
}


def members(expr: Expr) -> list[Expr]:
    """The expression and all below it, arguments first."""
    found: dict[int, Expr] = {}
    stack = [expr]
    while stack:
        item = stack.pop()
        if item.number not in found:
            found[item.number] = item
            stack.extend(item.args)
    return [found[number] for number in sorted(found)]


def base_of(expr: Expr) -> Base:
    """The one tensor an expression is a function of."""
    if expr.resolved is not None:
        return expr.resolved
    assert expr.base is not None
    return expr.base


def evaluate(expr: Expr, x: Probe) -> Probe:
    """The expression at rows x of its base, float64; overflow and invalid values are quiet."""
    results: dict[int, Probe] = {}
    with np.errstate(all="ignore"):
        for item in members(expr):
            results[item.number] = _apply(item, [results[arg.number] for arg in item.args], x)
    return results[expr.number]


def _apply(item: Expr, args: list[Probe], x: Probe) -> Probe:
    if item.op == "base":
        return x
    if item.value is not None:
        return item.value.astype(np.float64)
    if item.op in REDUCTIONS:
        return _reduced(item, args[0], x)
    if item.op == "Gelu":
        assert item.node is not None
        return activate("gelu_tanh" if item.node.text("approximate", "none") == "tanh" else "gelu", args[0])
    return FUNCTIONS[item.op](*args)


def _reduced(item: Expr, arg: Probe, x: Probe) -> Probe:
    """A reduction over the row; what does not vary along it stands for `width` equal elements."""
    full = np.broadcast_to(arg, (x.shape[0], max(arg.shape[-1], item.args[0].width)))
    return REDUCTIONS[item.op](full)


def is_elementwise(expr: Expr) -> bool:
    """Whether it is a function of each element alone: scalars only and no reduction."""
    return all(m.op not in REDUCTIONS and (m.value is None or m.value.size == 1) for m in members(expr))


def has_reduction(expr: Expr) -> bool:
    """Whether some part looks along the row."""
    return any(m.op in REDUCTIONS for m in members(expr))


def constants_of(expr: Expr) -> list[np.ndarray]:
    """All constants in it."""
    return [m.value for m in members(expr) if m.value is not None]
