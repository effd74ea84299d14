"""Files that real exporters wrote: imported, run in numpy and held to the recorded onnxruntime outputs.

The files are not part of the repository; the tests skip where they are absent.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import scrambled

from tulle_compiler.check import F32_TOLERANCE, compare
from tulle_compiler.frontend import import_onnx
from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Linear, Norm
from tulle_ir.graph_run import run_graph

ZOO = Path(__file__).resolve().parents[3] / "shared" / "zoo"
INDEX = ZOO / "index.jsonl"
ENTRIES = {e["name"]: e for e in map(json.loads, INDEX.read_text().splitlines())} if INDEX.exists() else {}
FOLDERS = ("01_hf_gpt2_legacy", "05_nanogpt")
REFUSED = {  # in the two folders this release promises
    "gpt2_legacy_eager_mask_op17_tf430": "2 inputs",
    "gpt2_legacy_sdpa_mask_op17": "2 inputs",
    "mini_stdln_op17": "no linear, LayerNorm",
}
ALSO = (  # come for free from other folders
    *("gpt2_dynamo_sdpa_op18", "opt_legacy_eager_op17", "mini_rmsnorm_torchop_dynamo_op23"),
    *("gpt2_block16_75", "gpt2_dense_base", "gpt2_global84", "gpt2_nm24_wrongaxis", "gpt2_sparse_edge"),
    *("gpt2_unstr75", "gpt2_unstr75_sparseinit_2d", "gpt2_unstr84_sparseconst", "gpt2_unstr84_sparseinit_lin"),
    *("gpt2_weightonly_dq_int8", "base_mingpt_op17", "dynamo_keepinit", "ext_onefile", "ext_per_tensor"),
    *("gemm_alpha_beta_transB", "local_functions_nested", "names_stripped_numeric", "nodes_unsorted"),
    *("onnxslim_gpt2_op18", "weights_bf16_cast", "weights_need_folding"),
)
TAKEN = [n for n, e in ENTRIES.items() if e["category"] in FOLDERS and n not in REFUSED]
TAKEN += [name for name in ALSO if name in ENTRIES]
ACCEPTED_BAD = {  # 10_bad entries that are fine as files
    "bad_mlp_regressor": "a plain MLP is a valid model",
    "bad_identity_chain_20000": "valid, only long",
    "bad_request_empty_batch": "the request is bad, not the model",
    "bad_request_seq_too_long": "the request is bad, not the model",
    "bad_request_token_out_of_range": "the request is bad, not the model",
    "bad_duplicate_node_names": "node names do not matter",
    "bad_control_good": "good",
}
BAD = [name for name, e in ENTRIES.items() if e["category"] == "10_bad"]

pytestmark = pytest.mark.skipif(not ENTRIES, reason="no zoo beside the repository")


def path_of(name: str) -> Path:
    path = ZOO / ENTRIES[name]["file"]
    return path if path.is_file() else next(path.glob("*.onnx"))


@pytest.mark.parametrize("name", TAKEN)
def test_oracle_agrees_with_onnxruntime(name: str) -> None:
    graph = import_onnx(path_of(name))
    entry = ENTRIES[name]
    feed, result = entry["inputs"][0]["name"], entry["outputs"][0]["name"]
    with np.load(ZOO / entry["npz"]) as data:
        cases = sorted({key.split("/")[0] for key in data.files if "/in/" in key})
        assert cases
        for case in cases:
            key = f"{case}/out_noopt/{result}"
            reference = data[key if key in data.files else f"{case}/out/{result}"]
            comparison = compare(run_graph(graph, data[f"{case}/in/{feed}"]), reference)
            assert comparison.error <= F32_TOLERANCE, case


@pytest.mark.parametrize("name", [name for name in REFUSED if name in ENTRIES])
def test_not_taken_yet(name: str) -> None:
    with pytest.raises(BadInput, match=REFUSED[name]):
        import_onnx(path_of(name))


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(name: str) -> None:
    start = time.monotonic()
    if name in ACCEPTED_BAD:
        import_onnx(path_of(name))
    else:
        with pytest.raises(BadInput) as caught:
            import_onnx(path_of(name))
        assert caught.value.where
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    "name", ["gpt2_legacy_eager_op11", "nanogpt_flash_dynamo_op18", "mini_manualgelu_manualln_op17"]
)
def test_names_and_order_do_not_matter(name: str, tmp_path: Path) -> None:
    if name not in ENTRIES:
        pytest.skip("not in this zoo")
    model = onnx.load(path_of(name))
    onnx.save(scrambled(model, 1), tmp_path / "m.onnx")
    assert import_onnx(tmp_path / "m.onnx") == import_onnx(path_of(name))


def test_parameters_are_those_of_the_file() -> None:
    """What is read off probes is replaced by the file's own numbers, bit for bit."""
    names = "gpt2_legacy_eager_op14", "gpt2_legacy_eager_op17"  # layer norms written out, and fused
    spelled, fused = (import_onnx(path_of(name)) for name in names)
    norms = [[op for op in graph.ops if isinstance(op, Norm)] for graph in (spelled, fused)]
    assert norms[0] == norms[1]


def test_tied_head() -> None:
    head = import_onnx(path_of("nanogpt_flash_legacy_op17")).ops[-1]
    assert isinstance(head, Linear)
    assert head.tied
