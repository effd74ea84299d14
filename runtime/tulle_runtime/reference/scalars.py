"""Integer operations and comparisons of registers (docs/machine.md, section 5, Scalars and Control)."""

from __future__ import annotations

from typing import assert_never

from tulle_ir.code import Cmp, ScalarOp
from tulle_runtime.reference.memory import Trap
from tulle_runtime.reference.numbers import signed


def integer(op: ScalarOp, a: int, b: int) -> int:
    """a op b on signed 32-bit values, wrapped to 32 bits."""
    match op:
        case ScalarOp.ADD:
            return signed(a + b)
        case ScalarOp.SUB:
            return signed(a - b)
        case ScalarOp.MUL:
            return signed(a * b)
        case ScalarOp.AND:
            return a & b
        case ScalarOp.OR:
            return a | b
        case ScalarOp.SHL:
            return signed(a << (b & 31))
        case ScalarOp.SHR:
            return a >> (b & 31)
        case ScalarOp.MIN:
            return min(a, b)
        case ScalarOp.MAX:
            return max(a, b)
        case ScalarOp.DIV | ScalarOp.MOD:
            if b == 0:
                raise Trap("division by zero", f"{a} {op} 0")
            return signed(a // b if op is ScalarOp.DIV else a % b)
        case _:
            assert_never(op)


def compare(cmp: Cmp, a: int, b: int) -> bool:
    """A signed comparison."""
    match cmp:
        case Cmp.EQ:
            return a == b
        case Cmp.NE:
            return a != b
        case Cmp.LT:
            return a < b
        case Cmp.LE:
            return a <= b
        case Cmp.GT:
            return a > b
        case Cmp.GE:
            return a >= b
        case _:
            assert_never(cmp)
