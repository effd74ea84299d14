"""One product y = x @ w as an ONNX MatMul, compiled and run, its values verified: a row of several tables."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tulle_compiler.frontend import import_onnx
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.graph import Graph
from tulle_ir.program import HostStream, Port
from tulle_ir.report import Report
from tulle_ir.target import Target, load_target
from tulle_runtime.host import Chunking, encode
from tulle_runtime.session import Session

TOLERANCE = {"f32": 1e-4, "f16": 2e-3}  # of the largest value: design section 10, and a rounded result


@dataclass(frozen=True, slots=True)
class Ran:
    """A product after its run. axpy_slots: of the busiest PE; link_wavelets: of the busiest host link and direction."""

    report: Report
    axpy_slots: int
    link_wavelets: int

    @property
    def cycles(self) -> int:
        """From the first wavelet in to the last one out."""
        assert self.report.cycles is not None
        return self.report.cycles

    @property
    def of_ideal(self) -> float:
        """Cycles of the whole run over the mean work of the PEs of its linear kernels."""
        tiles = [k for k in self.report.kernels if k.nonzeros]
        return self.cycles / max(k.ideal_cycles for k in tiles)


def run_product(weight: np.ndarray, tokens: int, options: CompileOptions, target: Target | None = None) -> Ran:
    """Compile weight [in, out] for `tokens` tokens and run seeded x. Raises AssertionError for wrong values."""
    target = target or load_target(options.target)
    compiled = compile_graph(matmul(weight), replace(options, context=tokens), target=target)
    session = Session(compiled.artifact, target=target)
    x = np.random.default_rng(1).standard_normal((tokens, len(weight))).astype(np.float32)
    (y,) = session.run(None, {session.inputs[0].name: x})
    check(y, x, weight, options.dtype)
    assert session.report is not None and session.result is not None
    result = session.result
    source, sink = sorted(compiled.program.streams, key=lambda stream: not stream.is_input)
    sent = encode(source, x[None], Chunking(1, tokens, session.report.chunk), compiled.program.tensors)
    arrived = [port.values for port in result.outputs[0]]
    links = [_busiest(stream, words) for stream, words in ((source, sent), (sink, arrived))]
    return Ran(session.report, int(result.counts.axpy_slots.max()), max(links))


def _busiest(stream: HostStream, words: list[np.ndarray]) -> int:
    """Most wavelets of a stream over one link; `words`: by port."""
    links: Counter[tuple[int, int, Port]] = Counter()
    for port, wavelets in zip(stream.ports, words, strict=True):
        links[port.x, port.y, port.side] += len(wavelets)
    return max(links.values())


def matmul(weight: np.ndarray) -> Graph:
    """The Graph that is imported from the ONNX file of y = x @ weight."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="MatMul")
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["tokens", width])
        for name, width in zip("xy", weight.shape, strict=True)
    )
    graph = helper.make_graph([node], "matmul", [x], [y], [numpy_helper.from_array(weight, "w")])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
        return import_onnx(path)


def check(y: np.ndarray, x: np.ndarray, weight: np.ndarray, dtype: str) -> None:
    """Hold the values to numpy's, computed from operands of the same type."""
    if dtype == "f16":
        x, weight = (array.astype(np.float16).astype(np.float32) for array in (x, weight))
    wanted = x @ weight
    error = float(np.abs(y - wanted).max() / np.abs(wanted).max())
    assert error <= TOLERANCE[dtype], f"the values are off by {error:.2g} of the largest"
