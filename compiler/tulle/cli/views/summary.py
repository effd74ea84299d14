"""What a program is, before it runs: size, streams, memory, and what the compiler wrote down of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tulle.cli.table import Cell, Table
from tulle.cli.views.report import memory_table
from tulle_ir.memory import count_instructions, memory_map, memory_of, pes_used
from tulle_ir.program import HostStream, Program, Replicas
from tulle_ir.replicas import written_out
from tulle_ir.target import Target

KERNELS = 20  # shown
SAID = ("mesh", "target", "level", "replicas")  # options that other lines tell of


def summary_parts(program: Program, target: Target, manifest: Mapping[str, Any]) -> list[Table | str]:
    """The summary for the terminal."""
    facts = summary_json(program, target, manifest)
    width, height = program.mesh
    rows: list[tuple[Cell, ...]] = [
        ("program", program.name or "(nameless)"),
        ("mesh", f"{width} x {height} PEs of {program.target}, {facts['pes_used']:,} used"),
        *_replicas(program.replicas),
        ("classes", f"{facts['classes']:,} with {facts['instructions']:,} instructions"),
        ("nets", f"{facts['nets']:,} on {facts['colors']} of {target.usable_colors} colors"),
        *((_direction(stream), _stream_text(stream)) for stream in program.streams),
    ]
    if program.protocol is not None:
        protocol = program.protocol
        limit = f", sequences of at most {protocol.context:,}" if protocol.context else ""
        rows.append(("chunks", f"of at most {protocol.chunk} tokens{limit}"))
    options = {key: value for key, value in facts["options"].items() if value is not None and key not in SAID}
    rows += [(key.replace("_", " "), _plain(value)) for key, value in options.items()]
    parts: list[Table | str] = [Table("", ("", ""), tuple(rows)), memory_table(facts)]
    kernels = sorted(facts["kernels"], key=lambda k: (-k["max_pe_bytes"], k["name"]))
    if kernels:
        shown = tuple((k["name"], k["origin"], k["max_pe_bytes"], k["total_bytes"]) for k in kernels[:KERNELS])
        note = f"  {len(kernels) - KERNELS} more kernels" if len(kernels) > KERNELS else ""
        columns = ("kernel", "origin", "max PE bytes", "bytes")
        parts.append(Table("kernels, fullest PE first", columns, shown, note))
    return parts


def summary_json(program: Program, target: Target, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The summary as JSON; memory as in a report, of all copies; kernels of one."""
    whole = written_out(program)
    held, used = memory_map(whole, target), pes_used(whole)
    per_pe = held.sum(axis=0)
    colors = {bundle.color for route in program.routes for bundle in route.bundles}
    return {
        "name": program.name,
        "target": program.target,
        "mesh": list(program.mesh),
        "replicas": {"count": program.replicas.count, "step": [program.replicas.step_x, program.replicas.step_y]},
        "pes_used": int(used.sum()),
        "classes": len(program.classes),
        "instructions": sum(count_instructions(t.code) for of in program.classes for t in of.tasks),
        "nets": len(program.routes),
        "colors": len(colors),
        "streams": [{"name": s.name, "direction": _direction(s), "text": _stream_text(s)} for s in program.streams],
        "memory": asdict(memory_of(held, used, target)),
        "options": dict(manifest.get("options", {})),
        "kernels": [_kernel(s.name, s.origin, s.region, per_pe) for s in program.symbols],
    }


def _kernel(name: str, origin: str, region: tuple[int, int, int, int], per_pe: Any) -> dict[str, Any]:
    x, y, width, height = region
    inside = per_pe[y : y + height, x : x + width]
    held = {"max_pe_bytes": int(inside.max(initial=0)), "total_bytes": int(inside.sum())}
    return {"name": name, "origin": origin, "region": list(region), **held}


def _replicas(replicas: Replicas) -> list[tuple[Cell, ...]]:
    if replicas.count == 1:
        return []
    step = f"one every ({replicas.step_x}, {replicas.step_y}) PEs"
    return [("replicas", f"{replicas.count}, {step}; classes, nets and kernels are those of one")]


def _direction(stream: HostStream) -> str:
    return "input" if stream.is_input else "output"


def _stream_text(stream: HostStream) -> str:
    ports = f"{len(stream.ports)} port{'s' if len(stream.ports) != 1 else ''}"
    return f"{stream.name}: {stream.format.value} {stream.dtype.value}[{stream.width}] through {ports}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
