"""Where the elements of a tensor lie in the `[rows, width]` buffer they come from.

Reshape, Transpose, Split, Slice and Expand only change where elements are looked up, so a chain of them is a
*layout*: an offset and, per axis, *atoms* (size, stride) with the outermost first. Sizes of 1 have no atom.
No pattern of movement operators is ever matched: layouts are computed, then compared with the one wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Atom = tuple[int, int]
Atoms = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A tensor of shape `shape` read from a flat buffer."""

    offset: int
    axes: tuple[Atoms, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(math.prod(size for size, _ in atoms) for atoms in self.axes)


def contiguous(shape: Sequence[int]) -> Layout:
    """The row-major layout of a whole buffer."""
    axes: list[Atoms] = []
    stride = 1
    for size in reversed(shape):
        axes.append(((size, stride),) if size != 1 else ())
        stride *= size
    return Layout(0, tuple(reversed(axes)))


def strided(offset: int, dims: Sequence[Atom]) -> Layout:
    """One atom per axis."""
    return Layout(offset, tuple((atom,) if atom[0] != 1 else () for atom in dims))


def merged(atoms: Sequence[Atom]) -> Atoms:
    """Adjacent atoms that step evenly, as one."""
    result: list[Atom] = []
    for size, stride in atoms:
        if result and result[-1][1] == size * stride:
            result[-1] = (result[-1][0] * size, stride)
        else:
            result.append((size, stride))
    return tuple(result)


def flat_atoms(axes: Sequence[Atoms]) -> Atoms:
    """The merged atoms of several axes read as one."""
    return merged([atom for atoms in axes for atom in atoms])


def reshape(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """The same elements in another shape; None when an axis would mix atoms unevenly."""
    if math.prod(shape) != math.prod(layout.shape):
        return None
    pending = list(flat_atoms(layout.axes))
    axes: list[Atoms] = []
    for size in reversed(shape):
        taken: list[Atom] = []
        while size > 1:
            inner, stride = pending.pop()
            if size % inner == 0:
                taken.append((inner, stride))
                size //= inner
            elif inner % size == 0:
                taken.append((size, stride))
                pending.append((inner // size, stride * size))
                size = 1
            else:
                return None
        axes.append(tuple(reversed(taken)))
    return Layout(layout.offset, tuple(reversed(axes)))


def transpose(layout: Layout, permutation: Sequence[int]) -> Layout:
    """Axes in another order."""
    return Layout(layout.offset, tuple(layout.axes[axis] for axis in permutation))


def take(layout: Layout, axis: int, start: int, step: int, count: int) -> Layout | None:
    """Elements start, start + step, ... (`count` of them) of one axis; None when they do not lie evenly."""
    atoms = merged(layout.axes[axis])
    offset = layout.offset
    kept: Atoms
    if len(atoms) > 1:
        inner = math.prod(size for size, _ in atoms[1:])
        if step != 1 or start % inner or count % inner:
            return None
        start, count = start // inner, count // inner
        kept = atoms[1:]
    else:
        kept = ()
    stride = atoms[0][1] if atoms else 0
    offset += start * stride
    outer: Atoms = ((count, stride * step),) if count != 1 else ()
    return Layout(offset, (*layout.axes[:axis], outer + kept, *layout.axes[axis + 1 :]))


def expand(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """Broadcast to `shape`: repeated axes have stride 0."""
    old = (1,) * (len(shape) - len(layout.axes)) + layout.shape
    axes = ((),) * (len(shape) - len(layout.axes)) + layout.axes
    if len(old) != len(shape) or any(a not in (1, b) and b != 1 for a, b in zip(old, shape, strict=True)):
        return None
    grown = ((((b, 0),) if a == 1 and b != 1 else atoms) for a, b, atoms in zip(old, shape, axes, strict=True))
    return Layout(layout.offset, tuple(grown))
