"""What a compiled model should give: onnxruntime on the model's file, and the Graph in numpy where the file is not
what was compiled (pruned weights) or rounds elsewhere (f16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tulle.cli.blame import blame
from tulle_compiler.check import F32_TOLERANCE, compare, run_onnxruntime
from tulle_compiler.fold import fold_norms
from tulle_compiler.frontend import import_onnx
from tulle_compiler.prune import parse_prune, prune
from tulle_ir.diagnostics import BadInput, Mismatch
from tulle_ir.graph import Graph
from tulle_ir.graph_run import run_graph


@dataclass(frozen=True)
class Oracle:
    """`original` is the model as its file has it, `graph` as it was compiled (the same object if unpruned)."""

    path: Path
    original: Graph
    graph: Graph
    options: Mapping[str, Any]

    def exact(self, feed: np.ndarray) -> np.ndarray:
        """The output in float32: onnxruntime's; of a pruned model the Graph's, after the unpruned Graph was held
        against onnxruntime. Raises Mismatch if these differ."""
        reference = run_onnxruntime(self.path, feed)
        if self.graph is self.original:
            return reference
        found = compare(run_graph(self.original, feed), reference)
        if not found.ok:
            raise Mismatch(
                f"the imported Graph differs from onnxruntime by {found.error:.2e} of the largest value, "
                f"{F32_TOLERANCE:.0e} is allowed",
                where=str(self.path),
                remedy="this is a bug of Tulle: please report it",
            )
        return run_graph(self.graph, feed)

    def rounded(self, feed: np.ndarray) -> np.ndarray | None:
        """The Graph's output with the roundings of an f16 program; None for f32."""
        return run_graph(fold_norms(self.graph), feed, "f16") if self.options.get("dtype") == "f16" else None

    def blame(self, feed: np.ndarray, engine: str) -> str:
        """A sentence that names the first kernel that differs."""
        return blame(self.graph, feed, self.options, engine)


def open_oracle(path: Path, manifest: Mapping[str, Any]) -> Oracle:
    """The model in `path`, pruned as the manifest says. Raises BadInput unless it is the one that was compiled."""
    original = import_onnx(path)
    if original.source_sha256 != manifest["model_sha256"]:
        raise BadInput(
            "this is not the model that was compiled: its SHA-256 is another one",
            where=str(path),
            remedy="give the model that was compiled, or compile this one",
        )
    options = manifest["options"]
    graph = original
    if options.get("prune"):
        graph, _ = prune(original, parse_prune(options["prune"]), manifest["seed"])
    return Oracle(path, original, graph, options)
