"""Lane orders: which order groups of which kernels run in reverse, as a forest of groups with parities.

A net whose path is flipped demands that exactly one of its two groups is reversed, any other net that both or none is.
"""

from __future__ import annotations

from collections.abc import Iterable

from tulle_compiler.route.ends import terminal
from tulle_ir.plan import HOST, Net, Plan

Group = tuple[int, int]  # kernel, order group


def net_groups(plan: Plan, net: Net) -> tuple[Group, Group] | None:
    """The groups that a net relates; None if it has one lane (no order) or touches the host."""
    if net.lanes == 1 or HOST in (net.source.kernel, net.sink.kernel):
        return None
    a, b = net.source, net.sink
    return (
        (a.kernel, terminal(plan, a.kernel, a.terminal).order_group),
        (b.kernel, terminal(plan, b.kernel, b.terminal).order_group),
    )


class Orders:
    """A union-find over order groups, with the parity of each group against its root."""

    def __init__(self) -> None:
        self._parent: dict[Group, tuple[Group, bool]] = {}

    def root(self, group: Group) -> tuple[Group, bool]:
        """The group's representative, and whether it runs against it."""
        parity = False
        while group in self._parent:
            group, step = self._parent[group]
            parity ^= step
        return group, parity

    def allows(self, groups: tuple[Group, Group] | None, flipped: bool) -> bool:
        """Whether a net between two groups may be flipped so, given all relations so far."""
        if groups is None:
            return True
        (a, p), (b, q) = self.root(groups[0]), self.root(groups[1])
        return a != b or p ^ q == flipped

    def relate(self, groups: tuple[Group, Group] | None, flipped: bool) -> None:
        """Hold a relation that is allowed."""
        if groups is None:
            return
        (a, p), (b, q) = self.root(groups[0]), self.root(groups[1])
        if a != b:
            self._parent[max(a, b)] = (min(a, b), p ^ q ^ flipped)

    def reversed_of(self, groups: Iterable[Group]) -> frozenset[Group]:
        """Those groups that run in reverse (a root does not)."""
        return frozenset(g for g in groups if self.root(g)[1])
