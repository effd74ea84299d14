"""How far long work is, for whoever listens: passes walk through their items with `steps`, the command draws a bar.

With nobody listening it costs nothing; it never changes a result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Listener = Callable[[str, int, int, str], None]  # phase, done, total, unit of both
T = TypeVar("T")

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """Inside the block, long work tells `listener` how far it is."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(phase: str, done: int, total: int, unit: str) -> None:
    """`done` of `total` units of a phase are done."""
    listener = _listener.get()
    if listener is not None:
        listener(phase, done, total, unit)


def steps(phase: str, items: Collection[T], unit: str) -> Iterator[T]:
    """The items, told one by one."""
    for done, item in enumerate(items):
        tell(phase, done, len(items), unit)
        yield item
    tell(phase, len(items), len(items), unit)


def counted(phase: str, chunks: Iterable[bytes | memoryview], size: int) -> Iterator[bytes | memoryview]:
    """Chunks of `size` bytes in all, told in megabytes."""
    done = 0
    for chunk in chunks:
        tell(phase, done >> 20, size >> 20, "MB")
        yield chunk
        done += len(chunk)
