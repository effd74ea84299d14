"""Tiny programs for the engine tests: one PE with an input (color 0, west) and two outputs (1 east, 2 south).

On `generic` the start task is launched in cycle 18 and dispatched in ten slots, so its first instruction has its slot
in cycle FIRST = 28. What the PE pushes in cycle t is visible to its router in t + 3 and has arrived at the host in
t + 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tulle_ir.program import Program
from tulle_ir.target import load_target
from tulle_ir.text import parse_program
from tulle_runtime.result import RunResult

Run = Callable[..., RunResult]
"""run(program, words, words ..., max_cycles=None): one array of wavelets per input stream, each with one port."""
Arrays = Mapping[str, tuple[int, np.ndarray]]
"""name: (byte address, contents)"""

GENERIC = load_target("generic")
DISPATCH = GENERIC.dispatch_cycles
LOAD, BRANCH = GENERIC.load_cycles, GENERIC.branch_cycles
FIRST = GENERIC.launch_cycles + DISPATCH  # the cycle of the first slot of a start task's code
BANK = 6144  # bytes
NAMES = {
    np.dtype(np.float16): "f16",
    np.dtype(np.float32): "f32",
    np.dtype(np.int32): "i32",
    np.dtype(np.uint16): "u16",
}

FRAME = """
program "tiny" target "generic" mesh 1x1 {{
  {tensors}
  input "in" : raw i32[1] {{ port (0, 0) west color 0 }}
  output "out" : raw i32[1] {{ port (0, 0) east color 1 }}
  output "also" : raw i32[1] {{ port (0, 0) south color 2 }}
  route "in" {{ color 0: from west at (0, 0), end ramp }}
  route "out" {{ color 1: from ramp at (0, 0), end east }}
  route "also" {{ color 2: from ramp at (0, 0), end south }}
  class "pe" at [0, 0, 1, 1] sram {sram} {{
    {declare}
    input %in : {dtype} color 0 queue 0
    output %out : {dtype} color 1 queue 0
    output %also : {dtype} color 2 queue 1
    task main on start {{
      {code}
    }}
    {tasks}
  }}
}}
"""


def tiny(
    code: str, arrays: Arrays | None = None, *, declare: str = "", tasks: str = "", dtype: str = "f32",
    sram: int = 49152, beside: Mapping[str, np.ndarray] | None = None,
) -> Program:  # fmt: skip
    """The program; arrays become buffers, `beside` more tensors, `tasks` follow the task main."""
    arrays, tensors = arrays or {}, dict(beside or {})
    for name, (address, array) in arrays.items():
        tensors[name] = array
        declare += f'\n    buffer {name} : {NAMES[array.dtype]}[{array.size}] at {address} = tensor "{name}"'
    declared = [f'tensor "{n}" : {a.dtype.kind}{8 * a.itemsize}{list(a.shape)}' for n, a in tensors.items()]
    text = FRAME.format(
        tensors="\n  ".join(declared), sram=sram, declare=declare, dtype=dtype, code=code, tasks=tasks
    )  # fmt: skip
    return parse_program(text, tensors)


def result_of(run: Run, code: str, arrays: Arrays, out: str, **more: str) -> np.ndarray:
    """What the array `out` holds after `code`."""
    array = arrays[out][1]
    name = NAMES[array.dtype]
    end = f"{code}\n mov %out, {out} over {array.size}"
    words = run(tiny(end, arrays, dtype=name, **more)).outputs[0][0].values  # type: ignore[arg-type]
    return words.view(array.dtype)[: array.size]


def slots_of(run: Run, code: str, arrays: Arrays | None = None, **more: str) -> int:
    """The slots that `code` costs."""
    result = run(tiny(code, arrays, **more))  # type: ignore[arg-type]
    assert result.status == "ok"
    return int(result.counts.slots[0, 0]) - DISPATCH


def register_of(run: Run, code: str, arrays: Arrays | None = None, *, declare: str = "register r, a, b") -> int:
    """The register r after `code`, as a signed number."""
    result = run(tiny(f"{code}\n push %out = r", arrays, declare=declare))
    return int(result.outputs[0][0].values.view(np.int32)[-1])


def arrivals(result: RunResult, output: int = 0) -> list[int]:
    """The cycles in which wavelets arrived at an output."""
    return result.outputs[output][0].cycles.tolist()


def words(result: RunResult, output: int = 0) -> list[int]:
    """The wavelets that arrived at an output."""
    return result.outputs[output][0].values.tolist()


def f32(*values: float) -> np.ndarray:
    """An f32 array."""
    return np.array(values, np.float32)


def f16(*values: float) -> np.ndarray:
    """An f16 array."""
    return np.array(values, np.float16)


def bits(array: np.ndarray) -> list[int]:
    """The bit patterns of an array's elements."""
    return array.view(np.uint16 if array.itemsize == 2 else np.uint32).tolist()
