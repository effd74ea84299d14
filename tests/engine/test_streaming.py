"""Weight streaming by hand (examples/validation/stream.py): right results, and cycles that fall with sparsity."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tulle_runtime.result import RunResult

FOLDER = Path(__file__).parents[2] / "examples" / "validation"
sys.path.append(str(FOLDER))  # scripts, not a package
layers, programs, script = (import_module(name) for name in ("stream_layer", "stream_program", "stream"))


def simulate(
    features: int, outputs: int, tokens: int, width: int, height: int, sparsity: float, group: int = 0
) -> RunResult:
    layer = layers.Layer(features, outputs, tokens, width, height, group or -(-outputs // width))
    assert not layer.complaint()
    return script.simulate(layer, sparsity, "fast")[0]


@pytest.mark.parametrize("engine", ["fast", "reference"])
@pytest.mark.parametrize(
    "sizes",
    [(20, 18, 8, 4, 2, 5), (7, 5, 9, 3, 3, 2), (2, 1, 1, 2, 1, 1), (33, 40, 10, 5, 1, 8), (16, 37, 4, 4, 1, 3)],
)
def test_the_results_are_right_and_lie_where_the_next_layer_needs_them(engine: str, sizes: tuple[int, ...]) -> None:
    layer = layers.Layer(*sizes)
    result, _ = script.simulate(layer, 0.7, engine, deliver=True)
    wanted = layers.activations(layer).astype(np.float32) @ layers.weights(layer, 0.7)
    assert np.array_equal(programs.delivered(layer, result), wanted)


def test_both_engines_agree() -> None:
    layer = layers.Layer(24, 21, 6, 4, 2, 6)
    fast, reference = (script.simulate(layer, 0.6, engine)[0] for engine in ("fast", "reference"))
    assert fast.cycles == reference.cycles
    assert np.array_equal(fast.counts.slots, reference.counts.slots)
    assert np.array_equal(fast.counts.axpys, reference.counts.axpys)


def test_only_non_zero_weights_are_multiplied() -> None:
    layer = layers.Layer(64, 48, 4, 4, 2, 12)
    result, _ = script.simulate(layer, 0.5, "fast")
    assert (layers.weights(layer, 0.5).reshape(4, 16, 48) != 0).any(axis=1).all()  # no PE gets a zero to set its sums
    assert result.counts.axpys.sum() == layer.height * np.count_nonzero(layers.weights(layer, 0.5))


def test_the_speed_up_comes_close_to_the_ideal_where_a_pe_has_many_features() -> None:
    cycles = [simulate(512, 256, 16, 4, 1, sparsity).cycles for sparsity in (0, 0.5, 0.75, 0.9)]
    speedups = [cycles[0] / each for each in cycles]
    assert speedups == sorted(speedups)
    assert all(0.8 * ideal < got <= ideal for got, ideal in zip(speedups, (1, 2, 4, 10), strict=True))


def test_a_steady_state_needs_the_slots_of_its_weights_marks_and_sums() -> None:
    few, many = (simulate(256, 64 * groups, 16, 4, 1, 0, group=64).cycles for groups in (2, 8))
    per_output = 64 * (1 + 16 // 2) + 1 + 16  # one overhead and two tokens per slot; the end mark; one sum per slot
    assert (many - few) / (64 * 6) == pytest.approx(per_output, rel=0.01)


def test_rows_do_the_same_a_hop_later() -> None:
    one, three = (simulate(64, 32, 8 * height, 4, height, 0.5).cycles for height in (1, 3))
    assert 0 <= three - one <= 2


def test_the_script_prints_its_figures_or_says_what_does_not_fit() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(FOLDER / "stream.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    report = json.loads(run("--features", "20", "--outputs", "16", "--deliver").stdout)
    assert report["correct"]
    assert report["speedup"] == pytest.approx(report["dense_cycles"] / report["cycles"], abs=1e-3)
    refused = run("--tokens", "4096", "--height", "1")
    assert refused.returncode == 2
    assert "bytes of activations (6144 fit)" in refused.stderr
