"""The first run ever compiles the engine, with a helper process; later runs don't."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from meshes import chains

from tulle_ir.target import load_target
from tulle_runtime.fast import first, run_fast

RUN = """
import json, sys
from meshes import chains
from tulle_ir.target import load_target
from tulle_runtime.fast import first, run_fast
sys.executable = sys.argv[1]
run_fast(chains(4, 2, 8), load_target("generic"), [])
print(json.dumps({f.__name__: [len(f.signatures), f.stats.cache_hits.total()] for f, _ in first.HERE + first.HELPER}))
"""


def run_first(folder: Path, executable: str) -> dict[str, list[int]]:
    """Runs with an empty cache: for how many types each function was compiled or loaded, and how often loaded."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUN, executable]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_first_run_takes_the_helpers_part_from_the_cache(tmp_path: Path) -> None:
    versions = run_first(tmp_path, sys.executable)
    assert versions["pe_event"] == [1, 1]
    assert all(number <= 1 for number, _ in versions.values())
    assert all(versions[function.__name__][0] == 1 for function, _ in first.HERE)


@pytest.mark.slow
def test_without_a_helper_the_first_run_compiles_everything(tmp_path: Path) -> None:
    assert set(map(tuple, run_first(tmp_path, str(tmp_path / "nothing")).values())) == {(1, 0)}


def test_a_later_run_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    target = load_target("generic")
    run_fast(chains(4, 2, 8), target, [])  # now the engine is in the cache, and in this process
    monkeypatch.setattr(first, "_start_helper", lambda: pytest.fail("a helper was started"))
    first.compile_engine()
    monkeypatch.setattr(first, "run_slice", SimpleNamespace(overloads={}, __name__="run_slice"))
    first.compile_engine()
