"""Builds instructions while the text is parsed (inline LALR transformer)."""

from __future__ import annotations

from lark import Token, v_args

from tulle_ir.code import (
    Await,
    Axpy,
    AxpyColumns,
    AxpyEntries,
    Cmp,
    Compute,
    Control,
    Fabric,
    If,
    Instruction,
    Launch,
    Load,
    Loop,
    Mem,
    Number,
    Offset,
    Pop,
    Push,
    Reg,
    Scalar,
    ScalarOp,
    Source,
    Stop,
    Store,
    TaskVerb,
    Vector,
    VectorOp,
    While,
)
from tulle_ir.text.reader import Reader, Term, constant_of, error

Block = tuple[Instruction, ...]


class CodeReader(Reader):
    """Methods are named after the grammar's rules."""

    def block(self, *instructions: Instruction) -> Block:
        return instructions

    # ---- operands ----

    def register_operand(self, name: Token) -> Reg:
        return Reg(str(name))

    def scalar(self, value: int) -> int:
        return value

    def memory(self, name: Token, terms: tuple[Term, ...] | None, outer: int | None, inner: int | None) -> Mem:
        strides = (0, 1) if outer is None else (outer, 1 if inner is None else inner)
        view = Mem(str(name), _offset(terms or ()), strides)
        return self.put(name, view)

    def fabric(self, queue: Token, terms: tuple[Term, ...] | None) -> Fabric:
        return self.put(queue, Fabric(str(queue), None if terms is None else _offset(terms)))

    def extent(self, first: Scalar, second: Scalar | None) -> tuple[Scalar, Scalar]:
        return (1, first) if second is None else (first, second)

    # ---- vectors ----

    def vector_op(self, op: Token) -> Token:
        return op

    def vector(self, op: Token, dst: Source | float, *rest: Source | float | tuple[Scalar, Scalar] | None) -> Vector:
        *sources, extent = rest
        assert isinstance(extent, tuple)
        if not isinstance(dst, Mem | Fabric):
            raise error("the first operand receives the result: a buffer or a queue, not a number", op)
        a, b = (_source(source) for source in sources)
        assert a is not None
        return self.put(op, Vector(VectorOp(op), dst, a, b, *extent))

    def launched(self, keyword: Token, thread: Token, vector: Vector, then: Token | None) -> Vector:
        launch = Launch(int(thread), str(then or ""))
        return self.put(keyword, Vector(vector.op, vector.dst, vector.a, vector.b, vector.n0, vector.n1, launch))

    def axpy(self, keyword: Token, y: Mem, table: Token, column: Scalar, x: Mem, n: Scalar) -> Axpy:
        return self.put(keyword, Axpy(y, str(table), column, x, n))

    def axpy_columns(self, keyword: Token, y: Mem, table: Token, queue: Token) -> AxpyColumns:
        return self.put(keyword, AxpyColumns(y, str(table), str(queue)))

    def axpy_entries(self, keyword: Token, y: Mem, queue: Token, x: Mem, n: Scalar) -> AxpyEntries:
        return self.put(keyword, AxpyEntries(y, str(queue), x, n))

    # ---- scalars and wavelets ----

    def scalar_op(self, op: Token) -> Token:
        return op

    def move(self, dst: Token, a: Scalar) -> Compute:
        return self.put(dst, Compute(Reg(str(dst)), a))

    def compute(self, dst: Token, a: Scalar, op: Token, b: Scalar) -> Compute:
        return self.put(dst, Compute(Reg(str(dst)), a, ScalarOp(op), b))

    def choose(self, dst: Token, op: Token, a: Scalar, b: Scalar) -> Compute:
        return self.compute(dst, a, op, b)

    def load(self, keyword: Token, dst: Token, cell: Mem) -> Load:
        return self.put(keyword, Load(Reg(str(dst)), cell.buffer, _cell(cell, keyword)))

    def store(self, keyword: Token, cell: Mem, value: Scalar) -> Store:
        return self.put(keyword, Store(cell.buffer, value, _cell(cell, keyword)))

    def pop(self, keyword: Token, dst: Token, queue: Token) -> Pop:
        return self.put(keyword, Pop(Reg(str(dst)), str(queue)))

    def push(self, keyword: Token, queue: Token, value: Scalar) -> Push:
        return self.put(keyword, Push(str(queue), value))

    # ---- control ----

    def await_thread(self, keyword: Token, thread: Token, rows: Scalar | None) -> Await:
        return self.put(keyword, Await(int(thread), rows))

    def loop(self, keyword: Token, counter: Token, _less: Token, count: Scalar, body: Block) -> Loop:
        return self.put(keyword, Loop(Reg(str(counter)), count, body))

    def cmp(self, token: Token) -> Token:
        return token

    def if_else(self, keyword: Token, a: Scalar, cmp: Token, b: Scalar, then: Block, other: Block | None) -> If:
        return self.put(keyword, If(a, Cmp(cmp), b, then, other or ()))

    def while_loop(self, keyword: Token, a: Scalar, cmp: Token, b: Scalar, body: Block) -> While:
        return self.put(keyword, While(a, Cmp(cmp), b, body))

    def control(self, verb: Token, task: Token) -> Control:
        return self.put(verb, Control(TaskVerb(verb), str(task)))

    def stop(self, keyword: Token) -> Stop:
        return self.put(keyword, Stop())


v_args(inline=True)(CodeReader)  # lark passes the children as arguments


def _offset(terms: tuple[Term, ...]) -> Offset:
    scaled = tuple((Reg(str(variable)), factor) for variable, factor in terms if variable is not None)
    return Offset(constant_of(terms), scaled)


def _cell(cell: Mem, keyword: Token) -> Offset:
    if cell.strides != (0, 1):
        raise error("load and store take one element: an offset, no strides", keyword)
    return cell.offset


def _source(operand: object) -> Source | None:
    if isinstance(operand, int | float):
        return Number(float(operand))
    assert operand is None or isinstance(operand, Mem | Fabric)
    return operand
