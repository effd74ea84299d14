"""The program text of weight streaming, for any layer and mesh."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from running import TARGET
from stream_layer import Layer, activations

from tulle_ir.program import Program
from tulle_ir.text import parse_program
from tulle_runtime.result import RunResult

PROGRAM = """
program "stream" target "{target}" mesh {width}x{height} {{
  input "weights" : raw i32[{width}] {{ {ports} }}
  route "weights" {{ color 3 lanes {width}: from north at (i, 0) {down}, end ramp }}
  route "ring" {{
    color 0 lanes {evens}x{height}: from ramp at (i*2, j), east to i*2 + 1, end ramp
    {odd_hops}
    color 2 lanes 1x{height}: from ramp at ({last}, j), west to 0, end ramp
  }}
  {delivery}
  {classes}
}}
"""
# x lies in bank 0 and y in banks 1 to 3: the two reads of an AXPY never meet in a bank group.
CLASS = """
  tensor "x.{x}" : f16[{pes}, {x_size}]
  tensor "me.{x}" : i32[{pes}]
  tensor "before.{x}" : i32[{pes}]
  tensor "west.{x}" : i32[{pes}]
  class "from {x}" at [{x}, 0, {count}, {height}] step (2, 1) sram 49148 {{
    buffer x : f16[{x_size}] at 0 = tensor "x.{x}"
    buffer y : f32[{y_size}] at 6144
    buffer sums : f32[{result_size}] at 24576
    buffer result : f16[{result_size}] at 36864
    register me = tensor "me.{x}", before = tensor "before.{x}", west = tensor "west.{x}"
    register left = {outputs}, owner, size, half, kept, g, r
    input %w : f16 color 3 queue 0
    input %in : f32 color {color_in} queue 1
    output %out : f32 color {color_out} queue 2
    {queues}
    task main on start {{
      loop g < {groups} {{
        size = min(left, {group})
        left = left - {group}
        loop r < size {{
          axpy y[half*{tokens} + r*{tokens}], %w, x({tokens}) over {tokens}
        }}
        if owner == me {{
          async t0 add sums[kept*{tokens}]({tokens}), %in, y[half*{tokens}]({tokens}) over size, {tokens}
          kept = kept + size
        }} else {{
          if owner == before {{
            async t0 mov %out, y[half*{tokens}]({tokens}) over size, {tokens}
          }} else {{
            async t0 add %out, %in, y[half*{tokens}]({tokens}) over size, {tokens}
          }}
        }}
        half = {group} - half
        owner = owner + 1
        if owner == {width} {{
          owner = 0
        }}
      }}
      await t0
      mov result({tokens}), sums({tokens}) over kept, {tokens}
      {send}
    }}
  }}
"""
# Delivered results leave to the east: a PE passes on what comes from the west, then sends its own.
DELIVERY = """
  output "results" : raw f16[{height}] {{ {ports} }}
  route "results" {{
    color 4 lanes {evens}x{height}: from ramp at (i*2, j), east to i*2 + 1, end ramp
    {odd_hops}
    color 6 lanes 1x{height}: from ramp at ({last}, j), end east
  }}
"""
ODD_HOPS = "color {color} lanes {odds}x{height}: from ramp at (i*2 + 1, j), east to i*2 + 2, end ramp"


def build(layer: Layer, *, deliver: bool = False) -> Program:
    """The program; with `deliver` all results leave to the east at the end."""
    width, height = layer.width, layer.height
    hops = {"evens": width // 2, "odds": (width - 1) // 2, "height": height, "last": width - 1}
    odd_hops = [ODD_HOPS.format(color=color, **hops) if width > 2 else "" for color in (1, 5)]
    exits = " ".join(f"port ({width - 1}, {y}) east color 6" for y in range(height))
    tensors: dict[str, np.ndarray] = {}
    text = PROGRAM.format(
        target=TARGET,
        width=width,
        ports=" ".join(f"port ({x}, 0) north color 3" for x in range(width)),
        down=f"ramp, south to {height - 1} ramp each" if height > 1 else "",
        odd_hops=odd_hops[0],
        delivery=DELIVERY.format(ports=exits, odd_hops=odd_hops[1], **hops) if deliver else "",
        classes="".join(_class(layer, xs, tensors, deliver=deliver) for xs in _alike(width)),
        **hops,
    )
    return parse_program(text, tensors)


def _alike(width: int) -> Iterator[range]:
    """Columns whose PEs use the same colors: the ends, and every second one between them."""
    for xs in (range(1), range(1, width - 1, 2), range(2, width - 1, 2), range(width - 1, width)):
        if xs:
            yield xs


def _class(layer: Layer, xs: range, tensors: dict[str, np.ndarray], *, deliver: bool) -> str:
    """The PEs of some columns; their activations and places in the row go to `tensors`."""
    x, last = xs[0], layer.width - 1
    kept = np.cumsum([0, *(len(layer.owned(column)) for column in range(layer.width))])
    places = {"me": xs, "before": [(each or layer.width) - 1 for each in xs], "west": kept[xs]}
    for name, values in places.items():
        tensors[f"{name}.{x}"] = np.tile(np.array(values, np.int32), layer.height)
    tensors[f"x.{x}"] = _resident(layer, xs)
    return CLASS.format(
        x=x,
        count=len(xs),
        height=layer.height,
        pes=len(xs) * layer.height,
        width=layer.width,
        tokens=layer.local_tokens,
        outputs=layer.outputs,
        group=layer.group,
        groups=layer.groups,
        x_size=tensors[f"x.{x}"].shape[1],
        y_size=2 * layer.group * layer.local_tokens,
        result_size=layer.rounds * layer.group * layer.local_tokens,
        color_in=(x - 1) % 2 if x else 2,
        color_out=x % 2 if x < last else 2,
        queues=_delivery_queues(x, last) if deliver else "",
        send=_delivery_code(x, layer.local_tokens) if deliver else "",
    )


def _delivery_queues(x: int, last: int) -> str:
    source = f"input %west : f16 color {4 + (x - 1) % 2} queue 2\n    " if x else ""
    return f"{source}output %east : f16 color {4 + x % 2 if x < last else 6} queue 3"


def _delivery_code(x: int, tokens: int) -> str:
    pass_on = f"mov %east, %west over west, {tokens}\n      " if x else ""
    return f"{pass_on}mov %east, result({tokens}) over kept, {tokens}"


def _resident(layer: Layer, xs: range) -> np.ndarray:
    """The activations of PEs, by row of the mesh: f16 [PEs, most features of a PE * local tokens]."""
    columns, x = layer.columns(), activations(layer).T.astype(np.float16)
    resident = np.zeros((layer.height, len(xs), len(columns[0]), layer.local_tokens), np.float16)
    for i, column in enumerate(xs):
        block = x[columns[column]].reshape(-1, layer.height, layer.local_tokens)
        resident[:, i, : len(block)] = block.transpose(1, 0, 2)
    return resident.reshape(layer.height * len(xs), -1)


def delivered(layer: Layer, result: RunResult) -> np.ndarray:
    """f32 [tokens, outputs], from the ports of all rows."""
    outputs = np.concatenate([layer.owned(x) for x in range(layer.width)])
    y = np.zeros((layer.height, layer.local_tokens, layer.outputs), np.float32)
    for row, port in enumerate(result.outputs[0]):
        y[row][:, outputs] = port.values.view(np.float16).reshape(layer.outputs, -1)[:, : layer.local_tokens].T
    return y.reshape(-1, layer.outputs)
