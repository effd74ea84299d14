"""A sparse times a dense matrix, both resident: C [N, M] = A [N, K] * B [K, M] in fp32, the compute loop of every PE.

    python examples/validation/spmm.py --format csc --width 64 --height 12 --n 768 --k 768 --m 132 --density 10

prints one JSON object. `cycles_avg`, `cycles_min` and `cycles_max` over the PEs compare with the table `spmm` of
published.toml. N is cut over the height of the mesh, K over its width; a PE multiplies its tiles of A and B, one AXPY
per non-zero, in a software loop that reads the indices from SRAM. In COO every PE has as many entries as the fullest
one (padding: value 0 at row 0, column 0), in CSC its own. C is stored by columns, B by rows. `--deliver` adds the PEs'
parts of C along each row of the mesh, sends them to the host and checks them.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from running import add_options, run, wse2
from spmm_program import CODE, build, problem, product


def main() -> None:
    """Run it and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=CODE, default="csc", help="how A is stored")
    parser.add_argument("--width", type=int, default=8, help="PEs, over which K is cut")
    parser.add_argument("--height", type=int, default=4, help="PEs, over which N is cut")
    parser.add_argument("--n", type=int, default=64, help="rows of A and C")
    parser.add_argument("--k", type=int, default=64, help="columns of A, rows of B")
    parser.add_argument("--m", type=int, default=12, help="columns of B and C")
    parser.add_argument("--density", type=float, default=20, help="non-zeros of A in percent (0 to 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the random pattern and values")
    add_options(parser)
    o = parser.parse_args()
    if min(o.width, o.height, o.n, o.k, o.m) < 1 or not 0 <= o.density <= 100:
        parser.error("sizes are at least 1, the density is between 0 and 100 percent")
    given = problem(o.format, (o.width, o.height), (o.n, o.k, o.m), o.density, o.seed)
    result = run(build(given, deliver=o.deliver), o.engine)
    slots = result.counts.slots - wse2().dispatch_cycles  # a PE does nothing else, and waits for nobody
    report = {
        "format": o.format, "mesh": [o.width, o.height], "n": o.n, "k": o.k, "m": o.m, "density": o.density,
        "seed": o.seed, "engine": o.engine, "nonzeros": int(np.count_nonzero(given.a)),
        "cycles_avg": round(float(slots.mean()), 1), "cycles_min": int(slots.min()), "cycles_max": int(slots.max()),
    }  # fmt: skip
    if o.deliver:
        report["correct"] = bool(np.array_equal(product(result, given), given.a @ given.b))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
