"""Inline the local functions of a model, with a bound on what they may grow to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from onnx import AttributeProto

from tulle_compiler.frontend.nodes import Node, make_node, opset_versions
from tulle_ir.diagnostics import BadInput

MAX_NODES = 500_000
Key = tuple[str, str]


def inline_functions(model: onnx.ModelProto) -> list[Node]:
    """All nodes of the main graph, function calls replaced by their bodies (with unique value names)."""
    functions = {(f.domain, f.name): f for f in model.functions}
    versions = opset_versions(model.opset_import)
    if not functions:
        return [make_node(proto, versions) for proto in model.graph.node]
    _check_growth(model, functions)
    return _expand(model.graph.node, versions, functions)


def _check_growth(model: onnx.ModelProto, functions: dict[Key, onnx.FunctionProto]) -> None:
    """Refuse recursion and bodies that multiply: sizes are computed callees first, without expanding anything."""
    sizes: dict[Key, int] = {}
    open_keys: set[Key] = set()
    stack: list[tuple[Key, bool]] = [(key, False) for key in functions]
    while stack:
        key, leaving = stack.pop()
        calls = [(node.domain, node.op_type) for node in functions[key].node]
        if leaving:
            sizes[key] = sum(sizes.get(call, 1) for call in calls)
            open_keys.discard(key)
        elif key not in sizes:
            if key in open_keys:
                raise BadInput(f"the local function {key[1]!r} calls itself")
            open_keys.add(key)
            stack.append((key, True))
            stack.extend((call, False) for call in calls if call in functions)
    total = sum(sizes.get((node.domain, node.op_type), 1) for node in model.graph.node)
    if total > MAX_NODES:
        raise BadInput(f"local functions expand to {total} nodes; the limit is {MAX_NODES}")


def _expand(
    protos: Sequence[onnx.NodeProto], versions: dict[str, int], functions: dict[Key, onnx.FunctionProto]
) -> list[Node]:
    """Depth-first expansion with an explicit stack."""
    nodes: list[Node] = []
    stack = [(proto, versions) for proto in reversed(protos)]
    calls = 0
    while stack:
        proto, opsets = stack.pop()
        function = functions.get((proto.domain, proto.op_type))
        if function is None:
            nodes.append(make_node(proto, opsets))
            continue
        calls += 1
        inner = {**opsets, **opset_versions(function.opset_import)}
        stack.extend((body, inner) for body in reversed(_body(function, proto, f"{calls}")))
    return nodes


def _body(function: onnx.FunctionProto, call: onnx.NodeProto, tag: str) -> list[onnx.NodeProto]:
    """The function's nodes with the caller's values and attributes put in."""
    names = {"": ""}
    names.update(zip(function.output, call.output, strict=False))
    names.update({formal: "" for formal in function.input})
    names.update(zip(function.input, call.input, strict=False))
    attributes = {a.name: a for a in function.attribute_proto} | {a.name: a for a in call.attribute}
    body = []
    for node in function.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{call.name or call.op_type}/{node.name or node.op_type}"
        copy.input[:] = [names.get(name, f"{name}@{tag}") for name in node.input]
        copy.output[:] = [names.get(name) or (f"{name}@{tag}" if name else "") for name in node.output]
        _bind_attributes(copy, attributes)
        body.append(copy)
    return body


def _bind_attributes(node: onnx.NodeProto, given: dict[str, AttributeProto]) -> None:
    """Replace references to the caller's attributes; a reference to an absent one is dropped."""
    bound: list[AttributeProto] = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            bound.append(attribute)
        elif attribute.ref_attr_name in given:
            copy = AttributeProto()
            copy.CopyFrom(given[attribute.ref_attr_name])
            copy.name = attribute.name
            bound.append(copy)
    kept: Iterable[AttributeProto] = [_copied(attribute) for attribute in bound]
    del node.attribute[:]
    node.attribute.extend(kept)


def _copied(attribute: AttributeProto) -> AttributeProto:
    copy = AttributeProto()
    copy.CopyFrom(attribute)
    return copy
