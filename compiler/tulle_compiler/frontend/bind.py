"""Run the model's nodes once at a concrete input shape, folding what is known and recognising what is not.

Nothing is folded before it is needed: a model asked for too many tokens fails at its position table, before masks of
that length are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from tulle_compiler.frontend import arithmetic, merge, movement, products, scores, selection
from tulle_compiler.frontend.binder import INPUT, Binder
from tulle_compiler.frontend.constants import Const, Folded, Folder, check_known
from tulle_compiler.frontend.expressions import Base
from tulle_compiler.frontend.layout import contiguous
from tulle_compiler.frontend.movement import Handler
from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.prepare import Prepared
from tulle_compiler.frontend.values import Ids, Rows, Scores, Value
from tulle_ir.diagnostics import BadInput

HANDLERS: dict[str, Handler] = {
    **movement.HANDLERS,
    **selection.HANDLERS,
    **merge.HANDLERS,
    **arithmetic.HANDLERS,
    **products.HANDLERS,
    **scores.HANDLERS,
}
_ON_SCORES = frozenset({"Add", "Sub", "Mul", "Div", "Max"})


@dataclass(frozen=True, slots=True)
class Bound:
    """Operators at one input shape; `shape` is that of the ONNX output."""

    binder: Binder
    output: Base
    shape: tuple[int, ...]


class _Environment:
    """Values by name; known nodes stay pending until a value is asked for."""

    def __init__(self, model: Prepared) -> None:
        self._model = model
        self._values: dict[str, Value] = {}
        self._pending: dict[str, Node] = {}
        self._folder = Folder()

    def is_known(self, name: str) -> bool:
        """Whether the value does not depend on the contents of the input."""
        if name in self._model.static or name in self._pending:
            return True
        return isinstance(self._values.get(name), Const)

    def postpone(self, node: Node) -> None:
        """Note how to make a known value."""
        self._pending.update((name, node) for name in node.outputs if name)

    def put(self, node: Node, values: list[Value]) -> None:
        """Store a node's results."""
        self._values.update(pair for pair in zip(node.outputs, values, strict=False) if pair[0])

    def store(self, name: str, value: Value) -> None:
        """Store one value."""
        self._values[name] = value

    def shape_only(self, node: Node) -> bool:
        """Whether the node reads only the shape of its input, which is known without its value."""
        return node.op in ("Shape", "Size") and len(node.inputs) == 1 and node.inputs[0] not in self._pending

    def get(self, name: str) -> Value:
        """A value, folding what it needs first (with an explicit stack)."""
        stack = [name]
        while stack:
            node = self._pending.get(stack[-1])
            if node is None or self._has(stack[-1]):
                stack.pop()
                continue
            missing = [item for item in node.inputs if item in self._pending and not self._has(item)]
            if missing:
                stack.extend(missing)
            else:
                self._fold(node)
                stack.pop()
        if name in self._model.static:
            return self._model.static[name]
        if name not in self._values:
            raise BadInput(f"the value {name!r} is a further result of its operator, which is not supported")
        return self._values[name]

    def _has(self, name: str) -> bool:
        return name in self._model.static or name in self._values

    def _fold(self, node: Node) -> None:
        inputs = [self._folded(name) for name in node.inputs]
        static = id(node) in self._model.static_nodes
        results = (self._model.folder if static else self._folder).run(node, inputs)
        for name, value in zip(node.outputs, results, strict=False):
            if name and static:
                self._model.static[name] = value
            elif name:
                self._values[name] = value

    def _folded(self, name: str) -> Folded:
        value = self._model.static[name] if name in self._model.static else self._values[name]
        assert value is None or isinstance(value, Const | list)
        return value


def bind(model: Prepared, batch: int, tokens: int) -> Bound:
    """The operators the model is made of at `batch` sequences of `tokens` tokens; raises BadInput."""
    binder = Binder(batch, tokens, model.weights)
    env = _Environment(model)
    env.store(model.input.name, _input_value(model, binder))
    for node in model.nodes:
        if not env.shape_only(node) and all(env.is_known(name) for name in node.inputs):
            env.postpone(node)
        else:
            env.put(node, list(_run(binder, node, [env.get(name) for name in node.inputs])))
    if not model.nodes:
        raise BadInput("the model's output is its input: there is nothing to compile")
    result = env.get(model.result)
    if not isinstance(result, Rows):
        raise BadInput("the model's output is not a tensor of features computed from its input")
    last = model.nodes[-1]
    return Bound(binder, binder.tensor(result, last), result.shape)


def _input_value(model: Prepared, binder: Binder) -> Value:
    dims = model.input.row_dims
    shape = (binder.batch, binder.tokens) if len(dims) == 2 else (binder.tokens,)
    if model.input.is_ids:
        return Ids(contiguous(shape))
    width = model.input.dims[-1]
    assert width is not None
    return binder.rows_value(Base(INPUT, width), (*shape, width))


def _run(binder: Binder, node: Node, inputs: list[Value]) -> list[Value]:
    handler = HANDLERS.get(node.op)
    if node.op in _ON_SCORES and any(isinstance(value, Scores) for value in inputs):
        handler = scores.arithmetic
    if handler is None:
        check_known(node)
        raise node.fail(f"the operator {node.op!r} on activations is not supported")
    try:
        return list(handler(binder, node, inputs))
    except (IndexError, AssertionError, TypeError, ValueError, KeyError) as error:
        raise node.fail("its inputs are missing or of the wrong kind") from error
