"""Chains of channels that act as one.

A route entry is *free* if it has a single output and no other entry of its router uses that output: nothing but a lack
of space can hinder it. Let wavelet n pass channel i (capacity d_i, latency h_i) at T_i(n), T_0 being the pushes into
the first channel and T_k the pops from the last, and let the entries between be free. By docs/machine.md, section 2,

    T_i(n) = max(T_{i-1}(n) + h_i, T_i(n - 1) + 1, T_{i+1}(n - d_{i+1}) + 1)   for 0 < i < k.

If every d_i > h_i, a term that goes back up a channel and down again, T(n - d_i) + h_i + 1, is no later than
T(n - d_i) + d_i, which one wavelet per cycle enforces anyway. What is left for the two ends is

    T_k(n) >= T_0(n) + h_1 + ... + h_k     and     T_0(n) >= T_k(n - d_1 - ... - d_k) + k:

one channel of the sum of the latencies and capacities, whose space is seen k cycles after a pop instead of one. Each
push stands for k crossings. Where the wavelets are inside a chain is not kept, so chains serve runs that end `ok` only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Chains:
    """Per channel (arrays of one length): `last` is the index of the channel that stands for it, the others hold what
    that one does; they mean something where `last[i] == i`."""

    last: np.ndarray
    capacity: np.ndarray
    latency: np.ndarray
    length: np.ndarray  # channels in the chain
    hops: np.ndarray


def join(follows: np.ndarray, capacity: np.ndarray, latency: np.ndarray, is_link: np.ndarray) -> Chains:
    """Joins channels: follows[i] is the channel that i's free entry leads to, or i itself."""
    fits = capacity > latency
    follows = np.where(fits & fits[follows], follows, np.arange(len(follows)))
    last = follows
    for _ in range(
        len(last).bit_length()
    ):  # enough for any chain; in a circle, which no wavelet can enter, it never ends
        last = last[last]
    return Chains(last, *(_sums(last, of) for of in (capacity, latency, np.ones_like(latency), is_link)))


def _sums(last: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.bincount(last, weights=of, minlength=len(last)).astype(np.int64)
