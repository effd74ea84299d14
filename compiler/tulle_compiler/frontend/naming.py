"""Readable operator names: from module paths in ONNX node or parameter names, else from structure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tulle_ir.graph import Activation, Add, Attention, Embed, Linear, Norm, Op

_SCOPE = re.compile(r"^/(.+)/[A-Z][A-Za-z]*(_\d+)?$")  # "/transformer/h.0/attn/c_attn/MatMul"
_PARAMETER = re.compile(r"^([A-Za-z_][\w.]*)\.(weight|bias)$")  # "transformer.h.0.attn.c_attn.weight"
_WRAPPERS = ("m.", "model.", "module.", "transformer.", "_orig_mod.")


def readable_names(ops: Sequence[Op]) -> list[str]:
    """One unique name per operator."""
    names: list[str] = []
    used: set[str] = set()
    parameters = [_from_parameter(op.name) for op in ops]
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
    return f"{path}.join" if isinstance(op, Add) else path


def _from_parameter(name: str) -> str:
    found = _PARAMETER.match(name)
    return "" if found is None or "::" in name else _unwrapped(found[1])


def _unwrapped(path: str) -> str:
    """The path without the names of wrapping modules, which all operators share."""
    while any(path.startswith(wrapper) for wrapper in _WRAPPERS):
        path = path.split(".", 1)[1]
    return path


def _structural(ops: Sequence[Op]) -> list[str]:
    """Names by kind and layer; a layer begins at the last norm or linear group before each attention."""
    layer = 0
    names: list[str] = []
    seen_attention = False
    joins = 0
    for op in ops:
        match op:
            case Attention():
                layer, seen_attention, joins = layer + seen_attention, True, 0
                names.append(f"h.{layer}.attn")
            case Add():
                joins += 1
                names.append(f"h.{layer}.join")
            case Embed():
                names.append("embed")
            case Norm():
                names.append(f"h.{layer + (joins >= 2)}.norm")
            case Activation():
                names.append(f"h.{layer}.{op.kind}")
            case Linear():
                names.append(f"h.{layer + (joins >= 2)}.linear" if seen_attention or layer else "h.0.linear")
    if ops and isinstance(ops[-1], Linear):
        names[-1] = "head"
    return names
