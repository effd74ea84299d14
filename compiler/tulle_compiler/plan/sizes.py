"""How many lanes, rows and finishers each stage gets: the search for region sizes.

For a number of base lanes and a target period (cycles per chunk), every other size is the smallest that keeps its
kernels within the period and within SRAM. The search takes the (lanes, period) whose total area fits the mesh and that
runs a sequence in the fewest cycles: the first chunk through the whole pipeline, then a period for each further one.
Stages that cost the same (the blocks of a GPT) are judged once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tulle_compiler.kernels.attention import Attention, attention_bytes, attention_slots, attention_wait
from tulle_compiler.kernels.embed import token_slots
from tulle_compiler.kernels.filtered import SHARE
from tulle_compiler.kernels.finish import finish_slots
from tulle_compiler.kernels.linear import tile_bytes, tile_slots
from tulle_compiler.kernels.strip import Strip, strip_slots, strip_wait
from tulle_compiler.options import Precision
from tulle_compiler.partition import contiguous
from tulle_compiler.plan.lanes import LaneClasses, is_free
from tulle_compiler.plan.lower import Stage
from tulle_ir import graph
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.target import Target

IMBALANCE = 1.15  # heaviest tile over the mean one, before the partition is known
CODE_BYTES = 2048  # set aside for instructions and alignment
MAX_FINISHERS = 12


@dataclass(frozen=True)
class Limits:
    """What the search must respect. `area`: PEs that regions may cover."""

    target: Target
    mesh: tuple[int, int]
    area: float
    links: int

    @property
    def sides(self) -> tuple[int, int]:
        """Longest and shortest side that a region may have: bundles must find a way around it."""
        longest, shortest = max(self.mesh), min(self.mesh)
        return longest - longest // 8 - 1, max(1, shortest - shortest // 8 - 1)

    @property
    def bytes(self) -> int:
        """SRAM for data, leaving a margin for banks."""
        return self.target.sram_bytes - CODE_BYTES - self.target.sram_bytes // self.target.banks


@dataclass
class Sizes:
    """lanes per class; per stage: finishers, attention (columns, rows), embedding rows per group; estimates."""

    lanes: list[int]
    finishers: dict[int, int] = field(default_factory=dict)
    attention: dict[int, tuple[int, int]] = field(default_factory=dict)
    embed_rows: dict[int, int] = field(default_factory=dict)
    period: float = 0.0
    latency: float = 0.0
    area: float = 0.0


@dataclass(frozen=True)
class Problem:
    """The stages with what the cost model needs. density: stored share of each linear's weights."""

    stages: list[Stage]
    classes: LaneClasses
    density: dict[int, float]
    dense: dict[int, bool]
    precision: Precision
    chunk: int
    context: int
    limits: Limits
    tokens: int  # length of the sequence whose cycles count
    behind_relu: frozenset[int] = frozenset()  # linears whose input's zeros can be filtered

    def alike(self) -> dict[int, int]:
        """Stages that cost the same, by their first member, and how many they are."""
        first: dict[tuple[object, ...], int] = {}
        counts: dict[int, int] = {}
        for i, stage in enumerate(self.stages):
            key = (
                stage.kind,
                stage.width,
                self.classes.width[self.classes.source[i]],
                stage.activation,
                stage.join,
                stage.keep,
                stage.norm.kind if stage.norm else "",
                round(self.density.get(i, 0.0), 2),
                self.dense.get(i),
                i in self.behind_relu,
            )
            member = first.setdefault(key, i)
            counts[member] = counts.get(member, 0) + 1
        return counts


