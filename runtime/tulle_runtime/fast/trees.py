"""Trees of channels: each is filled by one source, an up-ramp or a host port; a fork fills several of its channels."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast import words as w
from tulle_runtime.fast.chains import Chains


class Trees:
    """Which channels one source fills, directly or through others. A worker's tree ends where another worker's begins.
    Arrays as in Chains, but for `first`, the channels that sources fill, and `lone`, which of those `between` workers
    no entry fills. `feeder`: the channel whose entry fills a channel, or itself."""

    def __init__(self, exists: np.ndarray, chains: Chains, outputs: np.ndarray, between: np.ndarray) -> None:
        n, index = len(outputs), np.arange(len(exists))
        from_entry, side = np.nonzero((outputs >= 0) & exists[:n, None])
        filled = chains.last[outputs[from_entry, side]]
        self.feeder = index.copy()
        self.feeder[filled] = from_entry
        self.lone = self.feeder[between] == between
        own = ~np.isin(filled, between)
        from_entry, filled = from_entry[own], filled[own]
        feeder = self.feeder.copy()
        feeder[between] = between
        self.growth = np.bincount(from_entry, weights=filled < n, minlength=len(exists)).astype(np.int64) - 1
        first, depth = feeder, np.where(feeder == index, 0, chains.latency)
        for _ in range(n.bit_length()):  # as in join
            if np.array_equal(first[first], first):
                break
            depth = np.minimum(depth + depth[first], w.CAPACITY_MASK)
            first = first[first]
        self.depth = depth + chains.latency[first]
        is_first = np.zeros(len(first), bool)
        is_first[first[exists]] = True
        self.first, self.of = np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[first]
