"""Which block of its matrix each PE holds, as the symbols say: held against the AXPYs that the PE executes."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import gpt, matmul

from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.graph import Graph, Linear
from tulle_ir.symbols import block_of, features_at, ranges
from tulle_runtime.session import Session

CHUNK, CHUNKS = 4, 2


def execute(graph: Graph, mesh: tuple[int, int], chunk: int = CHUNK, context: int | None = None) -> Session:
    """Runs two full chunks of seeded input."""
    session = Session(
        compile_graph(graph, CompileOptions(mesh=mesh, replicas=1, chunk=chunk, context=context)).artifact
    )
    rng, tokens = np.random.default_rng(0), chunk * CHUNKS
    ids = rng.integers(0, graph.input.width, (1, tokens))
    rows = rng.standard_normal((tokens, graph.input.width)).astype(np.float32)
    session.run(None, {graph.input.name: ids if graph.input.kind == "ids" else rows})
    return session


def hold_to_blocks(session: Session, kernel: str, weight: np.ndarray) -> None:
    """The AXPYs of every PE are the non-zeros of the block that its symbol names; weight: [in, out]."""
    assert session.report is not None
    (chunks,) = [k.per_chunk.chunks for k in session.report.kernels if k.name == kernel and k.per_chunk]
    assert session.result is not None
    symbol = next(symbol for symbol in session.program.symbols if symbol.name == kernel)
    x, y, width, height = symbol.region
    inputs, outputs = (session.program.tensors[name] for name in (symbol.inputs, symbol.outputs))
    for j, i in np.ndindex(height, width):
        block = weight[np.ix_(features_at(inputs, i, j), features_at(outputs, i, j))]
        assert session.result.counts.axpys[y + j, x + i] == chunks * np.count_nonzero(block), (kernel, i, j)


def test_every_tile_of_a_gpt_executes_the_axpys_of_its_block() -> None:
    graph = gpt()
    session = execute(graph, (40, 40))
    sparse = [op for op in graph.ops if isinstance(op, Linear) and (op.weight == 0).mean() > 0.2]
    assert len(sparse) >= 4
    for op in sparse:
        hold_to_blocks(session, op.name, op.weight)


def test_parts_of_a_matrix_name_features_of_the_whole() -> None:
    """A linear alone on a long mesh is dealt to parts side by side."""
    graph = matmul(192, 100, 0.75)
    (op,) = graph.ops
    assert isinstance(op, Linear)
    session = execute(graph, (48, 8), chunk=64, context=64)  # one chunk is nothing to share between copies
    parts = [symbol for symbol in session.program.symbols if symbol.inputs]
    assert len(parts) > 1
    held = np.concatenate([session.program.tensors[part.outputs][:, 0] for part in parts])
    assert sorted(held.tolist()) == list(range(100))
    for part in parts:
        hold_to_blocks(session, part.name, op.weight)


def test_copies_of_a_matrix_share_the_chunks() -> None:
    graph = matmul(48, 48, 0.75)
    (op,) = graph.ops
    assert isinstance(op, Linear)
    session = execute(graph, (24, 24))
    copies = [symbol for symbol in session.program.symbols if symbol.inputs]
    assert len(copies) > 1
    for copy in copies[:CHUNKS]:
        hold_to_blocks(session, copy.name, op.weight)


def test_the_straggler_of_a_kernel_names_its_block() -> None:
    session = execute(matmul(32, 16, 0.5), (10, 6), context=CHUNK)
    assert session.report is not None
    (kernel,) = [kernel for kernel in session.report.kernels if kernel.nonzeros]
    (symbol,) = [symbol for symbol in session.program.symbols if symbol.name == kernel.name]
    assert kernel.straggler is not None
    assert (kernel.straggler.inputs, kernel.straggler.outputs) == block_of(
        symbol, *kernel.straggler.pe, session.program
    )
    assert kernel.straggler.outputs != ""


@pytest.mark.parametrize(("numbers", "text"), [([0, 1, 2, 5, 7, 8], "0-2, 5, 7-8"), ([3], "3"), ([], "")])
def test_ranges_of_features(numbers: list[int], text: str) -> None:
    assert ranges(np.array(numbers, np.int64)) == text