def steps(limit: int) -> list[int]:
    """Sizes worth trying: 1, 2, 3, 4, 6, 8, 12, 16, 24, ... up to the limit, and the limit."""
    sizes = {1, 3, limit}
    size = 2
    while size <= limit:
        sizes |= {size, size * 3 // 2}
        size *= 2
    return sorted(s for s in sizes if 1 <= s <= limit)


def search(problem: Problem) -> Sizes:
    """The best sizes, or DoesNotFit with the smallest demand met."""
    alike = problem.alike()
    best: Sizes | None = None
    smallest: Sizes | None = None
    base = _base_class(problem)
    longest, _ = problem.limits.sides
    for lanes in steps(min(problem.classes.width[base], longest)):
        for period in _periods():
            sizes = _fit(problem, alike, base, lanes, period)
            if sizes is None:
                break
            if smallest is None or sizes.area < smallest.area:
                smallest = sizes
            if sizes.area > problem.limits.area:
                break
            if best is None or score(problem, sizes) < score(problem, best):
                best = sizes
    if best is not None:
        return best
    width, height = problem.limits.mesh
    if smallest is None:
        raise DoesNotFit(
            f"no region sizes keep every PE within {problem.limits.bytes} bytes on a mesh of {width} x {height} PEs",
            remedy="a larger --mesh, a smaller --chunk or --context, more pruning",
        )
    raise DoesNotFit(
        f"the smallest mapping needs about {smallest.area:.0f} PEs; {problem.limits.area:.0f} of the "
        f"{width * height} on the mesh of {width} x {height} can be covered by regions "
        f"(short by {smallest.area - problem.limits.area:.0f})",
        remedy="a larger --mesh, a smaller --chunk or --context, more pruning",
    )


def score(problem: Problem, sizes: Sizes) -> tuple[float, float]:
    """Cycles of the sequence, then PEs: less is better."""
    chunks = -(-problem.tokens // problem.chunk)
    return sizes.latency + (chunks - 1) * sizes.period, sizes.area


def _periods() -> Iterable[float]:
    """Target periods from very slow to very fast."""
    return (2.0 ** (27 - k / 3) for k in range(66))


def _base_class(problem: Problem) -> int:
    """The free class that most stages touch: the residual stream of a GPT."""
    classes = problem.classes
    touched = [
        c for c in (*classes.output, *classes.source) if c >= 0 and classes.reads[c] < 0 and classes.makes[c] < 0
    ]
    counts = np.bincount(touched, minlength=len(classes.width))
    return int(counts.argmax())


def _fit(problem: Problem, alike: dict[int, int], base: int, base_lanes: int, period: float) -> Sizes | None:
    """Smallest sizes with every kernel within the period, or None."""
    classes, width = problem.classes, problem.classes.width
    lanes = [0] * len(width)
    for c in range(len(width)):
        if width[c] == width[base] and is_free(classes, c):
            lanes[c] = base_lanes
    sizes = Sizes(lanes)
    if not _fit_attention(problem, sizes, period):
        return None
    pending = sorted({width[c] for c in range(len(width)) if lanes[c] == 0}, reverse=True)
    for value in pending:
        members = [c for c in range(len(width)) if lanes[c] == 0 and width[c] == value]
        for candidate in steps(min(value, problem.limits.sides[0])):
            for c in members:
                lanes[c] = candidate
            if all(_linear_fits(problem, sizes, i, period) for i in _touching(problem, alike, members)):
                break
        else:
            return None
    return sizes if _complete(problem, alike, sizes, period) else None


def _touching(problem: Problem, alike: dict[int, int], members: list[int]) -> list[int]:
    """Linear stages that read or make one of these classes and whose two sides are both known by now."""
    classes = problem.classes
    return [
        i
        for i in alike
        if problem.stages[i].kind == "linear" and (classes.output[i] in members or classes.source[i] in members)
    ]


def _linear_fits(problem: Problem, sizes: Sizes, i: int, period: float) -> bool:
    """Whether a linear's tiles stay within the period and SRAM; a side without lanes yet counts as fitting."""
    into, out = sizes.lanes[problem.classes.source[i]], sizes.lanes[problem.classes.output[i]]
    if into == 0 or out == 0:
        return True
    slots, size = _tile(problem, i, into, out)
    return slots <= period and size <= problem.limits.bytes and _finishers(problem, i, out, period) is not None


def _tile(problem: Problem, i: int, into: int, out: int) -> tuple[float, float]:
    """Slots and bytes of the heaviest tile of linear stage i."""
    classes = problem.classes
    k = -(-classes.width[classes.source[i]] // into)
    r = -(-classes.width[classes.output[i]] // out)
    nonzeros = k * r * problem.density[i] * (1 if problem.dense[i] else IMBALANCE)
    args = (nonzeros, k, r, problem.dense[i], problem.precision, problem.limits.target, problem.chunk)
    shares = (None, SHARE) if i in problem.behind_relu else (None,)
    return (
        min(float(tile_slots(*args, share)) for share in shares),
        tile_bytes(int(nonzeros), k, r, problem.dense[i], problem.precision, problem.chunk),
    )


def _finishers(problem: Problem, i: int, out: int, period: float) -> tuple[int, float] | None:
    """Fewest finishers per row that keep linear stage i within the period, and their slots; None if none do."""
    rows = -(-problem.classes.width[problem.classes.output[i]] // out)
    activation, precision = problem.stages[i].activation, problem.precision
    for m in range(1, min(MAX_FINISHERS, rows) + 1):
        slots = max(
            finish_slots(rows, m, s, activation, precision, problem.limits.target, problem.chunk) for s in range(m)
        )
        if slots <= period:
            return m, slots
    return None


def _fit_attention(problem: Problem, sizes: Sizes, period: float) -> bool:
    """Columns and rows per head, hence the lanes of the classes around each attention."""
    target, longest = problem.limits.target, problem.limits.sides[0]
    known: dict[tuple[int, int, float], tuple[int, int]] = {}
    for i, stage in enumerate(problem.stages):
        if stage.kind != "attention" or not isinstance(stage.op, graph.Attention):
            continue
        key = (stage.op.heads, stage.op.head_dim, round(problem.density[stage.inputs[0][1].producer], 2))
        if key in known:
            _dictate(problem, sizes, i, known[key])
            continue
        into, out = problem.classes.source[i], problem.classes.output[i]
        for columns in (1, 3):
            sizes.lanes[into], sizes.lanes[out] = stage.op.heads * columns, stage.op.heads
            producer = stage.inputs[0][1].producer
            if not _linear_fits(problem, sizes, producer, period) or stage.op.heads * columns > longest:
                continue
            rows = _attention_rows(problem, stage.op, columns, period, target)
            if rows is not None:
                known[key] = (columns, rows)
                _dictate(problem, sizes, i, known[key])
                break
        else:
            return False
    return True


def _dictate(problem: Problem, sizes: Sizes, i: int, block: tuple[int, int]) -> None:
    """Set the block of workers per head of attention stage i, and the lanes around it."""
    op = problem.stages[i].op
    assert isinstance(op, graph.Attention)
    sizes.attention[i] = block
    sizes.lanes[problem.classes.source[i]] = op.heads * block[0]
    sizes.lanes[problem.classes.output[i]] = op.heads


def _attention_rows(problem: Problem, op: graph.Attention, columns: int, period: float, target: Target) -> int | None:
    """Fewest rows of workers that keep within the period and SRAM."""
    most = min(problem.limits.sides[0], max(1, -(-problem.context // columns)))
    for rows in steps(most):
        sized = Attention("", "", op.heads, op.head_dim, op.scale, columns, rows, problem.context)
        slots = attention_slots(sized, problem.precision, target, problem.chunk, problem.context // 2)
        slots += attention_wait(sized, target, problem.chunk)
        if slots <= period and attention_bytes(sized, problem.precision, problem.chunk) <= problem.limits.bytes:
            return rows
    return None


def _complete(problem: Problem, alike: dict[int, int], sizes: Sizes, period: float) -> bool:
    """Finishers, embedding groups, totals; False if a kernel exceeds the period, SRAM or the mesh."""
    long, short = problem.limits.sides
    for i, count in alike.items():
        cost = _stage(problem, sizes, i, period)
        if cost is None:
            return False
        slots, width, height = cost
        if slots > period or max(width, height) > long or min(width, height) > short:
            return False
        sizes.period = max(sizes.period, slots)
        sizes.latency += count * (slots + 6 * (width + height))
        sizes.area += count * width * height
    return True


def spread(problem: Problem, sizes: Sizes) -> None:
    """Give every stage the finishers and embedding groups that fit it, the search having looked at one of each kind."""
    for i in range(len(problem.stages)):
        period = sizes.period * 1.02
        while _stage(problem, sizes, i, period) is None:
            period *= 1.1


def _stage(problem: Problem, sizes: Sizes, i: int, period: float) -> tuple[float, int, int] | None:
    """(slots, width, height) of stage i at these sizes; None if it does not fit."""
    stage, classes, target, chunk = problem.stages[i], problem.classes, problem.limits.target, problem.chunk
    out = sizes.lanes[classes.output[i]] if stage.kind != "gather" else sizes.lanes[classes.source[i]]
    precision = problem.precision
    match stage.kind:
        case "linear":
            into = sizes.lanes[classes.source[i]]
            slots, size = _tile(problem, i, into, out)
            finish = _finishers(problem, i, out, period)
            if finish is None or size > problem.limits.bytes:
                return None
            sizes.finishers[i] = finish[0]
            return max(slots, finish[1]), into + finish[0], out
        case "attention":
            assert isinstance(stage.op, graph.Attention)
            columns, rows = sizes.attention[i]
            sized = Attention("", "", stage.op.heads, stage.op.head_dim, 1.0, columns, rows, problem.context)
            slots = attention_slots(sized, precision, target, chunk, problem.context // 2)
            slots += attention_wait(sized, target, chunk)
            return slots, stage.op.heads * columns, rows
        case "strip":
            lanes = contiguous(stage.width, out)
            norm = stage.norm.kind if stage.norm else "none"
            strip = Strip("", "", lanes, stage.join, stage.keep, norm)
            return strip_slots(strip, precision, target, chunk) + strip_wait(strip, target, chunk), out, 1
        case "embed":
            assert isinstance(stage.op, graph.Embed)
            largest = -(-stage.width // out)
            room = problem.limits.bytes - largest * chunk * precision.stream.size - 4 * chunk
            rows = min(len(stage.op.table), room // (largest * precision.stream.size))
            if rows < 1:
                return None
            sizes.embed_rows[i] = rows
            groups = -(-len(stage.op.table) // rows)
            groups += -(-len(stage.op.positions) // rows) if stage.op.positions is not None else 0
            return largest * chunk * 1.5 + chunk * token_slots(target), out, groups
        case _:
            return 1.0, out, 1  # bound by the host links, whatever the sizes
