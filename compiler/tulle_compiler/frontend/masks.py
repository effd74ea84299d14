"""Masks on attention scores as one plane `[tokens, tokens]`, and the proof that they are causal."""

from __future__ import annotations

import numpy as np

from tulle_compiler.frontend.nodes import Node
from tulle_compiler.frontend.values import Scores
from tulle_ir.diagnostics import BadInput


class NotCausal(BadInput):
    """Attention that is not plain causal attention: at no length can it be taken."""


NEGLIGIBLE = -1e4  # a score this low has weight zero in float32: exp(-10000) is 0


def times(mask: np.ndarray, gain: float) -> np.ndarray:
    """mask * gain, 0 staying 0."""
    with np.errstate(all="ignore"):
        return np.where(mask == 0, np.float32(0), mask * np.float32(gain))


def plane_of(node: Node, scores: Scores, array: np.ndarray) -> np.ndarray:
    """A mask as `[tokens, tokens]`, when it is the same for all heads and sequences."""
    try:
        full = np.broadcast_to(array, scores.shape)
    except ValueError as error:
        raise node.fail(f"a mask of shape {list(array.shape)} on scores {list(scores.shape)}") from error
    lead = array.reshape(-1, *array.shape[-2:]) if array.ndim > 2 else array[None]
    if len(lead) > 1 and not all(np.array_equal(plane, lead[0]) for plane in lead[1:]):
        raise node.fail("the mask differs between heads or sequences (ALiBi, padding?), which is not supported")
    return full[(0,) * (full.ndim - 2)]


def masked(node: Node, scores: Scores, array: np.ndarray) -> np.ndarray:
    """The mask after adding (or subtracting) a constant."""
    with np.errstate(all="ignore"):
        plane = plane_of(node, scores, array).astype(np.float32) * np.float32(1 if node.op == "Add" else -1)
        return plane if scores.mask is None else scores.mask + plane


def replaced(node: Node, scores: Scores, hidden: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """The mask after replacing the scores where `hidden` by `fill`."""
    plane = plane_of(node, scores, fill).astype(np.float32)
    chosen = plane_of(node, scores, hidden).astype(bool)
    if np.any(chosen & (plane > NEGLIGIBLE)):
        raise node.fail(f"it replaces attention scores by {float(plane.max())}, which does not hide them")
    return np.where(chosen, plane, np.float32(0) if scores.mask is None else scores.mask)


def check_causal(node: Node, mask: np.ndarray | None, tokens: int) -> None:
    """Position t must see exactly 0 to t; raises BadInput with the first position that does not."""
    length = f"at length {tokens}"
    if mask is None:
        mask = np.zeros((tokens, tokens), np.float32)
    allowed = np.tri(tokens, dtype=bool)
    hidden = mask <= NEGLIGIBLE
    leak = _first(~allowed & ~hidden)
    if leak is not None:
        what = f"the attention is not causal: {length}, position {leak[0]} sees position {leak[1]}"
        raise NotCausal(what, where=node.where, remedy="only causal (GPT-like) attention is supported")
    gap = _first(allowed & (hidden | np.isnan(mask)))
    if gap is not None:
        what = f"the attention hides earlier tokens: {length}, position {gap[0]} does not see {gap[1]}"
        raise NotCausal(what, where=node.where, remedy="sliding windows and padding are not supported")
    bias = _first(allowed & (mask != 0))
    if bias is not None:
        what = f"the attention adds a position-dependent bias to its scores: {length}, position {bias[0]} on {bias[1]}"
        raise NotCausal(what, where=node.where)


def _first(where_true: np.ndarray) -> tuple[int, int] | None:
    """The first true place, row by row."""
    flat = int(np.argmax(where_true))
    row, column = divmod(flat, where_true.shape[1])
    return (row, column) if where_true[row, column] else None
