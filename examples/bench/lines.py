"""Where the fast engine spends its time, line by line: `python examples/bench/lines.py OUT.tulle --tokens 1,2,3`.

Runs `tulle run` with these arguments under Linux's `perf` (package linux-perf; `addr2line` comes with binutils), the
engine compiled with line numbers. A sample belongs to the innermost of the functions inlined at its address; one that
waits for memory may belong to the line before. Two workers are two threads: their seconds are added.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

RATE = 500  # samples per second and thread
ROWS = 40

CHILD = """
import sys
from pathlib import Path
from tulle.__main__ import main
begin = sys.argv.pop()
status = main()
from tulle_runtime.fast.loop import run_slice
(compiled,) = run_slice.overloads.values()
name = compiled.fndesc.llvm_func_name
Path(begin).write_text(str(compiled.library.get_pointer_to_function(name)))
sys.exit(status)
"""
WARM = "from meshes import chains; from tulle_ir.target import load_target; from tulle_runtime.fast import run_fast; "
WARM += "run_fast(chains(4, 2, 8), load_target('generic'), [])"


def main(arguments: list[str]) -> None:
    """Both tables."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        here = os.environ.get("PYTHONPATH", "")
        paths = os.pathsep.join([str(Path(__file__).parent), here])
        environment = os.environ | {"NUMBA_DEBUGINFO": "1", "NUMBA_CACHE_DIR": name, "PYTHONPATH": paths}
        subprocess.run([sys.executable, "-W", "ignore", "-c", WARM], env=environment, check=True)
        samples, begin = folder / "samples", folder / "begin"
        record = ["perf", "record", "--quiet", "--event", "cpu-clock", "--freq", str(RATE), "--output", str(samples)]
        run = [sys.executable, "-c", CHILD, "run", *arguments, str(begin)]
        subprocess.run([*record, *run], env=environment, check=True, stdout=subprocess.DEVNULL)
        _print(samples, int(begin.read_text()), _object(folder))


def _object(folder: Path) -> Path:
    """The compiled engine as an object file, out of numba's cache."""
    (cached,) = folder.glob("**/loop.run_slice*.nbc")
    data = cached.read_bytes()
    file = folder / "engine.o"
    file.write_bytes(data[data.index(b"\x7fELF") :])
    return file


def _print(samples: Path, begin: int, engine: Path) -> None:
    script = ["perf", "script", "--input", str(samples), "--fields", "ip,sym"]
    where = [line.split(None, 1) for line in _output(script).splitlines() if line.strip()]
    offsets = Counter(int(address, 16) - begin for address, _ in where)
    functions: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for offset, frames in _frames(engine, sorted(at for at in offsets if 0 <= at < _size(engine))):
        functions.update({name: offsets[offset] for name, _ in frames})
        name, line = frames[0]
        lines[f"{line:24}{name}"] += offsets[offset]
    print(f"{len(where) / RATE:.1f} s in all, of them {sum(lines.values()) / RATE:.1f} s in the engine")
    for title, table in (("with what it calls", functions), ("line", lines)):
        print(f"\n{'seconds':>8}  {title}")
        for row, count in table.most_common(ROWS):
            print(f"{count / RATE:>8.2f}  {row}")


def _size(engine: Path) -> int:
    """Bytes of its code."""
    for row in _output(["readelf", "--wide", "--sections", str(engine)]).splitlines():
        words = row.partition("] ")[2].split()
        if words and words[0] == ".ltext":
            return int(words[4], 16)
    raise SystemExit("the engine's object file has no section .ltext")


def _frames(engine: Path, offsets: list[int]) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """(offset, [(function, file:line), ...] from the innermost inlined function out)."""
    command = ["addr2line", "--exe", str(engine), "--section", ".ltext", "--inlines", "--functions", "--addresses"]
    rows = _output([*command, *map(hex, offsets)]).splitlines()
    begins = [k for k, row in enumerate(rows) if row.startswith("0x")]
    for begin, end in pairwise([*begins, len(rows)]):
        names, places = rows[begin + 1 : end : 2], rows[begin + 2 : end : 2]
        lines = [Path(place.partition(" ")[0]).name for place in places]
        yield int(rows[begin], 16), list(zip(map(_short, names), lines, strict=True))


def _short(mangled: str) -> str:
    """The function's own name, the last of numba's: each has the number of its letters before it."""
    name, rest = mangled, mangled.removeprefix("_ZN")
    while digits := re.match(r"\d+", rest):
        end = digits.end() + int(digits[0])
        name, rest = rest[digits.end() : end], rest[end:]
    return name


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
