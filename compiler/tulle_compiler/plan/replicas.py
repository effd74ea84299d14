"""How many copies of the pipeline stand on a mesh.

The mesh is cut into bands of equal height over its whole width, so that each touches both edges with host links and has
its share of these. One band is planned, placed, routed and emitted like a mesh of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tulle_compiler.options import CompileOptions
from tulle_compiler.plan.alone import is_alone
from tulle_compiler.plan.lower import lower
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.graph import Graph
from tulle_ir.host_links import host_links
from tulle_ir.program import Program, Replicas
from tulle_ir.target import Target

NEARLY = 0.95  # share of the most tokens per second that is good enough for fewer copies

Rate = Callable[[CompileOptions], tuple[float, float]]


def copies_of(graph: Graph, options: CompileOptions, target: Target, rate: Rate) -> list[CompileOptions]:
    """The options of one copy, for the numbers of copies to try, the best first.

    `rate` gives, for the options of one copy, the tokens per second of all copies as predicted (0 if one does not fit),
    and what all host links allow. Raises DoesNotFit if more copies are asked for than can stand on the mesh.
    """
    if options.replicas is not None:
        return [one_of(options, options.replicas, target)]
    numbers = _numbers(graph, options, target)
    if numbers == [1]:
        return [one_of(options, 1, target)]
    copies = {number: one_of(options, number, target) for number in numbers}
    return [copies[number] for number in _ranked(_rates(copies, rate)) or [1]]


def one_of(options: CompileOptions, replicas: int, target: Target) -> CompileOptions:
    """The options of each of so many copies: its part of the mesh."""
    width, height = options.mesh or (target.width, target.height)
    most = min(height, target.io_links)
    if replicas > most:
        raise DoesNotFit(
            f"{replicas} replicas were asked for: a mesh of {width} x {height} PEs of {target.name} has {height} rows, "
            f"and the machine {target.io_links} host links, of which each needs one",
            remedy=f"--replicas {most} or fewer",
        )
    if options.mesh is None:
        return replace(options, replicas=replicas)
    return replace(options, replicas=replicas, mesh=(width, height // replicas))


def stand(program: Program, replicas: int, mesh: tuple[int, int] | None) -> Program:
    """The program of one copy so many times, one below the other, on the whole mesh (None: as small as can be)."""
    if replicas == 1:
        return program
    width, height = program.mesh
    return replace(program, mesh=mesh or (width, height * replicas), replicas=Replicas(replicas, 0, height))


def _numbers(graph: Graph, options: CompileOptions, target: Target) -> list[int]:
    """Numbers of copies worth a look: the most for each number of host links that a copy can have, up to the sequences
    that can come. Only one where a single sequence shall be fast, no mesh is to be filled, or a linear by itself fills
    it anyway."""
    if options.objective == "latency" or options.mesh is None or is_alone(lower(graph)):
        return [1]
    links = len(host_links(target, options.mesh))
    numbers = {links // each for each in range(1, links + 1)}
    most = min(options.mesh[1], _parts(graph, options) or links)
    return sorted(number for number in numbers if number <= most)


def _parts(graph: Graph, options: CompileOptions) -> int | None:
    """Into how many parts a batch can be dealt: its sequences, or rows that are independent (None: as many as you
    like)."""
    if graph.context is None and options.logits == "all" and graph.output.rows == "all":
        return None
    return graph.input.batch if "batch" in graph.input.axes else 1


def _ranked(rates: dict[int, float]) -> list[int]:
    """The numbers of copies that fit: the fewest of those that are nearly the best, then the others by their rates."""
    enough = NEARLY * max(rates.values())

    def worth(number: int) -> tuple[float, int]:
        return -min(rates[number], enough), number

    return sorted((number for number in rates if rates[number] > 0), key=worth)


def _rates(copies: dict[int, CompileOptions], rate: Rate) -> dict[int, float]:
    """Tokens per second for as many numbers of copies as it takes to find the best.

    On the same PEs more copies give more, as smaller ones use their PEs better, up to where a copy has hardly room for
    the model. So the best number lies between the neighbours of the best one known.
    """
    numbers = sorted(copies)
    known: dict[int, float] = {}
    known[numbers[0]], limit = rate(copies[numbers[0]])
    while number := _next(numbers, known, limit):
        known[number], _ = rate(copies[number])
    return known


def _next(numbers: list[int], known: dict[int, float], limit: float) -> int:
    """The largest number first, then the middle of the wider gap beside the best one known; 0 if nothing that is left
    can be better by more than what counts as nearly as good. A copy on fewer PEs is not faster."""
    best = max(known, key=lambda number: (known[number], -number))
    if numbers[-1] not in known:
        return numbers[-1] if _hope(numbers[-1], best, known, limit) > known[best] else 0
    below = max((number for number in known if number < best), default=best)
    above = min((number for number in known if number > best), default=best)
    between = [(a, [number for number in numbers if a < number < b]) for a, b in ((below, best), (best, above))]
    gaps = [gap for a, gap in between if gap and _hope(gap[-1], a, known, limit) > known[best]]
    widest = max(gaps, key=len, default=[0])
    return widest[len(widest) // 2]


def _hope(number: int, fewer: int, known: dict[int, float], limit: float) -> float:
    """The most that so many copies can give, each being no faster than one of fewer, less what makes no difference."""
    return NEARLY * min(limit, number * known[fewer] / fewer)
