"""Cuts around an attention: which features of a head each of its columns of tiles takes.

Lane h*C + c carries column c of head h. Products of keys and queries are summed over all columns, so any feature of the
head may go to any of them, its key and its query together; a value goes with its result. That is what there is to
balance the linears before and behind an attention with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tulle_compiler.kernels.attention_tile import slice_bounds
from tulle_compiler.partition import Partition, from_lists
from tulle_compiler.partition_swaps import loads, swapped
from tulle_compiler.plan.lower import Stage
from tulle_ir.graph import Attention

LOOK = 8, 256  # features of a lane, and of the head's others, that a swap looks at


@dataclass(frozen=True, eq=False)
class Heads:
    """An attention stage in `columns` columns per head; its features are numbered h * head_dim + d. `keys`: how those
    of k and q are dealt to lanes, `values`: those of v and of the result."""

    stage: Stage
    columns: int
    keys: Partition
    values: Partition

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """Where the maker's output has each feature of k, v and q."""
        return {name: self.stage.columns[name].reshape(-1) for name in ("k", "v", "q")}

    @property
    def entering(self) -> Partition:
        """A lane's keys, then its values, then its queries."""
        dealt = {"k": self.keys, "v": self.values, "q": self.keys}
        lanes = range(self.keys.lanes)
        return from_lists(
            [np.concatenate([self.places[name][cut.features(lane)] for name, cut in dealt.items()]) for lane in lanes]
        )

    @property
    def leaving(self) -> Partition:
        """The results of a lane."""
        return self.values

    def balanced(self, made: np.ndarray, read: np.ndarray) -> Heads:
        """Features dealt such that the heaviest tiles of the linears beside get lighter.

        made: [outputs of the maker, tiles of a lane], read: [results, tiles of a lane], what a feature adds to each
        tile; none where balance changes nothing.
        """
        of = {name: made[place] for name, place in self.places.items()}
        keys, values = self.keys, self.values
        head = np.arange(keys.lanes) // self.columns
        beside = np.hstack([loads(of["k"] + of["q"], keys), np.zeros((keys.lanes, read.shape[1]))])
        values = swapped(np.hstack([of["v"], read]), values, LOOK, beside, head)
        keys = swapped(of["k"] + of["q"], keys, LOOK, loads(of["v"], values), head)
        return Heads(self.stage, self.columns, keys, values)


def cut_heads(stage: Stage, columns: int) -> Heads:
    """Each column takes a run of every head's features."""
    op = stage.op
    assert isinstance(op, Attention)
    bounds = slice_bounds(op.head_dim, columns)
    runs = [h * op.head_dim + np.arange(bounds[c], bounds[c + 1]) for h in range(op.heads) for c in range(columns)]
    return Heads(stage, columns, from_lists(runs), from_lists(runs))
