"""Prints a `Graph` canonically, one line per operator; equal graphs of equal names print equal text.

The nonzeros of a weight and the notes of the import are comments: the parser computes and needs neither. The
metadata of the model file is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from tulle_ir.graph import (
    Activation,
    Add,
    Attention,
    Embed,
    Graph,
    GraphInput,
    GraphOutput,
    Linear,
    Norm,
    Op,
    View,
)
from tulle_ir.text.array_text import Arrays, density
from tulle_ir.text.lexical import queue, real, string
from tulle_ir.text.path_printer import braces


def graph_lines(graph: Graph, arrays: Arrays) -> Iterator[str]:
    """The lines of a graph; large weights go to `arrays`."""
    context = "" if graph.context is None else f" context {graph.context}"
    source = f" source {string(graph.source_sha256)}" if graph.source_sha256 else ""
    return braces(f"graph{context}{source}", _items(graph, arrays))


def _items(graph: Graph, arrays: Arrays) -> Iterator[str]:
    for note in graph.notes:
        yield f"// note: {' '.join(note.split())}"
    yield _input(graph.input)
    for op in graph.ops:
        origin = f" origin {string(op.origin)}" if op.origin else ""
        yield f"{queue(op.output)} = {_operator(op, arrays)}{_named(op.name)}{origin}{_zeros(op)}"
    yield _output(graph.output)


def _named(name: str) -> str:
    return f" name {string(name)}" if name else ""


def _input(source: GraphInput) -> str:
    batch = "" if source.batch is None else f" batch {source.batch}"
    kind = f"ids below {source.width}" if source.kind == "ids" else f"features {source.width}"
    return f"{queue(source.tensor)} = input {string(source.name)} {kind} axes {', '.join(source.axes)}{batch}"


def _output(result: GraphOutput) -> str:
    last = " last only" if result.rows == "last" else ""
    return f"output {string(result.name)} = {queue(result.tensor)} axes {', '.join(result.axes)}{last}"


def _operator(op: Op, arrays: Arrays) -> str:
    """The operator with its operands, without name and origin."""
    match op:
        case Embed():
            return (
                f"embed {queue(op.ids)}" + _array("table", op.table, arrays) + _array("positions", op.positions, arrays)
            )
        case Linear():
            tied = " tied" if op.tied else ""
            named = (("scale", op.scale), ("weight", op.weight), ("bias", op.bias))
            return f"linear {queue(op.x)}{tied}" + "".join(_array(word, array, arrays) for word, array in named)
        case Norm():
            vectors = _array("gamma", op.gamma, arrays) + _array("beta", op.beta, arrays)
            return f"norm {op.kind} {queue(op.x)} epsilon {real(op.eps)}{vectors}"
        case Activation():
            return f"activation {op.kind} {queue(op.x)}"
        case Attention():
            views = f"q {_view(op.q)} k {_view(op.k)} v {_view(op.v)}"
            return f"attention heads {op.heads} of {op.head_dim} scale {real(op.scale)} {views}"
        case Add():
            return f"add {queue(op.a)}, {queue(op.b)}"
        case _:
            assert_never(op)


def _array(word: str, array: np.ndarray | None, arrays: Arrays) -> str:
    return "" if array is None else f" {word} {arrays.text(array)}"


def _view(view: View) -> str:
    """`%t2 at 768 step 64`: head h begins at column 768 + 64 h."""
    return f"{queue(view.tensor)} at {view.offset} step {view.head_stride}"


def _zeros(op: Op) -> str:
    return density(op.weight) if isinstance(op, Linear) else ""
