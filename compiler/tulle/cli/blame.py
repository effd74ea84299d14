"""After a mismatch: the first kernel that differs, by compiling and running ever shorter beginnings of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from tulle.cli.verify import compare, tolerance
from tulle_compiler.fold import fold_norms
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.diagnostics import TulleError
from tulle_ir.graph import Graph, GraphOutput, Op
from tulle_ir.graph_check import op_inputs
from tulle_ir.graph_run import run_graph
from tulle_runtime.session import Session


def blame(graph: Graph, feed: np.ndarray, options: Mapping[str, Any], engine: str) -> str:
    """A sentence that names the kernel; `options` are those of the manifest."""
    half = options.get("dtype") == "f16"
    try:
        op = first_differing(graph, feed, lambda part: _outputs(part, feed, options, engine), half)
    except TulleError as error:
        return f"the first kernel that differs was not found: {error.what}"
    if op is None:
        return "no kernel differs when the model is compiled up to it alone"
    return f"the first kernel that differs is '{op.name}'" + (f", from {op.origin}" if op.origin else "")


def first_differing(graph: Graph, feed: np.ndarray, outputs_of: Callable[[Graph], np.ndarray], half: bool) -> Op | None:
    """The first operator up to which the model, compiled and run by `outputs_of`, differs from the Graph in numpy.

    Found by bisection, as what differs once differs to the end; None if nothing does.
    """
    low, high = 0, len(graph.ops)
    while low < high:
        middle = (low + high) // 2
        if _differs(beginning(graph, middle), feed, outputs_of, half):
            high = middle
        else:
            low = middle + 1
    return graph.ops[low] if low < len(graph.ops) else None


def beginning(graph: Graph, index: int) -> Graph:
    """The model that ends with operator `index`: only what it needs, its tensor as the output, for all tokens."""
    last = graph.ops[index]
    needed, kept = {last.output}, []
    for op in reversed(graph.ops[: index + 1]):
        if op.output in needed:
            needed |= set(op_inputs(op))
            kept.append(op)
    axes = ("batch", "tokens", "features") if "batch" in graph.input.axes else ("tokens", "features")
    output = GraphOutput(name="output", tensor=last.output, axes=axes)
    return replace(graph, ops=tuple(reversed(kept)), output=output)


def _differs(part: Graph, feed: np.ndarray, outputs_of: Callable[[Graph], np.ndarray], half: bool) -> bool:
    exact = run_graph(part, feed)
    rounded = run_graph(fold_norms(part), feed, "f16") if half else None
    comparison = compare(part.output.name, outputs_of(part).reshape(exact.shape), exact, tolerance(exact, rounded))
    return comparison.error > comparison.allowed


def _outputs(part: Graph, feed: np.ndarray, options: Mapping[str, Any], engine: str) -> np.ndarray:
    """Compile and run a beginning of the model, which is pruned already."""
    given = {option.name: options[option.name] for option in fields(CompileOptions) if option.name in options}
    given |= {"prune": None, "logits": "all", "replicas": 1, "level": "program"}
    if given.get("mesh"):
        given["mesh"] = tuple(given["mesh"])
    session = Session(compile_graph(part, CompileOptions(**given)).program, engine, verified=True)
    return session.run(None, {session.inputs[0].name: feed})[0]
