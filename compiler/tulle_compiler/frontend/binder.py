"""The state of one import at one input shape: the values so far, the operators made so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tulle_compiler.frontend.constants import Const, array_key
from tulle_compiler.frontend.expressions import Base, Expr, base_of
from tulle_compiler.frontend.layout import Layout, contiguous, flat_atoms, merged, strided
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.recognise import Affine, NormParameters, recognise
from tulle_compiler.frontend.values import Rows
from tulle_compiler.frontend.weights import WeightStore
from tulle_ir.graph import Activation, Embed, Linear, Norm, Op

INPUT = "in"


@dataclass(slots=True, eq=False)
class Binder:
    """Operators made for `batch` sequences of `tokens` tokens. Tensors are named r0, r1, ... until the end."""

    batch: int
    tokens: int
    weights: WeightStore
    ops: dict[str, Op] = field(default_factory=dict)
    memo: dict[Any, tuple[Any, Any]] = field(default_factory=dict)
    _numbers: int = 0

    def number(self) -> int:
        """The next number of an expression."""
        self._numbers += 1
        return self._numbers

    def once(self, what: str, arrays: Sequence[np.ndarray | None], make: Callable[[], Any]) -> Any:
        """`make()`, computed once for the same arrays: layers share their masks."""
        key = (what, *(array_key(array) for array in arrays))
        if key not in self.memo:
            self.memo[key] = (arrays, make())  # kept, so that their ids stay theirs
        return self.memo[key][1]

    def emit(self, op: Op, width: int, last: bool = False) -> Base:
        """Add an operator (its `output` is set here) and return its tensor."""
        output = f"r{len(self.ops)}"
        self.ops[output] = replace(op, output=output)
        return Base(output, width, last)

    def rows_value(self, base: Base, shape: tuple[int, ...]) -> Rows:
        """A whole tensor as a value of `shape`."""
        return Rows(contiguous(shape), self.leaf(base))

    def leaf(self, base: Base) -> Expr:
        """A tensor as an expression."""
        return Expr("base", (), self.number(), base.width, base, resolved=base)

    def constant(self, const: Const) -> Expr:
        """A scalar `[1]` or row vector `[width]` as an expression."""
        value = const.array.reshape(-1)
        return Expr("const", (), self.number(), value.size, None, value)

    def apply(self, node: Node, args: tuple[Expr, ...], width: int, op: str = "") -> Expr:
        """An operator on expressions over one base; arguments that became tensors since are read as such."""
        args = tuple(arg if arg.resolved is None else self.leaf(arg.resolved) for arg in args)
        base = next(base_of(arg) for arg in args if arg.value is None)
        return Expr(op or node.op, args, self.number(), width, base, None, node)

    def row_count(self, base: Base) -> int:
        """Rows of a tensor's buffer."""
        return self.batch if base.last else self.batch * self.tokens

    def selection(self, layout: Layout, base: Base, width: int) -> str | None:
        """Which rows of `[rows, width]` a layout reads in order: "all", "last" of each sequence, or None (neither)."""
        if not layout.axes or merged(layout.axes[-1]) != strided(0, [(width, 1)]).axes[0]:
            return None
        lead = flat_atoms(layout.axes[:-1])
        rows = self.row_count(base)
        if layout.offset == 0 and lead == strided(0, [(rows, width)]).axes[0]:
            return "all"
        ends = strided(0, [(self.batch, self.tokens * width)]).axes[0]
        return "last" if not base.last and layout.offset == (self.tokens - 1) * width and lead == ends else None

    def tensor(self, value: Any, node: Node) -> Base:
        """The whole feature rows of a value, as a tensor; makes the operator its expression stands for."""
        if not isinstance(value, Rows):
            raise node.fail("it needs features per token here")
        selection = self.selection(value.layout, base_of(value.expr), value.expr.width)
        if selection is None:
            raise node.fail("it reads part of the features, or mixes tokens and features, in a way not understood")
        base = self.resolve(value.expr, node)
        return Base(base.tensor, base.width, base.last or selection == "last")

    def resolve(self, expr: Expr, node: Node) -> Base:
        """The tensor an expression is, made on first use."""
        if expr.resolved is None:
            expr.resolved = self._make(expr, expr.node or node)
        return expr.resolved

    def _make(self, expr: Expr, node: Node) -> Base:
        base = base_of(expr)
        found = recognise(expr, base.width) if expr.width == base.width else None
        match found:
            case None:
                what = "the arithmetic that ends here is no linear, LayerNorm, RMSNorm or known activation"
                raise node.fail(what, remedy="known: gelu (erf and tanh), relu, silu, quick_gelu")
            case Affine():
                return base if found.is_identity else self._fold_affine(base, found, node)
            case NormParameters():
                beta = self.weights.nonzero(found.beta)
                norm = Norm(base.tensor, found.kind, self.weights.finite(found.gamma, node), beta, found.eps, "")
                return self.emit(replace(norm, origin=node.origin), base.width, base.last)
            case kind:
                return self.emit(Activation(base.tensor, kind, "", origin=node.origin), base.width, base.last)

    def _fold_affine(self, base: Base, affine: Affine, node: Node) -> Base:
        """Scale and shift the operator that makes `base`: its results are the same up to rounding."""
        gain, shift = (np.broadcast_to(v, base.width).astype(np.float32) for v in (affine.gain, affine.shift))
        op = self.ops.get(base.tensor)
        match op:
            case Linear():
                bias = shift if op.bias is None else op.bias * gain + shift
                op = replace(op, weight=op.weight * gain, bias=self.weights.nonzero(bias), tied=False)
            case Norm():
                beta = shift if op.beta is None else op.beta * gain + shift
                op = replace(op, gamma=op.gamma * gain, beta=self.weights.nonzero(beta))
            case Embed() if op.positions is None:
                op = replace(op, table=op.table * gain + shift)
            case _:
                raise node.fail("it scales or shifts a tensor that is not the result of a linear, norm or embedding")
        return self.emit(op, base.width, base.last)
