"""The finishing PEs of a linear kernel: bias, activation, conversion, and the output stream.

The m finishers of a row stand in a line behind its tiles. Finisher s keeps its share of the rows of partial sums and
passes the later shares on. The results of the earlier shares come through it while it works on its own, which go out
behind them: none waits for a later one, which gets its sums later.
"""

from __future__ import annotations

import numpy as np

from tulle_compiler.kernels.activations import activation_code, activation_slots
from tulle_compiler.kernels.builder import ClassBuilder, launch, mem, send_header, take_header, wait
from tulle_compiler.kernels.chains import at
from tulle_compiler.kernels.filtered import end, sparse
from tulle_compiler.kernels.view import View
from tulle_compiler.options import Precision
from tulle_ir.code import DType, Fabric, Instruction, Reg
from tulle_ir.program import Bundle, Grid, Leg, Port, ProgramClass
from tulle_ir.target import Target

PASS_ON, RECEIVE, SEND, FORWARD = 0, 1, 2, 3  # microthreads, most urgent first


def result_chain(first: int, m: int, rows: int, parity: int) -> tuple[Bundle, ...]:
    """Per row, finisher s = 2i + parity (column first + s) passes results to finisher s + 1."""
    pairs = (m - parity) // 2
    if pairs <= 0:
        return ()
    start = first + parity
    hop = Leg(Port.EAST, at(start + 1, 2))
    return (Bundle(0, (pairs, rows), at(start, 2), at(0, 0, 1), Port.RAMP, (hop,), Port.RAMP),)


def shares(sizes: np.ndarray, m: int) -> np.ndarray:
    """Bounds of the finishers' shares of each lane's rows: [m + 1, lanes]."""
    return np.arange(m + 1)[:, None] * sizes[None, :] // m


def finish_slots(rows: int, m: int, s: int, activation: str, precision: Precision, target: Target, chunk: int) -> float:
    """Datapath slots of finisher s per full chunk of a lane with `rows` rows."""
    own = -(-rows // m)
    sums = precision.reduce.wavelets(chunk)
    out = precision.stream.wavelets(chunk)
    passing = (rows - rows * s // m) * sums
    sending = (own + rows * s // m) * out
    return passing + sending + activation_slots(activation, own, precision, target, chunk) + 20


def finish_latency(rows: int, m: int, activation: str, precision: Precision, target: Target, chunk: int) -> float:
    """Cycles of a lone chunk from its last sum to its first result: who takes in the results counts the others."""
    return activation_slots(activation, -(-rows // m), precision, target, chunk) + target.dispatch_cycles + 20


def finish_bytes(rows: int, m: int, activation: str, precision: Precision, chunk: int) -> int:
    """SRAM of a finisher: the sums, results and bias of its share of a lane with `rows` rows, and scratch."""
    scratch = (activation in ("gelu", "gelu_tanh")) + (activation != "none" and precision.reduce is not DType.F32)
    return -(-rows // m) * (chunk * (precision.reduce.size + precision.stream.size + 4 * scratch) + 4)


def emit_finishers(view: View, s: int, tensors: dict[str, np.ndarray]) -> list[ProgramClass]:
    """Finisher s of every row: one class per color of the output stream."""
    colors = view.ports["y"].colors
    period = len(set(colors)) if s == view.number("finishers") - 1 else 1
    return [_emit(view, s, first, period, tensors) for first in range(period)]


def _emit(view: View, s: int, first_row: int, step: int, tensors: dict[str, np.ndarray]) -> ProgramClass:
    """Finisher s of rows first_row, first_row + step, ..."""
    precision, chunk, m = view.precision, view.chunk, view.number("finishers")
    outputs, tiles = view.partition("outputs"), view.partition("inputs").lanes
    lanes = view.ports["y"].lanes()[first_row::step]
    bounds = shares(outputs.sizes[lanes], m)
    own = (bounds[s + 1] - bounds[s])[:, None]
    name = f"finish{s}" if step == 1 else f"finish{s}_{first_row}"
    b = ClassBuilder(name, Grid(tiles + s, first_row, 1, len(lanes), 1, step), view.target)
    rows, header, n = b.register("rows", own), b.register("header"), b.register("n")
    sums = b.input("sum_in", view.colors[(tiles + s - 1) % 2], precision.reduce)
    color = view.ports["y"].colors[first_row] if s == m - 1 else view.colors[2 + s % 2]
    out = b.output("out", color, precision.stream)
    activation, bias = str(view.kernel.params["activation"]), _bias(view, s, lanes, bounds)
    if m == 1 and bias is None and activation == "none" and precision.stream is precision.reduce:
        b.task("chunk", _pass_through(sums, out, header, rows, n), on=sums)
        return b.finish(view.kernel.name, view.frame, tensors)
    largest = max(1, int(own.max()))
    b.buffer("Z", precision.reduce, largest * chunk, side=0)
    code: list[Instruction] = [
        *take_header(sums, header, n),
        launch(RECEIVE, "mov", mem("Z", (chunk, 1)), sums, None, rows, n),
        wait(RECEIVE),
    ]
    if s < m - 1:
        pass_on = b.output("sum_out", view.colors[(tiles + s) % 2], precision.reduce)
        later = b.register("later", (outputs.sizes[lanes] - bounds[s + 1])[:, None])
        code += [wait(PASS_ON), send_header(pass_on, header)]
        code.append(launch(PASS_ON, "mov", pass_on, sums, None, later, n))
    filters = s == m - 1 and view.number("filters")
    earlier = b.register("earlier", bounds[s][:, None]) if s > 0 else None
    onward, to, tokens = (sparse(out), sparse(out, earlier), 1) if filters else (out, out, n)
    code += [wait(SEND), send_header(out, header)]
    if earlier is not None:
        results = b.input("results", view.colors[2 + (s - 1) % 2], precision.stream)
        code += [*take_header(results, header, n), launch(FORWARD, "mov", onward, results, None, earlier, tokens)]
    code += activation_code(b, activation, bias, rows, n, largest, chunk, precision)
    code += [wait(FORWARD), launch(SEND, "mov", to, mem("OUT", (chunk, 1)), None, rows, tokens)]
    if filters:
        code += end(out, SEND)
    b.task("chunk", code, on=sums)
    return b.finish(view.kernel.name, view.frame, tensors)


def _pass_through(sums: Fabric, out: Fabric, header: Reg, rows: Reg, n: Reg) -> list[Instruction]:
    """Nothing to finish: the sums are the results."""
    return [
        *take_header(sums, header, n),
        wait(SEND),
        send_header(out, header),
        launch(SEND, "mov", out, sums, None, rows, n),
    ]


def _bias(view: View, s: int, lanes: np.ndarray, bounds: np.ndarray) -> np.ndarray | None:
    """The bias of each PE's rows, [lanes, 1, largest share], or None."""
    if "bias" not in view.kernel.tensors:
        return None
    values, outputs = view.kernel.tensors["bias"], view.partition("outputs")
    bias = np.zeros((len(lanes), 1, max(1, int((bounds[s + 1] - bounds[s]).max()))), np.float32)
    for row, lane in enumerate(lanes):
        mine = values[outputs.features(int(lane))[bounds[s, row] : bounds[s + 1, row]]]
        bias[row, 0, : len(mine)] = mine
    return bias
