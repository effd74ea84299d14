"""What weight streaming works on: a linear layer laid out on a mesh, its activations, its weights as wavelets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SET, END = 0x8000, 0xFFFF  # of the index: the first weight of an output, the end mark
X_BYTES, Y_BYTES, RESULT_BYTES = 6144, 3 * 6144, 2 * 6144  # room in SRAM


@dataclass(frozen=True, slots=True)
class Layer:
    """y = x @ w, x [tokens, features], w [features, outputs]; `group`: outputs that are summed up together."""

    features: int
    outputs: int
    tokens: int
    width: int
    height: int
    group: int

    @property
    def local_tokens(self) -> int:
        """Tokens of a PE."""
        return self.tokens // self.height

    @property
    def groups(self) -> int:
        """Groups of outputs, the last perhaps smaller."""
        return -(-self.outputs // self.group)

    @property
    def rounds(self) -> int:
        """Most groups that end at one PE."""
        return -(-self.groups // self.width)

    def columns(self) -> list[np.ndarray]:
        """The features of each column of PEs."""
        return np.array_split(np.arange(self.features), self.width)

    def owned(self, column: int) -> np.ndarray:
        """The outputs that end in a column, in order: those of every width-th group."""
        groups = np.array_split(np.arange(self.outputs), range(self.group, self.outputs, self.group))
        return np.concatenate([np.zeros(0, np.int64), *groups[column :: self.width]])

    def complaint(self) -> str:
        """Why it cannot run, or ""."""
        if min(self.features, self.outputs, self.tokens, self.height, self.group) < 1 or self.width < 2:
            return "at least one of everything, and two columns"
        if self.tokens % self.height or self.features < self.width:
            return "the height divides the tokens, and every column has a feature"
        x, sums = len(self.columns()[0]) * self.local_tokens * 2, self.group * self.local_tokens * 4
        results = self.rounds * sums
        if x > X_BYTES or 2 * sums > Y_BYTES or results > RESULT_BYTES:
            return (
                f"per PE: {x} bytes of activations ({X_BYTES} fit), twice {sums} of partial sums ({Y_BYTES} fit), "
                f"{results} of results ({RESULT_BYTES} fit)"
            )
        return ""


def activations(layer: Layer) -> np.ndarray:
    """i8 [tokens, features]: -1, 0 or 1, so that every sum is exact."""
    return np.random.default_rng(1).integers(-1, 2, (layer.tokens, layer.features), np.int8)


def weights(layer: Layer, sparsity: float) -> np.ndarray:
    """i8 [features, outputs]: each is zero with the probability `sparsity`, else 1 or -1."""
    rng = np.random.default_rng(2)
    shape = (layer.features, layer.outputs)
    return np.where(rng.random(shape, np.float32) < sparsity, 0, rng.integers(0, 2, shape, np.int8) * 2 - 1)


def wavelets(block: np.ndarray) -> np.ndarray:
    """The stream of a column of PEs, u32: per output its weights (feature, value), the first marked, and an end mark.

    block: the rows of the weights that belong to the column. As the first weight sets the sums, an output without any
    gets a zero.
    """
    by_output = np.ascontiguousarray(block.T)
    sent = by_output != 0
    sent[:, 0] |= ~sent.any(axis=1)
    output, index = np.nonzero(sent)
    values = by_output[sent].astype(np.float16).view(np.uint16)
    marks = np.where(np.diff(output, prepend=-1) > 0, SET, 0)
    words = (index | marks).astype(np.uint32) << 16 | values
    ends = np.append(np.flatnonzero(np.diff(output)) + 1, len(output))
    return np.insert(words, ends, END << 16)
