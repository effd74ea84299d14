"""Readable operator names: from module paths in ONNX node or parameter names, else from structure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import assert_never

from tulle_ir.graph import Activation, Add, Attention, Embed, Linear, Norm, Op
from tulle_ir.graph_check import op_inputs

_SCOPE = re.compile(r"^/(.+)/[A-Z][A-Za-z]*(_\d+)?$")  # "/transformer/h.0/attn/c_attn/MatMul"
_PARAMETER = re.compile(r"^([A-Za-z_][\w.]*)\.(weight|bias)$")  # "transformer.h.0.attn.c_attn.weight"
_BLOCK = re.compile(r"\.\d+(\.mlp)?$")  # "blocks.0", "h.0.mlp"
_WRAPPERS = ("m.", "model.", "module.", "transformer.", "_orig_mod.")


def readable_names(ops: Sequence[Op]) -> list[str]:
    """One unique name per operator."""
    names: list[str] = []
    used: set[str] = set()
    # a table that is tied to the head may carry the head's name
    parameters = ["" if isinstance(op, Embed) else _from_parameter(op.name) for op in ops]
    for op, parameter, structural in zip(ops, parameters, _structural(ops), strict=True):
        shared = parameters.count(parameter) > 1
        name = _from_scope(op) or ("" if shared else parameter) or structural
        unique, count = name, 1
        while unique in used:
            count += 1
            unique = f"{name}_{count}"
        used.add(unique)
        names.append(unique)
    return names


def _from_scope(op: Op) -> str:
    """The module path in the name of the ONNX node; a join gets a name inside its module."""
    found = _SCOPE.match(op.origin)
    if found is None:
        return ""
    parts = [part for part in found[1].split("/") if part]
    path = _unwrapped(".".join(parts))
    if isinstance(op, Add):
        return f"{path}.join"
    if isinstance(op, Activation) and _BLOCK.search(path):  # called in the block itself, not through a module
        return f"{path}.{op.kind}"
    return path


def _from_parameter(name: str) -> str:
    found = _PARAMETER.match(name)
    return "" if found is None or "::" in name else _unwrapped(found[1])


def _unwrapped(path: str) -> str:
    """The path without the names of wrapping modules, which all operators share."""
    while any(path.startswith(wrapper) for wrapper in _WRAPPERS):
        path = path.split(".", 1)[1]
    return path


def _structural(ops: Sequence[Op]) -> list[str]:
    """Names by role and layer; a layer ends where the second sum after its attention does."""
    readers: dict[str, list[Op]] = {}
    for op in ops:
        for tensor in dict.fromkeys(op_inputs(op)):
            readers.setdefault(tensor, []).append(op)
    makers = {op.output: op for op in ops}
    total = sum(isinstance(op, Attention) for op in ops)
    names: list[str] = []
    layer = joins = 0
    for op in ops:
        role = "head" if op is ops[-1] and isinstance(op, Linear) else _role(op, readers.get(op.output, []), makers)
        outside = role in ("embed", "head") or (layer >= total > 0)
        names.append(f"{role}_f" if role == "norm" and outside else role if outside else f"h.{layer}.{role}")
        joins += isinstance(op, Add)
        if joins == 2:
            layer, joins = layer + 1, 0
    return names


def _role(op: Op, readers: Sequence[Op], makers: Mapping[str, Op]) -> str:
    """What an operator does, from its neighbours."""
    match op:
        case Embed():
            return "embed"
        case Norm():
            return "norm"
        case Attention():
            return "attn"
        case Add():
            return "join"
        case Activation():
            return op.kind
        case Linear():
            return _linear_role(op, readers, makers.get(op.x))
        case _:
            assert_never(op)


def _linear_role(op: Linear, readers: Sequence[Op], source: Op | None) -> str:
    for reader in readers:
        if isinstance(reader, Attention):
            views = (("q", reader.q), ("k", reader.k), ("v", reader.v))
            return "".join(role for role, view in views if view.tensor == op.output)
        if isinstance(reader, Activation):
            return "up"
    if isinstance(source, Attention):
        return "proj"
    return "down" if isinstance(source, Activation) else "linear"
