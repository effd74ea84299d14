"""The artifact `OUT.tulle`: an uncompressed zip of a manifest, the canonical text of every stage, and the tensors.

Members: `manifest.json`, `stages/LEVEL.tlir`, `tensors.safetensors` (its data aligned to 64 bytes in the file). The
manifest holds the SHA-256 of every other member. Equal artifacts are equal files, byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tulle_ir.archive import Archive, ArchiveWriter
from tulle_ir.diagnostics import BadInput
from tulle_ir.files import atomic
from tulle_ir.program import Program
from tulle_ir.progress import counted
from tulle_ir.tensors import TensorFile, open_tensors, store_chunks
from tulle_ir.text import (
    Places,
    Stage,
    parse_repeated,
    parse_stage_with_places,
    parse_with_places,
    print_program,
    print_stage_with_tensors,
    stored_tensors,
)

SCHEMA = 1
TENSORS = "tensors.safetensors"
MANIFEST = "manifest.json"
REQUIRED = ("tool", "target", "options", "pruning", "seed", "model_sha256", "io")


@dataclass(frozen=True)
class Artifact:
    """A compiled model. `stages` maps a level (`graph`, `plan` ...) to its canonical text; when written or read it
    has `program` among them. `manifest` is what `manifest_of` makes, and may hold more that JSON can say.
    """

    manifest: Mapping[str, Any]
    stages: Mapping[str, str]
    program: Program


def manifest_of(
    *,
    tool: str,
    target: str,
    options: Mapping[str, Any],
    pruning: Mapping[str, Any] | None,
    seed: int,
    model_sha256: str,
    io: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """The manifest's keys: the tool's version, the target, options as given, the pruning that was done (None: none),
    the seed, the hash of the source model, and `io`: names, types and shapes of inputs and outputs.
    """
    return {
        "tool": tool,
        "target": target,
        "options": dict(options),
        "pruning": None if pruning is None else dict(pruning),
        "seed": seed,
        "model_sha256": model_sha256,
        "io": dict(io),
        **more,
    }


def write_artifact(path: Path, artifact: Artifact) -> None:
    """Write the file, whole or not at all. Raises BadInput if it cannot be written, ValueError for a bad manifest."""
    missing = [key for key in REQUIRED if key not in artifact.manifest]
    if missing:
        raise ValueError(f"the manifest lacks {', '.join(missing)}")
    texts = {**artifact.stages, "program": print_program(artifact.program)}
    with atomic(path) as file, ArchiveWriter(file) as archive:
        # the bulk first, where its alignment is easy; the manifest last, when all digests are known
        stored = stored_tensors(artifact.program.tensors)
        size = sum(tensor.nbytes for tensor in stored.values())
        archive.add(TENSORS, counted("write", store_chunks(stored), size))
        for level in sorted(texts):
            archive.add(_member(level), [texts[level].encode()])
        manifest = {**artifact.manifest, "schema": SCHEMA, "members": archive.digests}
        archive.add_json(MANIFEST, manifest)


def read_artifact(path: Path) -> Artifact:
    """The artifact in a file. Raises BadInput if it is missing, truncated, tampered with or of another schema.

    The tensors are views of the file; their digest is checked when the first is taken.
    """
    archive = Archive(path)
    manifest = archive.read_json(MANIFEST)
    _check_manifest(manifest, path)
    digests: dict[str, str] = manifest["members"]
    levels = {name: _level(name) for name in sorted(digests) if name.startswith("stages/")}
    stages = {level: archive.read_text(name, digests[name]) for name, level in levels.items()}
    tensors = TensorFile(archive.view(TENSORS), f"{path}:{TENSORS}", _digest(digests, TENSORS, path))
    if "program" not in stages:
        raise BadInput(f"the member '{_member('program')}' is missing", where=str(path))
    program = parse_repeated(stages["program"], tensors, f"{path}:{_member('program')}")
    return Artifact(manifest, stages, program)


def _member(level: str) -> str:
    return f"stages/{level}.tlir"


def _level(member: str) -> str:
    return member.removeprefix("stages/").removesuffix(".tlir")


def _digest(digests: Mapping[str, str], name: str, path: Path) -> str:
    if name not in digests:
        raise BadInput(f"the manifest does not list the member '{name}'", where=str(path))
    return digests[name]


def _check_manifest(manifest: Mapping[str, Any], path: Path) -> None:
    schema = manifest.get("schema")
    if schema != SCHEMA:
        remedy = "compile the model again with this version of tulle"
        raise BadInput(
            f"the artifact has schema {schema!r}, this version reads {SCHEMA}", where=str(path), remedy=remedy
        )
    missing = [key for key in (*REQUIRED, "members") if key not in manifest]
    if missing:
        raise BadInput(f"the manifest lacks {', '.join(missing)}", where=str(path))
    members = manifest["members"]
    if not isinstance(members, dict) or not all(isinstance(digest, str) and digest for digest in members.values()):
        raise BadInput("the manifest's list of members is broken", where=str(path))


def read_program_text(path: Path) -> Program:
    """The program in TEXT.tlir, with the tensors of TEXT.safetensors if there is one. Raises BadInput."""
    return read_program_with_places(path)[0]


def read_program_with_places(path: Path) -> tuple[Program, Places]:
    """Like `read_program_text`, with the places of its parts, for the verifier."""
    return parse_with_places(*_text_and_tensors(path), str(path))


def read_stage_with_places(path: Path) -> tuple[Stage, Places]:
    """The stage in TEXT.tlir, whichever it is, with the tensors of TEXT.safetensors if there are any, and the places of
    its parts. Raises BadInput."""
    return parse_stage_with_places(*_text_and_tensors(path), str(path))


def _text_and_tensors(path: Path) -> tuple[str, TensorFile | None]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"the file cannot be read: {reason}", where=str(path)) from None
    beside = path.with_suffix(".safetensors")
    return text, open_tensors(beside) if beside.exists() else None


def write_stage_text(path: Path, stage: Stage) -> None:
    """TEXT.tlir in canonical form, and TEXT.safetensors beside it if any tensor is too large for the text."""
    text, stored = print_stage_with_tensors(stage)
    if stored:
        with atomic(path.with_suffix(".safetensors")) as file:
            for chunk in store_chunks(stored):
                file.write(chunk)
    with atomic(path) as file:
        file.write(text.encode())
