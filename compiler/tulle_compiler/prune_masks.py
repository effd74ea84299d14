"""Pruning masks from a file, matched to the linears of a Graph."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Graph, Linear


def _read_masks(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name from an .npz or .safetensors file, as float32 zeros and ones."""
    try:
        if path.suffix == ".safetensors":
            arrays = safetensors.numpy.load_file(path)
        else:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile, safetensors.SafetensorError) as error:
        raise BadInput(f"cannot read masks: {error}", where=str(path), remedy="give an .npz or .safetensors") from error
    for name, array in arrays.items():
        if not np.all((array == 0) | (array == 1)):
            raise BadInput(f"the mask {name!r} holds something other than 0 and 1", where=str(path))
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def masks_by_operator(graph: Graph, indices: list[int], path: Path) -> dict[str, np.ndarray]:
    """The masks in a file, by the names of the operators they belong to, shapes checked."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index in indices:
        op = graph.ops[index]
        assert isinstance(op, Linear)
        shapes[op.name] = op.weight.shape
    found: dict[str, np.ndarray] = {}
    for given, mask in _read_masks(path).items():
        name = _operator_named(given, shapes)
        if name is None or name in found:
            known = ", ".join(list(shapes)[:6])
            what = (
                f"the mask {given!r} belongs to no matrix that can be pruned"
                if name is None
                else f"two masks for {name}"
            )
            raise BadInput(what, where=str(path), remedy=f"name masks after linears: {known} ...")
        if mask.shape != shapes[name]:
            what = f"the mask {given!r} is {list(mask.shape)}, its matrix {list(shapes[name])}"
            raise BadInput(what, where=str(path), remedy="masks are [in, out], as the Graph stores weights")
        found[name] = mask
    return found


def _operator_named(given: str, names: Mapping[str, object]) -> str | None:
    """The operator that a mask's name means: its own, or a parameter path that ends in it."""
    path = given.removesuffix(".weight")
    return next((name for name in names if path == name or path.endswith(f".{name}")), None)
