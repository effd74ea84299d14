"""Graph -> Plan -> Placed -> Routed, tried again with less where it does not fit.

First the number of copies of the pipeline (see plan/replicas.py); then, for one copy on its part of the mesh, smaller
and smaller regions until they can be placed and routed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tulle_compiler.options import CompileOptions
from tulle_compiler.place import Place
from tulle_compiler.plan.planner import PlanModel, fills_of
from tulle_compiler.plan.replicas import copies_of
from tulle_compiler.prediction import link_rate, tokens_per_second
from tulle_compiler.route import Route
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.graph import Graph
from tulle_ir.host_links import share_of
from tulle_ir.placed import Placed
from tulle_ir.plan import Plan
from tulle_ir.routed import Routed
from tulle_ir.target import Target
from tulle_ir.verify_plan import require_sound_pass

T = TypeVar("T")
Watch = Callable[[str, Callable[[], Any]], Any]


@dataclass
class MapModel:
    """The mapping of a graph; `watch` runs each pass."""

    graph: Graph
    options: CompileOptions
    target: Target
    watch: Watch
    plans: dict[tuple[CompileOptions, float | None], Plan] = field(default_factory=dict)

    def stages(self) -> dict[str, Any]:
        """The stages up to the level asked for, by level. Raises DoesNotFit."""
        copies = copies_of(self.graph, self.options, self.target, self._rate)
        failures: list[DoesNotFit] = []
        for copy in copies:
            for fill in fills_of(self.graph, copy):
                try:
                    return self._stages(copy, fill)
                except DoesNotFit as error:
                    failures.append(error)
        raise self._told(failures[0], copies[0].replicas or 1)

    def _stages(self, copy: CompileOptions, fill: float | None) -> dict[str, Any]:
        """Plan, place and route one copy."""
        plan = self._plan(copy, fill)
        share = share_of(self.target, plan.replicas)
        if copy.level == "plan":
            return {"plan": plan}
        placed: Placed = self.watch("place", lambda: Place(seed=copy.seed, target=share)(plan))
        self._verify(placed, share)
        if copy.level == "placed":
            return {"plan": plan, "placed": placed}
        routed: Routed = self.watch("route", lambda: Route(target=share)(placed))
        self._verify(routed, share)
        return {"plan": plan, "placed": placed, "routed": routed}

    def _plan(self, copy: CompileOptions, fill: float | None) -> Plan:
        """The plan of one copy, made once."""
        if (copy, fill) not in self.plans:
            replicas = copy.replicas or 1
            share = share_of(self.target, replicas)
            made: Plan = self.watch("plan", lambda: PlanModel(copy, share, fill)(self.graph))
            plan = replace(made, options={**made.options, "replicas": replicas}) if replicas > 1 else made
            self._verify(plan, share)
            self.plans[copy, fill] = plan
        return self.plans[copy, fill]

    def _rate(self, copy: CompileOptions) -> tuple[float, float]:
        """Tokens per second of all copies and of all host links, as predicted; 0 if a copy does not fit."""
        try:
            plan = self._plan(copy, fills_of(self.graph, copy)[0])
        except DoesNotFit:
            return 0.0, float("inf")
        return tokens_per_second(plan, self.target), link_rate(plan, self.target)

    def _verify(self, stage: Plan | Placed | Routed, share: Target) -> None:
        """Hold a pass to the invariants of what it made."""
        self.watch("verify", lambda: require_sound_pass(stage, share))

    def _told(self, failure: DoesNotFit, replicas: int) -> DoesNotFit:
        """The error with what the user asked for."""
        if replicas == 1:
            return failure
        width, height = self.options.mesh or (self.target.width, self.target.height)
        part = f"{width} x {height // replicas} of the {width} x {height} PEs"
        return DoesNotFit(
            f"each of {replicas} replicas has {part}: {failure.what}",
            where=failure.where,
            remedy=f"fewer --replicas, {failure.remedy}",
        )
