"""Which sizes a model gets: of all that fit the mesh and take nearly the fewest cycles, those with nearly the fewest
PEs, and of these the ones with the least latency."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from tulle_compiler.plan.fitting import Choice, Fitting
from tulle_compiler.plan.problem import Problem
from tulle_compiler.plan.sizes import Sizes
from tulle_ir.diagnostics import DoesNotFit

NEARLY, FEW = 1.05, 1.02  # cycles of the plan taken over the fewest, and its PEs over the fewest of such plans
REMEDY = "a larger --mesh, a smaller --chunk or --context, more pruning"


@dataclass(frozen=True)
class _Fastest:
    """Of one fitting and choice: the last setting whose sizes fit the mesh, and its cycles."""

    fitting: Fitting
    choice: Choice
    setting: int
    cycles: float


def search(fittings: list[Fitting]) -> tuple[Problem, Sizes]:
    """The problem and sizes chosen, or DoesNotFit with the smallest demand met."""
    fastest = [found for fitting in fittings for choice in fitting.choices if (found := _fastest(fitting, choice))]
    if not fastest:
        raise _misfit(fittings)
    limit = NEARLY * min(each.cycles for each in fastest)
    near = [(each.fitting, _smallest(each, limit)) for each in fastest if each.cycles <= limit]
    few = FEW * min(sizes.estimate.area for _, sizes in near)
    small = (pair for pair in near if pair[1].estimate.area <= few)
    fitting, sizes = min(small, key=lambda pair: (pair[1].estimate.latency, pair[1].estimate.area))
    return fitting.problem, sizes


def _fastest(fitting: Fitting, choice: Choice) -> _Fastest | None:
    """The fastest sizes that fit the mesh."""
    room = fitting.problem.limits.area

    def too_large(setting: float) -> bool:
        sizes = fitting.fit(choice, setting)
        return sizes is None or sizes.estimate.area > room

    setting = bisect_left(fitting.settings, True, key=too_large) - 1
    sizes = fitting.fit(choice, fitting.settings[setting]) if setting >= 0 else None
    return _Fastest(fitting, choice, setting, fitting.cycles(sizes)) if sizes else None


def _smallest(fastest: _Fastest, limit: float) -> Sizes:
    """The smallest sizes of no more cycles than the limit."""
    fitting = fastest.fitting

    def fast_enough(setting: float) -> bool:
        sizes = fitting.fit(fastest.choice, setting)
        return sizes is not None and fitting.cycles(sizes) <= limit

    settings = fitting.settings[: fastest.setting]
    sizes = fitting.fit(fastest.choice, fitting.settings[bisect_left(settings, True, key=fast_enough)])
    assert sizes is not None
    return sizes


def _misfit(fittings: list[Fitting]) -> DoesNotFit:
    """Why nothing fits."""
    limits = fittings[0].problem.limits
    width, height = limits.mesh
    slowest = (fitting.fit(choice, fitting.settings[0]) for fitting in fittings for choice in fitting.choices)
    areas = [sizes.estimate.area for sizes in slowest if sizes]
    if not areas:
        what = f"no region sizes keep every PE within {limits.bytes} bytes on a mesh of {width} x {height} PEs"
        return DoesNotFit(what, remedy=REMEDY)
    return DoesNotFit(
        f"the smallest mapping needs about {min(areas):.0f} PEs; {limits.area:.0f} of the "
        f"{width * height} on the mesh of {width} x {height} can be covered by regions "
        f"(short by {min(areas) - limits.area:.0f})",
        remedy=REMEDY,
    )
