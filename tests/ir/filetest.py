"""File tests: programs in text that say what is expected of them.

The first line says what to do:

* `// verify`: parse and verify. `// error: MESSAGE` and `// warning: MESSAGE` stand at the end of the wrong lines, and
  exactly those must appear.
* `// run`: parse, verify (warnings are allowed for), run with every engine there is. `// input NAME = 1 2 3` lines
  feed the RAW inputs, `// limit N` ends the run after N cycles. `// expect: ...` lines at the end hold status,
  cycles, wavelets, the outputs with their cycles, fault and waits.

`pytest --bless` rewrites the expectations.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tulle_ir.artifact import read_program_with_places
from tulle_ir.code import DType
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import HostStream, Program, StreamFormat
from tulle_ir.target import load_target
from tulle_ir.verify_program import verify_program

_FINDING = re.compile(r"\s*// (?=(?:error|warning): )")
_NUMPY = {DType.F16: np.float16, DType.F32: np.float32, DType.I32: np.int32}


def mode(text: str) -> str:
    """`verify` or `run`, from the first line."""
    first = text.partition("\n")[0]
    word = first.removeprefix("// ").strip()
    assert word in ("verify", "run"), f"the first line must be '// verify' or '// run', not '{first}'"
    return word


def with_findings(path: Path) -> str:
    """The text with the findings of parser and verifier on their lines, and no others."""
    lines = [_FINDING.split(line, maxsplit=1)[0].rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    for line, finding in sorted(_findings(path)):
        lines[line - 1] += f"  // {finding}"
    return "\n".join(lines) + "\n"


def _findings(path: Path) -> list[tuple[int, str]]:
    """(line, `error: message`) of everything that is wrong."""
    try:
        program, places = read_program_with_places(path)
    except BadInput as error:
        return [(_line(error.where, path), f"error: {error.what}")]
    found = verify_program(program, load_target(program.target), places)
    return [(_line(finding.where, path), f"{finding.severity}: {finding.message}") for finding in found]


def _line(where: str, path: Path) -> int:
    assert where.startswith(f"{path}:"), f"'{where}' is not a place in the text"
    return int(where.removeprefix(f"{path}:").split(":")[0])


def raw_inputs(program: Program, text: str) -> list[list[np.ndarray]]:
    """The wavelets of each port of each input stream, from the `// input` lines."""
    given = {
        name: [float(word) for word in words.split()]
        for name, words in re.findall(r"^// input (\S+) = (.*)$", text, re.MULTILINE)
    }
    return [_wavelets(stream, given[stream.name]) for stream in program.streams if stream.is_input]


def _wavelets(stream: HostStream, values: list[float]) -> list[np.ndarray]:
    assert stream.format is StreamFormat.RAW and len(values) == stream.width
    parts = np.array(values).astype(_NUMPY[stream.dtype]).reshape(len(stream.ports), -1)
    if stream.dtype is DType.F16 and parts.shape[1] % 2:
        parts = np.concatenate([parts, np.zeros((len(parts), 1), np.float16)], axis=1)
    return [np.ascontiguousarray(part).view(np.uint32) for part in parts]


def limit(text: str) -> int | None:
    """The `// limit N` line."""
    found = re.search(r"^// limit (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None


def without_expectations(text: str) -> str:
    """The text up to its `// expect:` lines."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("// expect:"))


def outcome(result: object, program: Program) -> list[str]:
    """The `// expect:` lines of a run result (of tulle_runtime, which this module does not import)."""
    lines = [f"status {result.status}", f"cycles {result.cycles}"]  # type: ignore[attr-defined]
    lines.append(f"hops {result.hops}, crossings {result.crossings}")  # type: ignore[attr-defined]
    streams = [stream for stream in program.streams if not stream.is_input]
    for stream, ports in zip(streams, result.outputs, strict=True):  # type: ignore[attr-defined]
        for port, arrivals in zip(stream.ports, ports, strict=True):
            values = " ".join(str(value) for value in arrivals.values.view(_NUMPY[stream.dtype]).tolist())
            cycles = " ".join(str(cycle) for cycle in arrivals.cycles.tolist())
            lines.append(f"{stream.name} at ({port.x}, {port.y}): {values} in cycles {cycles}")
    fault = result.fault  # type: ignore[attr-defined]
    if fault:
        lines.append(f"fault {fault.kind} at ({fault.x}, {fault.y}) in cycle {fault.cycle}")
    for wait in result.waits:  # type: ignore[attr-defined]
        lines.append(f"waits ({wait.x}, {wait.y}) {wait.who} for {wait.why}, color {wait.color}, since {wait.since}")
    return [f"// expect: {line}\n" for line in lines]
