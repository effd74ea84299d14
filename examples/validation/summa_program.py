"""The program of summa.py: per PE a step that passes the tiles on, and one that multiplies them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from running import TARGET, Buffers, declarations, wse2

from tulle_ir.program import Program
from tulle_ir.text import parse_program
from tulle_runtime.result import RunResult

# The code of a PE. a holds the tile that is received, then its own, b likewise: `from_a`, `from_b` say which counts.
STEP = """
    task step on start {{
      from_a = {size} from_b = {size}{setup}{receive}
      loop r < {t} {{{pass_on}
      }}
      activate multiply
    }}
    task multiply {{
      column = 0
      while column < {t} {{
        next_b = from_b + column
        next_c = 0
        while next_c < {size} {{
          fma c[next_c], a[from_a + {t}*column], b[next_b + next_c](0, 0) over {t}
          next_c = next_c + {t}
        }}
        column = column + 1
      }}
      k = k + 1
      if k < {p} {{ activate step }}{deliver}
    }}"""
SETUP = """
      {side}_in = 0 {side}_out = 0
      if {axis} {cmp} k {{ from_{matrix} = 0 {side}_in = {t} }}
      if k {cmp}= {axis} {{ {side}_out = 1 }}"""
RECEIVE = """
      async t{index} mov {matrix}({t}), %{side}_in over {side}_in, {t}"""
PASS_ON = """
        await t{index} rows r"""
SEND = """
        mov %{side}_out, {matrix}[from_{matrix} + {t}*r] over {side}_out, {t}"""
PROGRAM = """
program "summa" target "{target}" mesh {p}x{p} {{
  {tensors}
  {routes}
  {delivery}
  {classes}
}}"""
CLASS = """
  class "{name}" at [{x}, {y}, {width}, {height}] step ({step_x}, {step_y}) sram {extent} {{
    {buffers}
    register {registers}
    {queues}{code}
  }}"""
DELIVERY = """
  output "c" : raw f32[{size}] {{
    {ports}
  }}
  route "last" {{ color {color} lanes 1x{p}: from ramp at ({x}, j), end east }}"""


@dataclass(frozen=True)
class Side:
    """A direction: what travels, along which axis and which way, and when it comes *from* this side: `axis cmp k`.

    color: of what PEs at even coordinates send to this side; those at odd ones use the next.
    """

    name: str
    opposite: str
    matrix: str
    axis: str
    way: int
    cmp: str
    color: int


SIDES = (
    Side("west", "east", "a", "x", -1, ">", 0),
    Side("east", "west", "a", "x", 1, "<", 2),
    Side("north", "south", "b", "y", -1, ">", 4),
    Side("south", "north", "b", "y", 1, "<", 6),
)
BY_NAME = {side.name: side for side in SIDES}
CODE_BYTES = 1024


def inputs(p: int, t: int) -> tuple[np.ndarray, np.ndarray]:
    """A and B, [P * T, P * T]: small integers, so that every sum is exact."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(-2, 3, (2, p * t, p * t))
    return a.astype(np.float32), b.astype(np.float32)


def tiles_of(matrix: np.ndarray, t: int) -> np.ndarray:
    """[P, P, T * T]: the tiles, each stored by columns."""
    p = len(matrix) // t
    return matrix.reshape(p, t, p, t).transpose(0, 2, 3, 1).reshape(p, p, t * t)


def build(p: int, t: int, *, deliver: bool = False) -> Program:
    """The program; with `deliver` the tiles of C run east along each row of PEs at the end and leave there."""
    buffers = _layout(p, t)
    y, x = np.mgrid[:p, :p].astype(np.int32)
    classes, tensors = [], {}
    for ys, xs in product(_alike(p), _alike(p)):
        sides = [side for side in SIDES if 0 <= (xs if side.axis == "x" else ys)[0] + side.way < p]
        name = f"from ({xs[0]}, {ys[0]})"
        tensors |= buffers.tensors(name, xs, ys)
        tensors |= {f"{name}.{axis}": at[ys][:, xs].reshape(-1) for axis, at in (("x", x), ("y", y))}
        registers = [f'x = tensor "{name}.x"', f'y = tensor "{name}.y"', "k, r, column, next_b, next_c, from_a, from_b"]
        registers += [f"{side.name}_in, {side.name}_out" for side in sides]
        classes.append(CLASS.format(
            name=name, x=xs[0], y=ys[0], width=len(xs), height=len(ys), step_x=xs.step, step_y=ys.step,
            extent=buffers.extent, buffers=buffers.declarations(name), registers=", ".join(registers),
            queues=_queues(sides, xs[0], ys[0], p, deliver), code=_code(sides, p, t, xs[0] if deliver else None),
        ))  # fmt: skip
    text = PROGRAM.format(
        target=TARGET, p=p, tensors=declarations(tensors), routes=_routes(p),
        delivery=_delivery(p, t * t) if deliver else "", classes="".join(classes),
    )  # fmt: skip
    return parse_program(text, tensors)


