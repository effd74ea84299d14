"""The artifact: written whole, read back equal, byte-identical, and refused when anything about it is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tulle_ir.artifact import (
    MANIFEST,
    TENSORS,
    Artifact,
    manifest_of,
    read_artifact,
    read_program_text,
    read_program_with_places,
    write_artifact,
    write_stage_text,
)
from tulle_ir.diagnostics import BadInput
from tulle_ir.files import atomic
from tulle_ir.program import Program
from tulle_ir.text import parse_program

TEXT = """program "p" target "generic" mesh 2x1 {
  class "c" at [0, 0, 2, 1] sram 4096 {
    buffer w : f16[1024] at 0 weights = tensor "w"
  }
  tensor "small" : f32[2] = [1.5, -2.0]
}
"""


def some_program() -> Program:
    rng = np.random.default_rng(0)
    tensors = {
        "w": rng.standard_normal(1024).astype(np.float16),
        "v": rng.integers(-9, 9, (20, 30), np.int64),
        "u": np.arange(77, dtype=np.uint16),
        "empty": np.zeros((0, 3), np.float32),
    }
    program = parse_program(TEXT.replace("  tensor", '  tensor "w" : f16[1024]\n  tensor'), tensors)
    return replace(program, tensors={**program.tensors, **tensors})


def some_artifact() -> Artifact:
    manifest = manifest_of(
        tool="0.1.0",
        target="generic",
        options={"chunk": 16, "dtype": "f16"},
        pruning={"kind": "magnitude", "share": 0.75},
        seed=3,
        model_sha256="0" * 64,
        io={"inputs": [], "outputs": []},
        tokenizer={"kind": "characters"},
    )
    return Artifact(manifest, {"graph": "graph\n", "plan": "plan with ü\n"}, some_program())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A written artifact."""
    file = tmp_path / "model.tulle"
    write_artifact(file, some_artifact())
    return file


def test_reads_back_what_was_written(path: Path) -> None:
    written, read = some_artifact(), read_artifact(path)
    assert read.program == written.program
    assert {**read.stages, "program": ""} == {**written.stages, "program": ""}
    assert {key: read.manifest[key] for key in written.manifest} == written.manifest
    assert not read.program.tensors["w"].flags.writeable


def test_is_an_ordinary_zip_with_aligned_tensors_and_digests(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
        members = {name: file.read(name) for name in file.namelist()}
    digests = json.loads(members.pop(MANIFEST))["members"]
    assert digests == {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    assert path.read_bytes().index(members[TENSORS]) % 64 == 0
    tensors = safetensors.numpy.load(members[TENSORS])
    assert sorted(tensors) == ["u", "v", "w"]
    assert np.array_equal(tensors["v"], some_program().tensors["v"])


def test_same_inputs_give_the_same_bytes_under_any_hash_seed(path: Path, tmp_path: Path) -> None:
    script = "from test_artifact_file import *; write_artifact(Path(sys.argv[1]), some_artifact())"
    files = [tmp_path / f"{seed}.tulle" for seed in (1, 2)]
    for seed, file in enumerate(files, start=1):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parent)}
        subprocess.run([sys.executable, "-c", script, str(file)], check=True, env=environment, cwd=tmp_path)
    assert files[0].read_bytes() == files[1].read_bytes() == path.read_bytes()


def everything_in(path: Path) -> Program:
    """Reads the artifact and takes every tensor."""
    program = read_artifact(path).program
    list(program.tensors.values())
    return program


def test_truncation_anywhere_is_bad_input(path: Path) -> None:
    data = path.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(BadInput) as caught:
            everything_in(path)
        assert str(path) in str(caught.value)


def test_no_changed_byte_changes_the_program(path: Path) -> None:
    data, program = path.read_bytes(), some_program()
    noticed = 0
    for index in range(0, len(data), 61):
        path.write_bytes(data[:index] + bytes([data[index] ^ 0x10]) + data[index + 1 :])
        try:
            assert everything_in(path) == program  # a byte that means nothing, such as a time stamp
        except BadInput:
            noticed += 1
    assert noticed > 0.9 * len(data) / 61


