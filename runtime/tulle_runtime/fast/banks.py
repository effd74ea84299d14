"""Banks of SRAM: reads of one step conflict if they lie in banks of one group."""

from __future__ import annotations

import numpy as np

from tulle_runtime.fast.jit import inlined, inner
from tulle_runtime.fast.words import G_BANK, G_GROUPS

SEVERAL = 1 << 40  # in place of a bank group


@inlined
def same_group(m, p, q):
    """Whether two byte addresses lie in banks of one group."""
    bank = m.g[G_BANK]
    return (p // bank - q // bank) % m.g[G_GROUPS] == 0


@inlined
def _same_bank(m, p, step):
    """How many of the addresses p, p + step, ... lie in the bank of the first."""
    bank = m.g[G_BANK]
    inside = p % bank
    return 1 + ((bank - 1 - inside) // step if step > 0 else inside // -step)


@inlined
def group_of(m, low, high):
    """The bank group that all byte addresses from `low` to `high` lie in, or SEVERAL if they lie in several banks."""
    bank = m.g[G_BANK]
    first = low // bank
    return first % m.g[G_GROUPS] if high - first * bank < bank else SEVERAL


@inner
def conflicting_steps(m, p, step_p, q, step_q, steps):
    """In how many steps i the addresses p + i * step_p and q + i * step_q lie in banks of one group; no step_* is 0."""
    count = np.int64(0)
    while steps > 0:
        run = min(steps, min(_same_bank(m, p, step_p), _same_bank(m, q, step_q)))
        if same_group(m, p, q):
            count += run
        steps -= run
        p += run * step_p
        q += run * step_q
    return count
