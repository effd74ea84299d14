"""Constants on their way into the Graph: float32, finite, shared between imports at different lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from tulle_compiler.frontend.nodes import Node
from tulle_ir.graph import Array

_BLOCK = 4096


class WeightStore:
    """Converts each array once, so big weights are neither copied nor compared again."""

    def __init__(self) -> None:
        self._done: dict[Any, tuple[np.ndarray, Array]] = {}
        self._tied: dict[tuple[int, int], bool] = {}
        self._kept: list[Any] = []  # `_tied` uses their ids
        self.pruned_nans: dict[int, int] = {}

    def finite(self, array: np.ndarray, node: Node) -> Array:
        """A float32 view or copy; BadInput on NaN or infinity."""
        return self._once(("finite", id(array)), array, lambda: self._checked(array, node, None))

    def weight(self, array: np.ndarray, node: Node, *, transposed: bool = False, gain: float = 1.0) -> Array:
        """A linear's weight `[in, out]`. NaN marks a pruned weight (Cerebras Model Zoo) and becomes zero."""
        return self._once(
            ("weight", id(array), transposed, gain), array, lambda: self._weight(array, node, transposed, gain)
        )

    def nonzero(self, array: np.ndarray | None) -> Array | None:
        """A bias; all zeros is no bias."""
        return array.astype(np.float32, copy=False) if array is not None and np.any(array) else None

    def transposed(self, array: np.ndarray) -> Array:
        """The transposed view of an array, the same object each time."""
        return self._once(("transposed", id(array)), array, lambda: array.T)

    def is_transpose(self, weight: np.ndarray, table: np.ndarray) -> bool:
        """Whether the weight equals the transposed table; compared once, in blocks, up to the first difference."""
        if weight.shape != table.T.shape:
            return False
        key = (id(weight), id(table))
        if key not in self._tied:
            self._kept.append((weight, table))
            self._tied[key] = _same_elements(weight, table.T)
        return self._tied[key]

    def _once(self, key: Any, array: np.ndarray, make: Any) -> Array:
        if key not in self._done:
            self._done[key] = (array, make())  # the array is kept so that its id stays its own
        return self._done[key][1]

    def _weight(self, array: np.ndarray, node: Node, transposed: bool, gain: float) -> Array:
        weight = self._once(("checked", id(array)), array, lambda: self._checked(array, node, self.pruned_nans))
        weight = weight.T if transposed else weight
        return weight if gain == 1.0 else weight * np.float32(gain)

    def _checked(self, array: np.ndarray, node: Node, pruned: dict[int, int] | None) -> Array:
        if array.dtype.kind not in "fiuV" and array.dtype.name != "bfloat16":
            raise node.fail(f"weights of type {array.dtype} are not numbers")
        weight = np.asarray(array).astype(np.float32, copy=False)
        with np.errstate(all="ignore"):
            if np.isfinite(weight.sum(dtype=np.float32)) or bool(np.isfinite(weight).all()):
                return weight
        nans = int(np.isnan(weight).sum())
        if np.isinf(weight).any() or pruned is None:
            raise node.fail("a weight is infinite or not a number", remedy="repair the checkpoint and export it again")
        pruned[id(array)] = nans
        return np.nan_to_num(weight, nan=0.0)


def _same_elements(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal matrices, compared in blocks of columns."""
    if a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides:
        return True
    columns = range(0, a.shape[1], _BLOCK)
    return all(np.array_equal(a[:, at : at + _BLOCK], b[:, at : at + _BLOCK]) for at in columns)
