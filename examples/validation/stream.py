"""Weight streaming: activations stay in the PEs, the non-zero weights of a linear layer pass through them.

    python examples/validation/stream.py --features 64 --outputs 64 --tokens 32 --width 8 --height 2 --sparsity 0.9

prints one JSON object: `cycles`, and the speed-up over sparsity 0. Features lie over x, tokens over y. For each output
in turn every column of PEs gets the weights that lead from its features there: (feature, value) wavelets from the north
edge, multicast down the column, then an end mark. Each weight triggers one AXPY over the tokens of a PE. The partial
sums of a group of outputs are added up on their way around the row, a ring of PEs, while the next group's weights
arrive; the ring of group g ends at PE g (mod width), where the next layer has these features. docs/streaming.md says
what comes out.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from running import add_options, run
from stream_layer import Layer, activations, wavelets, weights
from stream_program import build, delivered

from tulle_runtime.result import RunResult


def simulate(layer: Layer, sparsity: float, engine: str, *, deliver: bool = False) -> tuple[RunResult, int]:
    """The result, and how many wavelets came in."""
    w = weights(layer, sparsity)
    streams = [wavelets(w[features]) for features in layer.columns()]
    return run(build(layer, deliver=deliver), engine, [streams]), sum(map(len, streams))


def main() -> None:
    """Run it and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=64, help="inputs of the layer")
    parser.add_argument("--outputs", type=int, default=64, help="outputs of the layer")
    parser.add_argument("--tokens", type=int, default=32, help="tokens in all; the height divides them")
    parser.add_argument("--width", type=int, default=8, help="columns of PEs")
    parser.add_argument("--height", type=int, default=2, help="rows of PEs")
    parser.add_argument("--sparsity", type=float, default=0.9, help="share of the weights that are zero")
    parser.add_argument("--group", type=int, help="outputs that are summed up together (default: outputs / width)")
    add_options(parser)
    options = parser.parse_args()
    group = options.group or -(-options.outputs // max(options.width, 1))
    layer = Layer(options.features, options.outputs, options.tokens, options.width, options.height, group)
    complaint = layer.complaint() or ("" if 0 <= options.sparsity < 1 else "the sparsity is at least 0, less than 1")
    if complaint:
        parser.error(complaint)
    result, came_in = simulate(layer, options.sparsity, options.engine, deliver=options.deliver)
    dense, _ = simulate(layer, 0.0, options.engine, deliver=options.deliver) if options.sparsity else (result, 0)
    names = ("features", "outputs", "tokens", "width", "height", "sparsity", "engine")
    report = {name: getattr(options, name) for name in names} | {
        "group": group,
        "cycles": result.cycles,
        "dense_cycles": dense.cycles,
        "speedup": round(dense.cycles / result.cycles, 3),
        "weights_per_cycle": round(came_in / result.cycles, 2),
    }
    if options.deliver:
        wanted = activations(layer).astype(np.float32) @ weights(layer, options.sparsity)
        report["correct"] = bool(np.array_equal(delivered(layer, result), wanted))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