def _alike(p: int) -> list[range]:
    """Coordinates of PEs with the same neighbours and colors: the first, the last, odd and even ones between."""
    return [xs for xs in (range(1), range(1, p - 1, 2), range(2, p - 1, 2), range(max(1, p - 1), p)) if xs]


def _code(sides: list[Side], p: int, t: int, deliver_at: int | None) -> str:
    """Tasks of a PE with neighbours on `sides`; `deliver_at`: its x, if it is to deliver its tile of C."""

    def each(text: str, given: list[Side]) -> str:
        return "".join(
            text.format(side=s.name, axis=s.axis, cmp=s.cmp, matrix=s.matrix, t=t, index=SIDES.index(s)) for s in given
        )

    rows = [each(text, [s for s in sides if s.matrix == matrix]) for matrix in "ab" for text in (PASS_ON, SEND)]
    deliver = ""
    if deliver_at is not None:
        forward = f" mov %east_out, %west_in over x, {t * t}" if deliver_at > 0 else ""
        deliver = f" else {{ mov %east_out, c over {t * t}{forward} }}"
    return STEP.format(
        p=p, t=t, size=t * t, setup=each(SETUP, sides), receive=each(RECEIVE, sides), pass_on="".join(rows),
        deliver=deliver,
    )  # fmt: skip


def _queues(sides: list[Side], x: int, y: int, p: int, deliver: bool) -> str:
    """What comes in from a side the neighbour there, of the other parity, sent to the opposite side."""
    lines = []
    for side in sides:
        index, odd = SIDES.index(side), (x if side.axis == "x" else y) % 2
        lines.append(f"input %{side.name}_in : f32 color {BY_NAME[side.opposite].color + 1 - odd} queue {index}")
        lines.append(f"output %{side.name}_out : f32 color {side.color + odd} queue {index}")
    if deliver and x == p - 1:
        east = BY_NAME["east"]
        lines.append(f"output %east_out : f32 color {east.color + x % 2} queue {SIDES.index(east)}")
    return "\n    ".join(lines)


def _layout(p: int, t: int) -> Buffers:
    """C lies half of SRAM behind the received tile of A (as far as the tiles and the code leave room for it)."""
    a, b = (tiles_of(matrix, t) for matrix in inputs(p, t))
    empty, half, size = np.zeros_like(a), wse2().sram_bytes // 2, 4 * t * t
    buffers = Buffers({"a": np.concatenate([empty, a], axis=2)})
    buffers.add("c", empty, at=min(half, wse2().sram_bytes - CODE_BYTES - 3 * size))
    buffers.add("b", np.concatenate([empty, b], axis=2))
    return buffers


def _routes(p: int) -> str:
    """From every PE to its neighbours: per side, those at even and those at odd coordinates."""
    lines = []
    for side, odd in product(SIDES, range(2)):
        senders = [at for at in range(odd, p, 2) if 0 <= at + side.way < p]
        if not senders:
            continue
        first, along = senders[0], "2*i" if side.axis == "x" else "2*j"
        start = f"({first} + {along}, j)" if side.axis == "x" else f"(i, {first} + {along})"
        lanes = f"{len(senders)}x{p}" if side.axis == "x" else f"{p}x{len(senders)}"
        path = f"from ramp at {start}, {side.name} to {first + side.way} + {along}, end ramp"
        lines.append(f'route "{side.name} {odd}" {{ color {side.color + odd} lanes {lanes}: {path} }}')
    return "\n  ".join(lines)


def _delivery(p: int, size: int) -> str:
    """The output stream at the east edge: per row the tile of the last column first."""
    color = BY_NAME["east"].color + (p - 1) % 2
    ports = "\n    ".join(f"port ({p - 1}, {y}) east color {color}" for y in range(p))
    return DELIVERY.format(size=p * p * size, ports=ports, color=color, p=p, x=p - 1)


def delivered_product(result: RunResult, p: int, t: int) -> np.ndarray:
    """C [P * T, P * T] as delivered."""
    arrived = np.stack([port.values.view(np.float32) for port in result.outputs[0]])
    tiles = arrived.reshape(p, p, t, t)[:, ::-1]  # row of PEs, column of PEs, column, row
    return tiles.transpose(0, 3, 1, 2).reshape(p * t, p * t)
