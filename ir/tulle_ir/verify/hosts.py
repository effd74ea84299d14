"""Host streams: ports at the edge with matching routes, features that add up."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tulle_ir.code import DType
from tulle_ir.program import HostPort, HostStream, Program, StreamFormat
from tulle_ir.routes import INDEX, MISSING, RouteEntries
from tulle_ir.tensors import describe
from tulle_ir.verify.findings import Findings

Key = tuple[int, int, int, int]  # x, y, side, color


def check_hosts(program: Program, entries: RouteEntries, findings: Findings) -> None:
    """Every stream, and edges that no stream serves."""
    ports: dict[bool, Counter[Key]] = {True: Counter(), False: Counter()}
    for stream in program.streams:
        path = f"{'input' if stream.is_input else 'output'} '{stream.name}'"
        _check_stream(stream, path, program, findings)
        _check_ports(stream, path, program, entries, findings)
        for port in stream.ports:
            key = (port.x, port.y, INDEX[port.side], port.color)
            ports[stream.is_input][key] += 1
            if ports[stream.is_input][key] == 2:
                findings.error(f"({port.x}, {port.y}) {port.side} color {port.color} is a port already", port, path)
    _check_unserved(program, entries, ports, findings)


def _check_stream(stream: HostStream, path: str, program: Program, findings: Findings) -> None:
    ids = stream.format is StreamFormat.IDS
    if stream.dtype is DType.U16 or (ids and stream.dtype is not DType.I32):
        findings.error(f"a stream of {stream.format} does not carry {stream.dtype}", stream, path)
    if not stream.ports or stream.width < 1:
        findings.error("a stream has at least one port and one feature", stream, path)
    elif stream.format is StreamFormat.RAW:
        if stream.width % len(stream.ports):
            findings.error(f"{stream.width} elements do not divide over {len(stream.ports)} ports", stream, path)
    elif program.protocol is None:
        findings.error(f"a stream of {stream.format} needs a protocol: the tokens of a chunk", stream, path)
    turns_fit = _check_turns(stream, path, findings)
    if stream.format is StreamFormat.CHUNKS and _check_features(stream, path, program, findings) and turns_fit:
        _check_cover(stream, path, program, findings)


def _check_turns(stream: HostStream, path: str, findings: Findings) -> bool:
    """Whether the ports agree on the number of turns, and each has one of them."""
    turns = max((port.turns for port in stream.ports), default=1)
    wrong = [port for port in stream.ports if port.turns != turns or not 0 <= port.turn < turns]
    for port in wrong:
        findings.error(f"turn {port.turn} of {port.turns}: the turns of this stream are 0 to {turns - 1}", port, path)
    if turns > 1 and stream.format is not StreamFormat.CHUNKS:
        findings.error(f"a stream of {stream.format} does not take turns", stream, path)
    return not wrong


def _check_features(stream: HostStream, path: str, program: Program, findings: Findings) -> bool:
    """Whether every port's features are a tensor of the right type with values in range."""
    complaints = [(port, _complaint(stream, port, program)) for port in stream.ports if port.features]
    for port, complaint in complaints:
        if complaint:
            findings.error(complaint, port, path)
    return not any(complaint for _, complaint in complaints)


def _complaint(stream: HostStream, port: HostPort, program: Program) -> str:
    if port.features not in program.tensors:
        return f"there is no tensor '{port.features}'"
    dtype, shape = describe(program.tensors, port.features)
    if dtype != np.dtype("<i4") or len(shape) != 1:
        return f"tensor '{port.features}' does not list features: i32[any] is needed"
    features = program.tensors[port.features]
    if features.size and not -1 <= int(features.min()) <= int(features.max()) < stream.width:
        return f"tensor '{port.features}' names features outside 0 to {stream.width - 1}"
    return ""


def _check_cover(stream: HostStream, path: str, program: Program, findings: Findings) -> None:
    """An output's ports bring every feature once per turn; an input's bring each at least once (else a warning)."""
    for turn in range(max((port.turns for port in stream.ports), default=1)):
        _check_turn_covers(stream, turn, path, program, findings)


def _check_turn_covers(stream: HostStream, turn: int, path: str, program: Program, findings: Findings) -> None:
    ports = [p for p in stream.ports if p.turn == turn]
    lists = [program.tensors[p.features] if p.features else np.arange(stream.width) for p in ports]
    here = np.concatenate([np.zeros(0, np.int64), *(features[features >= 0] for features in lists)])
    counts = np.bincount(here, minlength=stream.width)
    if stream.is_input:
        if (counts == 0).any():
            findings.warning(f"feature {int(np.argmin(counts))} goes to no port", stream, path)
    elif (counts != 1).any():
        feature = int(np.argmax(counts != 1))
        findings.error(f"feature {feature} comes out of {int(counts[feature])} ports, not of one", stream, path)


def _check_ports(stream: HostStream, path: str, program: Program, entries: RouteEntries, findings: Findings) -> None:
    """All ports of a stream at once: a search among the entries costs as much for many as for one."""
    at_edge = [port for port in stream.ports if _at_edge(port, program.mesh)]
    for port in stream.ports:
        if not _at_edge(port, program.mesh):
            findings.error(f"({port.x}, {port.y}) {port.side} is not at the edge of the mesh", port, path)
    routers = np.array([port.y * program.mesh[0] + port.x for port in at_edge], np.int64)
    found = entries.find(routers, np.array([port.color for port in at_edge], np.int64))
    for port, entry in zip(at_edge, found.tolist(), strict=True):
        side = INDEX[port.side]
        if stream.is_input and (entry == MISSING or entries.port[entry] != side):
            findings.error(f"no route takes color {port.color} from the host here", port, path)
        if not stream.is_input and (entry == MISSING or not entries.mask[entry] >> side & 1):
            findings.error(f"no route hands color {port.color} over to the host here", port, path)


def _at_edge(port: HostPort, mesh: tuple[int, int]) -> bool:
    width, height = mesh
    edges = {"north": port.y == 0, "east": port.x == width - 1, "south": port.y == height - 1, "west": port.x == 0}
    return 0 <= port.x < width and 0 <= port.y < height and edges.get(port.side, False)


def _check_unserved(
    program: Program, entries: RouteEntries, ports: dict[bool, Counter[Key]], findings: Findings
) -> None:
    """Edges that the host never feeds, or whose wavelets it drops: warnings, one per color, side and direction."""
    width, height = program.mesh
    x, y = entries.router % width, entries.router // width
    edges = (y == 0, x == width - 1, y == height - 1, x == 0)
    for side, edge in enumerate(edges):
        for is_input, uses in ((True, entries.port == side), (False, entries.mask >> side & 1 != 0)):
            seen: set[int] = set()
            for index in np.flatnonzero(edge & uses):
                key = (int(x[index]), int(y[index]), side, int(entries.color[index]))
                if key not in ports[is_input] and key[3] not in seen:
                    seen.add(key[3])
                    _warn_unserved(program, key, is_input, findings)


def _warn_unserved(program: Program, key: Key, is_input: bool, findings: Findings) -> None:
    x, y, _, color = key
    if is_input:
        what = f"no input stream feeds color {color} at router ({x}, {y})"
    else:
        what = f"no output stream takes color {color}, which leaves the mesh at router ({x}, {y})"
    for route in program.routes:
        for bundle in route.bundles:
            if bundle.color == color:
                findings.warning(what, bundle, f"route '{route.name}'")
                return
