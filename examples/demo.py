"""The main job, from a trained and pruned GPT to values and cycles: what `make demo` runs.

Compiles the sparse GPT-2 of gpt2_topics and its dense twin for the same mesh, runs a prompt on both, verifies the
sparse one against onnxruntime, and compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = Path(__file__).parent / "gpt2_topics"
MESH = "64x64"
CHUNK = "4"  # short chunks for a short prompt, and the same ones for both twins
PROMPT = "The value of the expression is "


def tulle(*arguments: str) -> None:
    """Run a command as a user would, showing it."""
    print("\n$ tulle " + " ".join(a if " " not in a else f'"{a}"' for a in arguments), flush=True)
    subprocess.run([sys.executable, "-m", "tulle", *arguments], check=True)


def main() -> None:
    """Compile, run, verify, compare."""
    with tempfile.TemporaryDirectory() as folder:
        reports = {}
        for name in ("sparse", "dense"):
            model, program = MODELS / f"gpt2_topics_{name}.onnx", Path(folder) / f"{name}.tulle"
            report = Path(folder) / f"{name}.json"
            tulle("compile", str(model), "-o", str(program), "--mesh", MESH, "--replicas", "1", "--chunk", CHUNK)
            verify = ["--verify", str(model)] if name == "sparse" else []
            tulle("run", str(program), "--prompt", PROMPT, "--report", str(report), *verify)
            reports[name] = json.loads(report.read_text())
        compare(reports["sparse"], reports["dense"])


def compare(sparse: dict, dense: dict) -> None:
    """One line per figure that sparsity changes."""
    print(f"\nsparse against dense, {sparse['tokens']} tokens on {MESH} PEs of {sparse['target']}")
    rows = [
        ("cycles", sparse["cycles"], dense["cycles"]),
        ("time at the target's clock, us", sparse["time_us"], dense["time_us"]),
        ("bound of the mapping, cycles", sparse["bound_cycles"], dense["bound_cycles"]),
        ("parameters stored", *(r["accounting"]["parameters_stored"] for r in (sparse, dense))),
        ("FLOPs per token", *(r["accounting"]["flops_per_token"] for r in (sparse, dense))),
    ]
    print(f"{'':32}{'sparse':>14}{'dense':>14}{'dense/sparse':>14}")
    for name, a, b in rows:
        print(f"{name:32}{a:>14}{b:>14}{b / max(a, 1):>14.2f}")


if __name__ == "__main__":
    main()