def test_bulk_data_is_checked_at_the_first_touch_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = path.read_bytes()
    index = data.index(some_program().tensors["w"].tobytes()) + 100
    path.write_bytes(data[:index] + b"\xff\xff" + data[index + 2 :])
    program = read_artifact(path).program
    hashed, sha256 = [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda content: hashed.append(content) or sha256(content))
    for name in ("u", "v"):
        with pytest.raises(BadInput, match=r"tensors.safetensors: the tensors differ"):
            program.tensors[name]
    assert len(hashed) == 1


def test_several_threads_may_be_the_first_to_touch_it(path: Path) -> None:
    big = np.zeros(1 << 22, np.float32)  # hashed for so long that all come while it is
    artifact = some_artifact()
    program = replace(artifact.program, tensors={**artifact.program.tensors, "v": big})
    write_artifact(path, replace(artifact, program=program))
    tensors = read_artifact(path).program.tensors
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, big) for found in pool.map(tensors.__getitem__, ["v"] * 4))


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """The artifact's members, changed, in a sound zip."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


def _manifest(members: dict[str, bytes], changes: dict[str, object]) -> None:
    members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | changes).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop(MANIFEST), "the member 'manifest.json' is missing"),
        (lambda m: m.pop(TENSORS), "the member 'tensors.safetensors' is missing"),
        (lambda m: m.pop("stages/graph.tlir"), "the member 'stages/graph.tlir' is missing"),
        (
            lambda m: m.update({"stages/program.tlir": b"program"}),
            "'stages/program.tlir' differs from what the manifest",
        ),
        (lambda m: _manifest(m, {"schema": 2}), "the artifact has schema 2, this version reads 1"),
        (lambda m: _manifest(m, {"members": 3}), "the manifest's list of members is broken"),
        (lambda m: m.update({MANIFEST: b"{}"}), "schema None"),
        (lambda m: m.update({MANIFEST: b"[" * 100_000}), "'manifest.json' is not a JSON object"),
        (lambda m: m.update({MANIFEST: b'{"schema": 1}'}), "the manifest lacks tool, target"),
        (lambda m: m.update({MANIFEST: b"\xff"}), "is not UTF-8 text"),
        (lambda m: m.update({TENSORS: b"\x00"}), "the tensor store is broken"),
    ],
)
def test_what_is_wrong_is_named(path: Path, change: Callable[[dict[str, bytes]], None], message: str) -> None:
    rewrite(path, change)
    with pytest.raises(BadInput) as caught:
        everything_in(path)
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 99])
def test_other_files_are_bad_input(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "x.tulle"
    file.write_bytes(data)
    with pytest.raises(BadInput):
        read_artifact(file)
    with pytest.raises(BadInput):
        read_artifact(tmp_path / "missing.tulle")
    with pytest.raises(BadInput):
        read_artifact(tmp_path)


def test_compressed_members_are_bad_input(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    with pytest.raises(BadInput, match="is broken"):
        read_artifact(path)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, failure: type[BaseException]) -> None:
    file = tmp_path / "x.tulle"
    file.write_bytes(b"before")
    with pytest.raises(failure), atomic(file) as beside:
        beside.write(b"half")
        raise failure
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.tulle"]
    assert file.read_bytes() == b"before"


def test_a_folder_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        write_artifact(tmp_path / "nowhere" / "x.tulle", some_artifact())


def test_a_manifest_without_its_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks"):
        write_artifact(tmp_path / "x.tulle", replace(some_artifact(), manifest={}))


def test_text_with_tensors_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "p.tlir"
    write_stage_text(file, some_program())
    assert (tmp_path / "p.safetensors").exists()
    assert read_program_text(file) == some_program()
    (tmp_path / "p.safetensors").unlink()
    with pytest.raises(BadInput, match=r"p.tlir:\d+:\d+: tensor 'u' has no values"):
        read_program_text(file)


def test_text_whose_tensors_have_another_shape(tmp_path: Path) -> None:
    file = tmp_path / "p.tlir"
    write_stage_text(file, some_program())
    file.write_text(file.read_text().replace("u16[77]", "u16[78]"))
    with pytest.raises(BadInput, match=r"tensor 'u' is u16\[77\] in the file beside the text"):
        read_program_with_places(file)


@pytest.mark.parametrize("data", [b"\xff\xfe", None])
def test_text_that_cannot_be_read(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "p.tlir"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(BadInput, match="cannot be read"):
        read_program_text(file)
