"""One PE multiplies a resident fp32 matrix by a vector, a column at a time: `y += a[:, k] * x[k]`.

    python examples/validation/matvec.py --nb 20 --padded 20

prints one JSON object. `cycles` compares with the table `matvec` of published.toml; nb is the number of columns, padded
their length.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from running import TARGET, add_options, delivered, run

from tulle_ir.program import Program
from tulle_ir.text import parse_program

# The columns of a are the rows of a loop that the hardware runs; y lies in another bank group than a.
TEXT = """
program "matvec" target "{target}" mesh 1x1 {{
  {stream}
  tensor "a" : f32[{nb}, {padded}]
  tensor "x" : f32[{nb}]
  class "pe" at [0, 0, 1, 1] sram 49152 {{
    buffer a : f32[{size}] at 0 weights = tensor "a"
    buffer y : f32[{padded}] at 18432
    buffer x : f32[{nb}] at 24576 = tensor "x"
    {queue}
    task main on start {{
      fma y(0), a({padded}), x(1, 0) over {nb}, {padded}
      {deliver}
    }}
  }}
}}
"""
MOST_ELEMENTS = 18432 // 4


def inputs(nb: int, padded: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrix [nb, padded], one column per row, and the vector [nb]: small integers, so that every sum is exact."""
    a = np.arange(nb * padded, dtype=np.float32).reshape(nb, padded) % 7 - 3
    return a, np.arange(nb, dtype=np.float32) % 5 - 2


def build(nb: int, padded: int, *, deliver: bool = False) -> Program:
    """The program; with `deliver` it sends y to the host at the end."""
    a, x = inputs(nb, padded)
    text = TEXT.format(
        target=TARGET, nb=nb, padded=padded, size=nb * padded,
        stream=f"""output "y" : raw f32[{padded}] {{ port (0, 0) west color 0 }}
  route "y" {{ color 0: from ramp at (0, 0), end west }}""" if deliver else "",
        queue="output %out : f32 color 0 queue 0" if deliver else "",
        deliver=f"mov %out, y over {padded}" if deliver else "",
    )  # fmt: skip
    return parse_program(text, {"a": a, "x": x})


def main() -> None:
    """Run it and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nb", type=int, default=20, help="columns")
    parser.add_argument("--padded", type=int, default=20, help="length of a column")
    add_options(parser)
    options = parser.parse_args()
    nb, padded = options.nb, options.padded
    if nb < 1 or padded < 1 or nb * padded > MOST_ELEMENTS:
        parser.error(f"the matrix has at least 1 and at most {MOST_ELEMENTS} elements")
    result = run(build(nb, padded, deliver=options.deliver), options.engine)
    report = {"nb": nb, "padded": padded, "engine": options.engine, "cycles": result.cycles}
    if options.deliver:
        a, x = inputs(nb, padded)
        report["correct"] = bool(np.array_equal(delivered(result), x @ a))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
