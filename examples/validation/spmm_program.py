"""The program of spmm.py: tiles of A as COO or CSC, and the loop over their non-zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from running import TARGET, Buffers, declarations

from tulle_ir.program import Program
from tulle_ir.text import parse_program
from tulle_runtime.result import RunResult

COO = """
      while e < {entries} {{
        load row = row_ind[e]
        load col = col_ind[e]
        fma c[row](0, {rows}), b[{m}*col], val[e](0, 0) over {m}
        e = e + 1
      }}"""
# for (k = 0; k < columns; k++) for (e = ptr[k]; e < ptr[k + 1]; e++) ...: the bound is read again for every entry.
CSC = """
      while k < {columns} {{
        load e = ptr[k]
        load end = ptr[k + 1]
        while e < end {{
          load row = row_ind[e]
          fma c[row](0, {rows}), b[{m}*k], val[e](0, 0) over {m}
          e = e + 1
          load end = ptr[k + 1]
        }}
        k = k + 1
      }}"""
CODE = {"coo": COO, "csc": CSC}
PROGRAM = """
program "spmm {format}" target "{target}" mesh {width}x{height} {{
  {tensors}
  {delivery}
  {classes}
}}"""
CLASS = """
  class "{name}" at [{x}, 0, {count}, {height}] step (2, 1) sram {extent} {{
    {buffers}
    register e, end, k, row, col
    {queues}
    task main on start {{{code}
      {deliver}
    }}
  }}"""
DELIVERY = """
  output "c" : raw f32[{size}] {{
    {ports}
  }}
  route "last" {{ color {color} lanes 1x{height}: from ramp at ({x}, j), end east }}"""
HOP = """
  route "{color}" {{
    color {color} lanes {count}x{height}: from ramp at ({color} + 2*i, j), east to {color} + 1 + 2*i, end ramp
  }}"""


@dataclass(frozen=True)
class Problem:
    """A product and its mesh. a: f32 [N, K]; b: f32 [K, M]; both padded to whole tiles."""

    format: str
    width: int
    height: int
    a: np.ndarray
    b: np.ndarray

    @property
    def rows(self) -> int:
        """Rows of a tile of A and C."""
        return self.a.shape[0] // self.height

    @property
    def columns(self) -> int:
        """Columns of a tile of A, rows of a tile of B."""
        return self.a.shape[1] // self.width


def problem(format: str, mesh: tuple[int, int], shape: tuple[int, int, int], density: float, seed: int) -> Problem:
    """mesh: (width, height); shape: (N, K, M). Each weight of A is non-zero with a probability of `density` percent.

    All values are small integers, so that every sum is exact.
    """
    (width, height), (n, k, m) = mesh, shape
    rng = np.random.default_rng(seed)
    a = np.zeros((-(-n // height) * height, -(-k // width) * width), np.float32)
    nonzero = rng.random((n, k)) < density / 100
    a[:n, :k][nonzero] = rng.integers(1, 4, int(nonzero.sum()))
    b = np.zeros((a.shape[1], m), np.float32)
    b[:k] = rng.integers(-2, 3, (k, m))
    return Problem(format, width, height, a, b)


def sparse_tiles(given: Problem) -> dict[str, np.ndarray]:
    """The arrays of A's tiles [H, W, length]: row_ind, val, and col_ind (COO) or ptr (CSC)."""
    row, col = np.nonzero(given.a) if given.format == "coo" else np.nonzero(given.a.T)[::-1]
    pe = row // given.rows * given.width + col // given.columns
    order = np.argsort(pe, kind="stable")
    pe, row, col = pe[order], row[order], col[order]
    pes = given.width * given.height
    counts = np.bincount(pe, minlength=pes)
    place = np.arange(len(pe)) - (np.cumsum(counts) - counts)[pe]

    def padded(entries: np.ndarray, dtype: type) -> np.ndarray:
        tiles = np.zeros((pes, max(1, int(counts.max()))), dtype)
        tiles[pe, place] = entries
        return tiles

    tiles = {"row_ind": padded(row % given.rows, np.uint16)}
    if given.format == "coo":
        tiles["col_ind"] = padded(col % given.columns, np.uint16)
    else:
        per_column = np.bincount(pe * given.columns + col % given.columns, minlength=pes * given.columns)
        tiles["ptr"] = np.cumsum(np.pad(per_column.reshape(pes, -1), ((0, 0), (1, 0))), axis=1).astype(np.uint16)
    tiles["val"] = padded(given.a[row, col], np.float32)
    return {name: array.reshape(given.height, given.width, -1) for name, array in tiles.items()}


def build(given: Problem, *, deliver: bool = False) -> Program:
    """The program; with `deliver` the parts of C run east along each row of PEs, adding up, and leave there."""
    width, height, m = given.width, given.height, given.b.shape[1]
    tiles = sparse_tiles(given)
    buffers = Buffers(tiles)
    buffers.add("c", np.zeros((height, width, given.rows * m), np.float32))
    buffers.add("b", np.broadcast_to(given.b.reshape(1, width, -1), (height, width, given.columns * m)))
    code = CODE[given.format].format(entries=tiles["val"].shape[2], columns=given.columns, rows=given.rows, m=m)
    classes, tensors = [], {}
    for xs in filter(len, (range(1), range(1, width, 2), range(2, width, 2))):
        name = f"from {xs[0]}"
        tensors |= buffers.tensors(name, xs)
        queues, add = _chain(xs[0], given.rows * m) if deliver else ("", "")
        classes.append(CLASS.format(
            name=name, x=xs[0], count=len(xs), height=height, extent=buffers.extent,
            buffers=buffers.declarations(name), queues=queues, code=code, deliver=add,
        ))  # fmt: skip
    return parse_program(PROGRAM.format(
        format=given.format, target=TARGET, width=width, height=height, tensors=declarations(tensors),
        delivery=_delivery(given) if deliver else "", classes="".join(classes),
    ), tensors)  # fmt: skip


def _chain(x: int, size: int) -> tuple[str, str]:
    """Queues and code of a PE that adds its part of C to those from the west; neighbours send on colors 0 and 1."""
    out = f"output %out : f32 color {x % 2} queue 0"
    if x == 0:
        return out, f"mov %out, c over {size}"
    return f"{out}\n    input %in : f32 color {(x - 1) % 2} queue 0", f"add %out, %in, c over {size}"


def _delivery(given: Problem) -> str:
    """The routes of the chains, and the output stream."""
    width, height, last = given.width, given.height, (given.width - 1) % 2
    hops = "".join(HOP.format(color=c, count=(width - c) // 2, height=height) for c in range(2) if width > c + 1)
    ports = "\n    ".join(f"port ({width - 1}, {y}) east color {last}" for y in range(height))
    size = given.a.shape[0] * given.b.shape[1]
    return hops + DELIVERY.format(size=size, ports=ports, color=last, x=width - 1, height=height)


def product(result: RunResult, given: Problem) -> np.ndarray:
    """C [N, M] (padded to whole tiles) as delivered."""
    tiles = [port.values.view(np.float32).reshape(-1, given.rows).T for port in result.outputs[0]]
    return np.concatenate(tiles)
