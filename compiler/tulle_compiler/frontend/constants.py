"""Constants, and the folding of operators on constants by the operators of `onnx.reference`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import defs
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops._op_list import load_op

from tulle_compiler.frontend.nodes import Node

_SMALL = 64  # arrays up to this many elements are compared by value
_MAX_ELEMENTS = 1 << 28
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
_FIRST_IMPLEMENTED = {"DequantizeLinear": 19, "QuantizeLinear": 19}  # older opsets mean the same, for fewer types
_ALIASES = frozenset({"Identity"})


@dataclass(slots=True, eq=False)
class Const:
    """A known tensor. `name` is that of the initializer it is or came from, for readable names only."""

    array: np.ndarray
    name: str = ""

    @property
    def scalar(self) -> float | None:
        """Its value when it has one element."""
        return float(self.array.reshape(-1)[0]) if self.array.size == 1 else None


Folded = Const | list[Const] | None


class Folder:
    """Evaluates nodes on constants. Equal nodes on equal inputs are evaluated once (the masks of all layers, say)."""

    def __init__(self) -> None:
        self._results: dict[Any, tuple[Folded, ...]] = {}
        self._operators: dict[int, Any] = {}
        self._alive: list[Any] = []  # keys use ids of these

    def run(self, node: Node, inputs: Sequence[Folded]) -> tuple[Folded, ...]:
        """Outputs of `node`; raises BadInput when the operator is unknown or fails."""
        if node.op in _ALIASES and isinstance(inputs[0], Const):
            return (inputs[0],)
        check_known(node)
        if node.op in _RANDOM:
            raise node.fail("the operator is random: the model has no definite result")
        key = (node.op, node.version, _attributes_key(node), tuple(_input_key(value) for value in inputs))
        if key not in self._results:
            self._alive.append((node, inputs))
            self._results[key] = self._evaluate(node, inputs)
        return self._results[key]

    def _evaluate(self, node: Node, inputs: Sequence[Folded]) -> tuple[Folded, ...]:
        arrays = [_unwrapped(value) for value in inputs]
        _check_size(node, arrays)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                results = self._operator(node).run(*arrays)
        except Exception as error:  # whatever foreign code raises on bad values
            raise node.fail(f"it cannot be evaluated: {_first_line(error)}") from error
        name = next((v.name for v in inputs if isinstance(v, Const) and v.name and v.array.size > 1), "")
        return tuple(_wrapped(result, name) for result in results)

    def _operator(self, node: Node) -> Any:
        if id(node) not in self._operators:
            params = {"log": _no_log, "opsets": {"": node.version}, "verbose": 0, "new_ops": None}
            params |= {"existing_functions": {}, "evaluator_cls": ReferenceEvaluator}
            version = max(node.version, _FIRST_IMPLEMENTED.get(node.op, 0))
            cls = load_op("", node.op, version, node=node.proto, evaluator_cls=ReferenceEvaluator)
            self._operators[id(node)] = cls(node.proto, params)
        return self._operators[id(node)]


def check_known(node: Node) -> None:
    """Raise BadInput unless the operator exists in the model's opset."""
    if "::" in node.op:
        raise node.fail(f"the operator {node.op!r} is not part of standard ONNX and not a local function")
    if not defs.has(node.op, node.version, ""):
        raise node.fail(f"{node.op!r} is not an ONNX operator of opset {node.version}")


def _no_log(*_: object) -> None:
    """onnx.reference wants a place to log to."""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _attributes_key(node: Node) -> tuple[bytes, ...]:
    return tuple(sorted(a.SerializeToString(deterministic=True) for a in node.proto.attribute))


def array_key(array: np.ndarray | None) -> Any:
    """Small arrays by value, big ones by identity (whoever uses the key keeps the array)."""
    if array is None or array.size > _SMALL:
        return id(array)
    return (array.dtype.str, array.shape, array.tobytes())


def _input_key(value: Folded) -> Any:
    if isinstance(value, Const):
        return array_key(value.array)
    return None if value is None else tuple(_input_key(item) for item in value)


def _unwrapped(value: Folded) -> Any:
    if isinstance(value, Const):
        return value.array
    return None if value is None else [item.array for item in value]


def _wrapped(result: Any, name: str) -> Folded:
    if result is None:
        return None
    if isinstance(result, list):
        return [Const(np.asarray(item), name) for item in result]
    return Const(np.asarray(result), name)


def _check_size(node: Node, arrays: Sequence[Any]) -> None:
    """Refuse operators whose output size is an input, before they allocate it."""
    position = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Reshape": None}.get(node.op)
    if position is None or position >= len(arrays) or not isinstance(arrays[position], np.ndarray):
        return
    factors = [float(max(int(n), 1)) for n in arrays[position].reshape(-1)]
    if float(np.prod(factors)) > _MAX_ELEMENTS:
        raise node.fail(f"it would make a constant of {float(np.prod(factors)):.3g} elements")
