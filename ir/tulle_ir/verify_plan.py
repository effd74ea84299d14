"""Is a stage before the program sound? Findings accumulate, each with a place.

graph    See graph_check.py.
plan      1. Names are unique: of kernels, of nets, of the terminals of a kernel.
          2. A net joins a source terminal to a sink terminal, one of them the host's, with equal lanes; it has at
             least one lane and one wavelet.
          3. Every terminal has exactly one net; every net with the host belongs to one host stream of its direction.
          4. Partitions (`NAME.order` and `NAME.start`) are permutations, cut into lanes.
          5. Kernels fit on the mesh, in area too, and their fullest PE in SRAM.
          6. Terminals and bundles lie inside their kernel; bundles have color 0; a sink's colors divide its lanes.
             Kernels and nets have no cycle, every kernel is fed, and a join can put a chunk aside: so every chunk gets
             through (the argument is in verify/flow.py).
placed    7. A frame has the size of its kernel; regions are on the mesh and disjoint.
          8. Exactly the nets with the host have links: host links of the mesh, each used once per direction.
routed    9. A net has as many colors as its sink, a kernel as many as its local ones; they differ, and exist.
         10. A net is flipped where exactly one of its two order groups is reversed.
         11. Of a color, a router belongs to one net or kernel; it has one input, never among the outputs; every output
             is taken and every input fed.
         12. A net leaves the ramps of its source, or enters by its link; it comes down the ramps of its sink, or leaves
             by its link.

Later stages are checked for what they add to the one before, which is checked first.
"""

from __future__ import annotations

from typing import assert_never

from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Graph
from tulle_ir.graph_check import check_graph
from tulle_ir.host_links import share_of
from tulle_ir.placed import Placed
from tulle_ir.plan import Plan
from tulle_ir.routed import Routed
from tulle_ir.target import Target, load_target
from tulle_ir.text.places import Places
from tulle_ir.verify.findings import Finding, Findings, Severity, refuse_errors
from tulle_ir.verify.placed import check_placed
from tulle_ir.verify.plan import check_plan
from tulle_ir.verify.routed import check_routed

EarlyStage = Graph | Plan | Placed | Routed


def verify_stage(stage: EarlyStage, target: Target | None = None, places: Places | None = None) -> list[Finding]:
    """All findings about a stage and those inside it; `target` is the one the plan names unless given."""
    match stage:
        case Graph():
            return _graph(stage)
        case Plan():
            plan, placed, routed = stage, None, None
        case Placed():
            plan, placed, routed = stage.plan, stage, None
        case Routed():
            plan, placed, routed = stage.placed.plan, stage.placed, stage
        case _:
            assert_never(stage)
    findings = Findings(stage, places)
    target = share_of(target or load_target(plan.target), plan.replicas)
    check_plan(plan, target, findings)
    if placed is not None and not findings.found:  # later checks rely on the earlier invariants
        check_placed(placed, target, findings)
    if routed is not None and not findings.found:
        check_routed(routed, target, findings)
    return findings.found


def require_valid_stage(stage: EarlyStage, places: Places | None = None, target: Target | None = None) -> list[Finding]:
    """The warnings of a stage without errors. Raises BadInput with the errors otherwise."""
    return refuse_errors(verify_stage(stage, target, places), f"the {_word(stage)}")


def require_sound_pass(stage: EarlyStage, target: Target) -> None:
    """Raise BadInput unless what a pass added to its input keeps the invariants (the input's were checked then);
    `target` as the pass saw it."""
    findings = Findings(stage)
    match stage:
        case Graph():
            check_graph(stage)
        case Plan():
            check_plan(stage, target, findings)
        case Placed():
            check_placed(stage, target, findings)
        case Routed():
            check_routed(stage, target, findings)
        case _:
            assert_never(stage)
    refuse_errors(findings.found, f"the {_word(stage)}")


def _graph(graph: Graph) -> list[Finding]:
    try:
        check_graph(graph)
    except BadInput as error:
        return [Finding(Severity.ERROR, error.what, error.where or "graph")]
    return []


def _word(stage: EarlyStage) -> str:
    return {Graph: "graph", Plan: "plan", Placed: "placement", Routed: "routing"}[type(stage)]
