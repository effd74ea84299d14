"""Hypothesis strategies for programs: any that the dataclasses can say, sensible or not."""

from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import strategies as st

from tulle_ir import code as c
from tulle_ir import program as p
from tulle_ir.text.lexical import WORDS

integers = st.integers(-(2**33), 2**33)
small = st.integers(-9, 99)
names = st.one_of(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,5}", fullmatch=True),
    st.sampled_from(sorted(WORDS)),
    st.sampled_from(["i", "j", "t1", "f16", "port", "4x3", "a b", ""]),
    st.text(max_size=4),
)
registers = st.builds(c.Reg, names)
scalars = st.one_of(registers, integers)
nonzero = small.filter(bool)
offsets = st.builds(c.Offset, small, st.lists(st.tuples(registers, nonzero), max_size=2).map(tuple))
views = st.builds(c.Mem, names, offsets, st.tuples(small, small))
fabrics = st.builds(c.Fabric, names, st.none() | offsets)
numbers = st.builds(c.Number, st.floats(allow_nan=False))
destinations = st.one_of(views, fabrics)
sources = st.one_of(views, fabrics, numbers)
launches = st.builds(c.Launch, st.integers(0, 9), names)
dtypes = st.sampled_from(c.DType)
flags = st.booleans()


def tuples(items: st.SearchStrategy, most: int = 3) -> st.SearchStrategy:
    """Tuples of up to `most` items."""
    return st.lists(items, max_size=most).map(tuple)


simple = st.one_of(
    st.builds(
        c.Vector,
        st.sampled_from(c.VectorOp),
        destinations,
        sources,
        st.none() | sources,
        scalars,
        scalars,
        st.none() | launches,
    ),
    st.builds(c.Axpy, views, names, scalars, views, scalars),
    st.builds(c.AxpyColumns, views, names, names),
    st.builds(c.AxpyEntries, views, names, views, scalars),
    st.builds(c.Compute, registers, scalars),
    st.builds(c.Compute, registers, scalars, st.sampled_from(c.ScalarOp), scalars),
    st.builds(c.Load, registers, names, offsets),
    st.builds(c.Store, names, scalars, offsets),
    st.builds(c.Pop, registers, names),
    st.builds(c.Push, names, scalars),
    st.builds(c.Await, st.integers(0, 9), st.none() | scalars),
    st.builds(c.Control, st.sampled_from(c.TaskVerb), names),
    st.builds(c.Stop),
)


def _bodies(inner: st.SearchStrategy) -> st.SearchStrategy:
    body, compare = tuples(inner), st.sampled_from(c.Cmp)
    return st.one_of(
        st.builds(c.Loop, registers, scalars, body),
        st.builds(c.If, scalars, compare, scalars, body, body),
        st.builds(c.While, scalars, compare, scalars, body),
    )


instructions = st.recursive(simple, _bodies, max_leaves=6)
codes = tuples(instructions, 6)

sides = st.sampled_from([p.Port.NORTH, p.Port.EAST, p.Port.SOUTH, p.Port.WEST])
ports = st.sampled_from(p.Port)
affines = st.builds(p.Affine, small, small, small)
sizes = st.tuples(st.integers(0, 99), st.integers(0, 99))
bundles = st.builds(
    p.Bundle,
    small,
    sizes,
    affines,
    affines,
    ports,
    tuples(st.builds(p.Leg, sides, affines, flags)),
    st.none() | ports,
    flags,
)
routes = st.builds(p.Route, names, tuples(bundles))
tasks = st.one_of(
    st.builds(p.Task, names, st.just(p.Trigger.DATA), codes, names, flags),
    st.builds(p.Task, names, st.sampled_from([p.Trigger.START, p.Trigger.ACTIVATION]), codes, st.just(""), flags),
)
classes = st.builds(
    p.ProgramClass,
    names,
    st.builds(p.Grid, small, small, small, small, small, small),
    integers,
    tuples(st.builds(p.Buffer, names, dtypes, integers, integers, st.sampled_from(p.Category), names)),
    tuples(st.builds(p.Table, names, dtypes, small, small, small, small, small, names)),
    tuples(st.builds(p.Register, names, integers | names)),
    tuples(st.builds(p.Queue, names, flags, small, small, dtypes)),
    tuples(tasks, 2),
)
symbols = st.builds(p.Symbol, names, st.tuples(small, small, small, small), names, names, names)
streams = st.builds(
    p.HostStream,
    names,
    flags,
    st.sampled_from(p.StreamFormat),
    dtypes,
    integers,
    tuples(st.builds(p.HostPort, small, small, sides, small, names, flags, small, small)),
)
protocols = st.builds(p.Protocol, small, small, small, flags)


def _array(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Any bits: not-a-numbers, infinities and subnormals too."""
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    return np.random.default_rng(seed).integers(0, 256, count, np.uint8).view(kind).reshape(shape)


arrays = st.one_of(
    st.builds(
        _array,
        st.sampled_from(["<f2", "<f4", "<i4", "<u2", "<i8"]),
        st.sampled_from([(), (0,), (1,), (4,), (2, 3), (16,), (17,), (3, 0), (5, 5)]),
        st.integers(0, 99),
    ),
    st.lists(st.floats(width=32), max_size=9).map(partial(np.array, dtype=np.float32)),
)
programs = st.builds(
    p.Program,
    names,
    sizes,
    names,
    tuples(symbols),
    tuples(routes),
    tuples(classes, 2),
    tuples(streams, 2),
    st.none() | protocols,
    st.builds(p.Replicas, small, small, small),
    st.dictionaries(names, arrays, max_size=3),
)
