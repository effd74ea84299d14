"""Real exporters' files, compiled and executed on the mesh, against the outputs recorded from onnxruntime.

The files lie beside the project; without them these tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tulle_compiler.frontend import import_onnx
from tulle_compiler.options import CompileOptions
from tulle_compiler.pipeline import compile_graph
from tulle_ir.graph_run import run_graph
from tulle_runtime.session import Session

ZOO = Path(__file__).parents[2].parent / "shared" / "zoo"
F32_TOLERANCE = 1e-4  # design section 10, relative to the largest value
FOLDERS = ("01_hf_gpt2_legacy", "05_nanogpt")
REFUSED = {  # taken by a later issue: a second input, or a norm that is not LayerNorm
    "gpt2_legacy_eager_mask_op17_tf430",
    "gpt2_legacy_sdpa_mask_op17",
    "mini_stdln_op17",
}


def taken() -> list[dict[str, str]]:
    """The models of the two folders that the front end takes."""
    if not (ZOO / "index.jsonl").exists():
        return []
    entries = [json.loads(line) for line in (ZOO / "index.jsonl").read_text().splitlines()]
    return [e for e in entries if e["category"] in FOLDERS and e["name"] not in REFUSED]


def cases(entry: dict[str, str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Recorded (ids, logits)."""
    data = np.load(ZOO / entry["npz"])
    names = sorted({key.split("/")[0] for key in data.files})
    return [(_only(data, f"{name}/in/"), _only(data, f"{name}/out/")) for name in names]


def _only(data: np.lib.npyio.NpzFile, prefix: str) -> np.ndarray:
    return data[next(key for key in data.files if key.startswith(prefix))]


@pytest.mark.slow
@pytest.mark.parametrize("entry", taken(), ids=lambda e: e["name"])
def test_a_model_gives_the_recorded_logits(entry: dict[str, str]) -> None:
    graph = import_onnx(ZOO / entry["file"])
    for dtype in ("f32", "f16"):
        compiled = compile_graph(graph, CompileOptions(mesh=(48, 48), replicas=1, dtype=dtype))  # type: ignore[arg-type]
        session = Session(compiled.artifact)
        for ids, logits in cases(entry):
            (got,) = session.run(None, {graph.input.name: ids})
            assert got.shape == logits.shape
            limit = F32_TOLERANCE * np.abs(logits).max()
            if dtype == "f16":
                limit = 2 * np.abs(run_graph(graph, ids, dtype="f16") - logits).max()
            assert np.abs(got - logits).max() <= limit, (entry["name"], dtype, ids.shape)
