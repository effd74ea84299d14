"""All passes in order, and what a compilation gives.

import -> prune -> plan -> place -> route -> emit -> verify. Pruning comes before planning because the plan balances
non-zeros; placing comes before routing because a net's shape follows from where its ends are (mapping.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tulle_compiler.emit import Emit
from tulle_compiler.frontend import import_onnx
from tulle_compiler.mapping import MapModel
from tulle_compiler.options import CompileOptions
from tulle_compiler.plan.replicas import stand
from tulle_compiler.prune import PruneReport, parse_prune, prune
from tulle_compiler.reporting import compile_report, manifest
from tulle_ir.artifact import Artifact
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.graph import Graph
from tulle_ir.program import Program
from tulle_ir.report import Report
from tulle_ir.target import Target, load_target
from tulle_ir.text import print_stages
from tulle_ir.verify_program import require_valid

__all__ = ["CompileOptions", "Compiled", "compile_graph", "compile_model"]

LEVELS = ("graph", "plan", "placed", "routed", "program")

OnPass = Callable[[str, object, float], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Compiled:
    """`stages` by level, up to the one asked for; `artifact` raises until level `program`."""

    stages: Mapping[str, Any]
    report: Report
    manifest: Mapping[str, Any]

    @property
    def program(self) -> Program:
        """The last stage."""
        return self.stages["program"]

    @property
    def artifact(self) -> Artifact:
        """What `tulle compile` writes. Weights are there once, as the program's; other stages name theirs by digest."""
        return Artifact(self.manifest, print_stages(self.stages), self.program)


def compile_model(
    path: Path, options: CompileOptions, on_pass: OnPass | None = None, *, target: Target | None = None
) -> Compiled:
    """Compile an ONNX file. Raises the errors of tulle_ir.diagnostics; `on_pass` gets (pass, stage, seconds)."""
    watch = _Watch(on_pass)
    graph = watch("import", lambda: import_onnx(path))
    return compile_graph(graph, options, watch, target=target)


def compile_graph(
    graph: Graph, options: CompileOptions, watch: _Watch | None = None, *, target: Target | None = None
) -> Compiled:
    """Compile a Graph. `target` is a variation, of the same name, of the one that the options name (another
    `axpy_overhead`, say): stages hold names only, so a Session needs to be given it too.
    """
    watch = watch or _Watch(None)
    target = target or load_target(options.target)
    check_mesh(options, target)
    pruned: PruneReport | None = None
    if options.prune:
        graph, pruned = watch("prune", lambda: prune(graph, parse_prune(options.prune or ""), options.seed))
    stages: dict[str, Any] = {"graph": graph}
    if options.level != "graph":
        stages |= MapModel(graph, options, target, watch).stages()
    if options.level == "program":
        program = watch("emit", lambda: stand(Emit(target)(stages["routed"]), stages["plan"].replicas, options.mesh))
        watch("verify", lambda: require_valid(program, target))
        stages["program"] = program
    report = compile_report(stages, graph, target, options)
    return Compiled(stages, report, manifest(graph, options, stages, report, pruned))


def check_mesh(options: CompileOptions, target: Target) -> None:
    """Raise DoesNotFit for a mesh that the target does not have."""
    if options.mesh is None or target.any_size:
        return
    width, height = options.mesh
    if width > target.width or height > target.height:
        raise DoesNotFit(
            f"a mesh of {width} x {height} PEs was asked for, {target.name} has {target.width} x {target.height}",
            remedy=f"--mesh {min(width, target.width)}x{min(height, target.height)} or another --target",
        )


class _Watch:
    """Runs passes, telling the caller of each."""

    def __init__(self, on_pass: OnPass | None) -> None:
        self.on_pass = on_pass

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        stage = work()
        if self.on_pass is not None:
            self.on_pass(name, stage, time.perf_counter() - start)
        return stage
