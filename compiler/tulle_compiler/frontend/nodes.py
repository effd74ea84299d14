"""Nodes as the front end sees them: domain-normalised operators with checked attributes, in dependency order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import AttributeProto, helper

from tulle_ir.diagnostics import BadInput


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator. `op` is the type, prefixed `domain::` outside ai.onnx; `version` its domain's opset.

    Absent optional inputs and outputs are empty strings.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: onnx.NodeProto
    version: int
    origin: str

    @property
    def where(self) -> str:
        """The node for error messages."""
        return f"node {self.origin!r} ({self.op})"

    def fail(self, what: str, remedy: str = "") -> BadInput:
        """A BadInput that points at this node."""
        return BadInput(what, where=self.where, remedy=remedy)

    def ints(self, key: str) -> tuple[int, ...] | None:
        """An attribute that must be a list of integers; None when absent."""
        return self._typed(key, AttributeProto.INTS, "a list of integers")

    def integer(self, key: str, default: int) -> int:
        """An attribute that must be an integer."""
        value = self._typed(key, AttributeProto.INT, "an integer")
        return default if value is None else value

    def real(self, key: str, default: float) -> float:
        """An attribute that must be a float."""
        value = self._typed(key, AttributeProto.FLOAT, "a float")
        return default if value is None else value

    def text(self, key: str, default: str) -> str:
        """An attribute that must be a string."""
        value = self._typed(key, AttributeProto.STRING, "a string")
        return default if value is None else value.decode("utf-8", "replace")

    def _typed(self, key: str, kind: int, described: str) -> Any:
        for attribute in self.proto.attribute:
            if attribute.name == key:
                if attribute.type != kind:
                    raise self.fail(f"attribute {key!r} is not {described}")
                value = helper.get_attribute_value(attribute)
                return tuple(value) if kind == AttributeProto.INTS else value
        return None


def make_node(proto: onnx.NodeProto, versions: dict[str, int]) -> Node:
    """A Node of a proto whose opsets are `versions` by domain ('' is ai.onnx)."""
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    op = f"{domain}::{proto.op_type}" if domain else proto.op_type
    outputs = tuple(proto.output)
    origin = proto.name or next((name for name in outputs if name), proto.op_type)
    return Node(op, tuple(proto.input), outputs, proto, versions.get(domain, 1), origin)


def opset_versions(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Opset version by domain."""
    return {("" if entry.domain == "ai.onnx" else entry.domain): entry.version for entry in imports}


def sort_live_nodes(nodes: Sequence[Node], given: Iterable[str], output: str) -> list[Node]:
    """The nodes that `output` depends on, each after its inputs. Iterative: graphs may be 20,000 nodes deep.

    `given` are the names of inputs and initializers. Undefined names, double definitions and cycles are errors.
    """
    known = set(given)
    maker = _makers(nodes, known)
    order: list[Node] = []
    done: set[int] = set()
    open_nodes: set[int] = set()
    stack: list[tuple[str, Node | None]] = [(output, None)]
    while stack:
        name, leaving = stack.pop()
        if leaving is not None:
            open_nodes.discard(id(leaving))
            done.add(id(leaving))
            order.append(leaving)
            continue
        if not name or name in known:
            continue
        node = maker.get(name)
        if node is None:
            raise BadInput(f"the value {name!r} is used but nothing makes it", remedy="export the model again")
        if id(node) in done:
            continue
        if id(node) in open_nodes:
            raise node.fail("the node depends on its own output: the graph has a cycle")
        open_nodes.add(id(node))
        stack.append(("", node))
        stack.extend((tensor, None) for tensor in reversed(node.inputs))
    return order


def _makers(nodes: Sequence[Node], known: set[str]) -> dict[str, Node]:
    """Which node makes each value."""
    maker: dict[str, Node] = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in maker or name in known:
                raise node.fail(f"the value {name!r} is made twice")
            maker[name] = node
    return maker
