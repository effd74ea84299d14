"""A row of PEs sums its vectors; the sum ends at the west end, in SRAM.

    python examples/validation/reduce.py --pes 512 --elements 4096 --group 64

prints one JSON object. `cycles` compares with the table `reduce_1d` of published.toml. In one chain (group = pes) every
PE adds its vector to the partial sums that come from the east and passes them on. In two phases the chains run inside
the groups first, then the leaders (the west ends of the groups) do the same over hops of a group's length.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from running import TARGET, add_options, delivered, run

from tulle_ir.program import Program
from tulle_ir.text import parse_program

PROGRAM = 'program "reduce" target "{target}" mesh {pes}x1 {{\n{parts}\n}}'
CLASS = """
  tensor "y.{x}" : f32[{count}, {elements}]
  class "from {x}" at [{x}, 0, {count}, 1] step ({step}, 1) sram 49152 {{
    buffer y : f32[{elements}] at 0 = tensor "y.{x}"
    {queues}
    task main on start {{
      {code}
    }}
  }}"""
ROUTE = """
  route "{name}" {{
    color {color} lanes {count}: from ramp at ({x} + {step}*i, 0), west to {to} + {step}*i, end ramp
  }}"""
DELIVERY = """
  output "sum" : raw f32[{elements}] {{ port (0, 0) west color 4 }}
  route "sum" {{ color 4: from ramp at (0, 0), end west }}"""
MOST_ELEMENTS = 49152 // 4


@dataclass(frozen=True, slots=True)
class Link:
    """What a PE does in a phase: the color it receives on and the color it sends on (None: it does not)."""

    source: int | None
    sink: int | None


Role = tuple[Link, ...]  # one per phase


def inputs(pes: int, elements: int) -> np.ndarray:
    """The vectors [pes, elements]: small integers, so that every sum is exact."""
    return (np.arange(pes * elements) * 31 % 7 - 3).reshape(pes, elements).astype(np.float32)


def chain_link(position: int, length: int, color: int) -> Link:
    """The link of a PE in a chain that runs from position length - 1 to 0; colors alternate between two."""
    receives, sends = position < length - 1, position > 0
    return Link(color + (position + 1) % 2 if receives else None, color + position % 2 if sends else None)


def role_of(x: int, pes: int, group: int) -> Role:
    """Phase 1 inside the group, and phase 2 for leaders if there are several groups."""
    within = chain_link(x % group, group, color=0)
    if x % group or group == pes:
        return (within,)
    return within, chain_link(x // group, pes // group, color=2)


def grids(pes: int, group: int) -> Iterator[tuple[range, Role]]:
    """The PEs of each role as few evenly spaced ranges."""
    by_role = sorted(range(pes), key=lambda x: str(role_of(x, pes, group)))  # the sort keeps x ascending in a role
    for _, members in groupby(by_role, key=lambda x: role_of(x, pes, group)):
        xs = list(members)
        role = role_of(xs[0], pes, group)
        while xs:
            step = xs[1] - xs[0] if len(xs) > 1 else 1
            count = next((n for n in range(1, len(xs)) if xs[n] != xs[0] + n * step), len(xs))
            yield range(xs[0], xs[0] + count * step, step), role
            xs = xs[count:]


def build(pes: int, elements: int, group: int, *, deliver: bool = False) -> Program:
    """The program; `group` divides `pes`. With `deliver` the west end sends the sum to the host at the end."""
    vectors = inputs(pes, elements)
    parts, tensors = [DELIVERY.format(elements=elements)] if deliver else [], {}
    for xs, role in grids(pes, group):
        parts += [
            _route(xs, link.sink, hop) for link, hop in zip(role, (1, group), strict=False) if link.sink is not None
        ]
        parts.append(_pe_class(xs, role, elements, deliver=deliver and 0 in xs))
        tensors[f"y.{xs[0]}"] = vectors[xs]
    return parse_program(PROGRAM.format(target=TARGET, pes=pes, parts="".join(parts)), tensors)


def _route(xs: range, color: int, hop: int) -> str:
    name = f"color {color} from {xs[0]}"
    return ROUTE.format(name=name, color=color, count=len(xs), x=xs[0], step=xs.step, to=xs[0] - hop)


def _pe_class(xs: range, role: Role, elements: int, *, deliver: bool) -> str:
    queues, code = [], []
    for phase, link in enumerate(role):
        if link.source is not None:
            queues.append(f"input %in{phase} : f32 color {link.source} queue {phase}")
        if link.sink is not None:
            queues.append(f"output %out{phase} : f32 color {link.sink} queue {phase}")
        code += [_add(phase, link, elements), f"await t{phase}"]
    if deliver:
        queues.append("output %sum : f32 color 4 queue 2")
        code.append(f"mov %sum, y over {elements}")
    return CLASS.format(
        x=xs[0],
        count=len(xs),
        step=xs.step,
        elements=elements,
        queues="\n    ".join(queues),
        code="\n      ".join(code),
    )


def _add(phase: int, link: Link, elements: int) -> str:
    if link.source is None:
        return f"async t{phase} mov %out{phase}, y over {elements}"
    sink = "y" if link.sink is None else f"%out{phase}"
    return f"async t{phase} add {sink}, %in{phase}, y over {elements}"


def main() -> None:
    """Run it and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pes", type=int, default=16, help="PEs in the row")
    parser.add_argument("--elements", type=int, default=64, help="length of each vector")
    parser.add_argument("--group", type=int, help="PEs per group (default: one chain)")
    add_options(parser)
    options = parser.parse_args()
    pes, elements, group = options.pes, options.elements, options.group or options.pes
    if pes < 2 or group < 2 or pes % group or not 1 <= elements <= MOST_ELEMENTS:
        parser.error(f"at least 2 PEs in groups of at least 2 that divide them, 1 to {MOST_ELEMENTS} elements")
    result = run(build(pes, elements, group, deliver=options.deliver), options.engine)
    report = {"pes": pes, "elements": elements, "group": group, "engine": options.engine, "cycles": result.cycles}
    if options.deliver:
        report["correct"] = bool(np.array_equal(delivered(result), inputs(pes, elements).sum(axis=0)))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
