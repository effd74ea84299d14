"""Reference runs of a model file in onnxruntime, and comparison of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tulle_compiler.frontend import import_onnx
from tulle_compiler.frontend.load import load_model_file
from tulle_compiler.frontend.prepare import prepare
from tulle_compiler.prune import parse_prune, prune
from tulle_ir.diagnostics import BadInput, Mismatch
from tulle_ir.graph import Graph
from tulle_ir.graph_run import Precision, run_graph

F32_TOLERANCE = 1e-4


def run_onnxruntime(path: Path, feed: np.ndarray, *, optimise: bool = True) -> np.ndarray:
    """The model's first output for `feed` (token ids or features in the model's own shape).

    Single-threaded, so that results repeat. Raises BadInput when onnxruntime cannot run the file or the feed.
    """
    import onnxruntime  # noqa: PLC0415 - heavy, and needed for verification only

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        return np.asarray(session.run(None, {entry.name: _fitted(entry, feed)})[0])
    except Exception as error:  # onnxruntime raises many kinds, none of them public
        first = (str(error).splitlines() or ["unknown error"])[0]
        raise BadInput(f"onnxruntime cannot run it: {first}", where=str(path)) from error


def _fitted(entry: Any, feed: np.ndarray) -> np.ndarray:
    """The feed in the dtype the model declares, with a batch axis if the model has one and the feed has not."""
    types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}
    types |= {"tensor(float16)": np.float16, "tensor(double)": np.float64}
    array = np.asarray(feed).astype(types.get(entry.type, np.float32))
    return array[None] if array.ndim == len(entry.shape) - 1 else array


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far `a` is from the reference `b`. `error` is max |a - b| / max |b|."""

    error: float
    tolerance: float
    worst: tuple[int, ...]
    top1_agree: float

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance


def compare(a: np.ndarray, b: np.ndarray, tolerance: float = F32_TOLERANCE) -> Comparison:
    """Compare an output with its reference: largest difference relative to the largest reference value.

    Raises Mismatch when the shapes differ. NaN anywhere is an infinite error.
    """
    if a.shape != b.shape:
        raise Mismatch(f"the output has the shape {list(a.shape)}, the reference {list(b.shape)}")
    if a.size == 0:
        return Comparison(0.0, tolerance, (), 1.0)
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    flat = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
    worst = tuple(int(i) for i in np.unravel_index(flat, a.shape))
    scale = float(np.max(np.abs(b)))
    largest = float(difference[worst])
    error = 0.0 if largest == 0 else largest / scale if scale > 0 else np.inf
    top1 = float(np.mean(np.argmax(a, axis=-1) == np.argmax(b, axis=-1))) if a.ndim else 1.0
    return Comparison(float(np.inf) if np.isnan(error) else error, tolerance, worst, top1)


def model_sha256(path: Path) -> str:
    """What `Graph.source_sha256` of this file is: it covers data files too."""
    file = load_model_file(path)
    prepare(file)  # opens the data files
    return file.sha256()


@dataclass(frozen=True)
class Expected:
    """What a compiled model should give for some feeds, by output name: `exact` (f32) and `rounded` (f16 oracle)."""

    graph: Graph
    feed: np.ndarray
    last_only: bool
    reference: np.ndarray | None  # onnxruntime's output; None when the graph was pruned

    @cached_property
    def exact(self) -> dict[str, np.ndarray]:
        """onnxruntime's output; of a model pruned by the compiler, the numpy oracle's in float32."""
        if self.reference is None:
            return self._oracle("f32")
        return {self.graph.output.name: self._part(self.reference.astype(np.float32))}

    @cached_property
    def rounded(self) -> dict[str, np.ndarray]:
        """The numpy run that rounds to float16 where the mesh does."""
        return self._oracle("f16")

    def _oracle(self, dtype: Precision) -> dict[str, np.ndarray]:
        return {self.graph.output.name: self._part(run_graph(self.graph, self.feed, dtype))}

    def _part(self, output: np.ndarray) -> np.ndarray:
        """With `--logits last`, the last token of each sequence."""
        axes = self.graph.output.axes
        if not self.last_only or "tokens" not in axes:
            return output
        axis = axes.index("tokens")
        return np.take(output, [output.shape[axis] - 1], axis=axis)


def expect(path: Path, manifest: Mapping[str, Any], feeds: Mapping[str, np.ndarray]) -> Expected:
    """What the artifact with this manifest should give, made from its model file.

    onnxruntime runs the file as it is. When the compiler pruned it, the import is first held to onnxruntime on these
    feeds (Mismatch if it differs), then the recorded pruning is applied to it.
    """
    graph = import_onnx(path)
    options = manifest.get("options", {})
    feed = np.asarray(feeds[graph.input.name])
    reference = run_onnxruntime(path, feed)
    last_only = options.get("logits") == "last"
    if not options.get("prune"):
        return Expected(graph, feed, last_only, reference)
    held = compare(run_graph(graph, feed), reference)
    if not held.ok:
        raise Mismatch(f"the imported graph differs from onnxruntime by {held.error:.2g}", where=str(path))
    pruned, _ = prune(graph, parse_prune(options["prune"]), int(options.get("seed", 0)))
    return Expected(pruned, feed, last_only, None)
