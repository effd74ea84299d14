"""Dense SUMMA: C = A * B in fp32 on P x P PEs, a tile of T x T of each matrix per PE.

    python examples/validation/summa.py --p 32 --t 16

prints one JSON object. `cycles_per_step` (all cycles of the run divided by its P steps) compares with the table `summa`
of published.toml. In step k the PEs of column k send their tile of A along their rows, those of row k their tile of B
along their columns, from PE to PE; then every PE adds the product of the two tiles to its own tile of C, one AXPY per
element of B, in a software loop.

PEs wait for their neighbours only, so a step takes as long on a small mesh as on a large one. Of a larger P a mesh of
`--mesh` x `--mesh` PEs is run (JSON: `mesh`): 16 takes seconds, 512 minutes and gigabytes.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from running import add_options, run
from summa_program import build, delivered_product, inputs


def main() -> None:
    """Run it and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--p", type=int, default=8, help="the mesh is P x P PEs")
    parser.add_argument("--t", type=int, default=4, help="a tile is T x T")
    parser.add_argument("--mesh", type=int, default=16, help="side of the largest mesh to run in place of P x P")
    add_options(parser)
    options = parser.parse_args()
    p, t = min(options.p, options.mesh), options.t
    if p < 2 or t < 1:
        parser.error("P and the mesh are at least 2, T at least 1")
    result = run(build(p, t, deliver=options.deliver), options.engine)
    report = {
        "p": options.p, "t": t, "engine": options.engine, "mesh": p, "steps": p,
        "cycles": result.cycles, "cycles_per_step": round(result.cycles / p, 1),
    }  # fmt: skip
    if options.deliver:
        a, b = inputs(p, t)
        report["correct"] = bool(np.array_equal(delivered_product(result, p, t), a @ b))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
