"""Normalising on a strip (strip.py): values stay where they are, sums over all lanes run along the line and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tulle_compiler.kernels.builder import ClassBuilder, add_to, launch, mem, vector, wait
from tulle_compiler.kernels.chains import sending_parity
from tulle_compiler.kernels.strip import BROADCAST, CHAIN
from tulle_compiler.kernels.view import View
from tulle_ir.code import DType, Instruction, Reg
from tulle_ir.program import Category


def norm(view: View, b: ClassBuilder, first: int, lanes: np.ndarray, rows: Reg, n: Reg) -> list[Instruction]:
    """OUT = norm(X), in f32 inside. F: the values as f32, centred; their copy Q is read from another bank."""
    chunk, params, stream = view.chunk, view.kernel.params, view.precision.stream
    block = view.partition("lanes").largest * chunk
    b.buffer("OUT", stream, block)
    b.buffer("F", DType.F32, block, side=1)
    b.buffer("Q", DType.F32, block, side=2)
    b.buffer("S", DType.F32, chunk, side=0)
    x, wide, copy, sums = mem("X", (chunk, 1)), mem("F", (chunk, 1)), mem("Q", (chunk, 1)), mem("S", (0, 1))
    clear, share = (
        vector("mov", sums, 0.0, None, 1, n),
        vector("mul", sums, sums, 1.0 / len(view.partition("lanes").order), 1, n),
    )
    code: list[Instruction] = []
    if params["norm"] == "layer":
        code += [clear, add_to(sums, x, stream, rows, n), *_all_reduce(view, b, first, [share], n)]
        code.append(vector("sub", wide, x, sums, rows, n))
    else:
        code.append(vector("mul", wide, x, 1.0, rows, n))
    code += [vector("mov", copy, wide, None, rows, n), clear, vector("fma", sums, wide, copy, rows, n)]
    scale = [
        share,
        vector("add", sums, sums, float(params["epsilon"]), 1, n),
        vector("rsqrt", sums, sums, None, 1, n),
    ]
    code += _all_reduce(view, b, first, scale, n)
    return [*code, *_scaled(view, b, lanes, rows, n)]


def _scaled(view: View, b: ClassBuilder, lanes: np.ndarray, rows: Reg, n: Reg) -> list[Instruction]:
    """OUT = F * S [* gamma [+ beta]]: the last step rounds to the stream's type."""
    chunk, largest = view.chunk, view.partition("lanes").largest
    wide = mem("F", (chunk, 1))
    steps = [("mul", mem("S", (0, 1)))]
    for name, buffer, op in (("gamma", "G", "mul"), ("beta", "B", "add")):
        if name in view.kernel.tensors:
            b.buffer(buffer, DType.F32, largest, Category.WEIGHTS, _per_lane(view, name, lanes))
            steps.append((op, mem(buffer, (1, 0))))
    results = [wide] * (len(steps) - 1) + [mem("OUT", (chunk, 1))]
    return [vector(op, result, wide, by, rows, n) for (op, by), result in zip(steps, results, strict=True)]


def _all_reduce(view: View, b: ClassBuilder, first: int, at_end: Sequence[Instruction], n: Reg) -> list[Instruction]:
    """S = sum of all PEs' S, then `at_end` in the middle, whose S all receive."""
    length = view.partition("lanes").lanes
    if length == 1:
        return list(at_end)
    sums, middle = mem("S", (0, 1)), length // 2
    if first == middle:
        arms = [p for p in (middle - 1, middle + 1) if p < length]
        arriving = [b.input(f"arm{p}", view.colors[sending_parity(p, length)], DType.F32) for p in arms]
        out = b.output("all_out", view.colors[BROADCAST], DType.F32)
        added = [vector("add", sums, arm, sums, 1, n) for arm in arriving]
        return [*added, *at_end, vector("mov", out, sums, None, 1, n)]
    parity = sending_parity(first, length)
    onward, back = b.output("onward", view.colors[parity], DType.F32), b.input("all", view.colors[BROADCAST], DType.F32)
    send = launch(CHAIN, "mov", onward, sums, None, 1, n)
    if first not in (0, length - 1):
        send = launch(CHAIN, "add", onward, b.input("arm", view.colors[1 - parity], DType.F32), sums, 1, n)
    return [send, wait(CHAIN), vector("mov", sums, back, None, 1, n)]


def _per_lane(view: View, name: str, lanes: np.ndarray) -> np.ndarray:
    """A per-feature tensor cut by lane: [1, lanes, largest]."""
    partition = view.partition("lanes")
    cut = np.zeros((1, len(lanes), partition.largest), np.float32)
    for column, lane in enumerate(lanes):
        mine = partition.features(int(lane))
        cut[0, column, : len(mine)] = view.kernel.tensors[name][mine]
    return cut
