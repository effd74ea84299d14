"""When outputs arrived."""

from __future__ import annotations

from tulle_ir.program import Program
from tulle_runtime.host.chunking import Chunking, output_chunking
from tulle_runtime.host.decode import first_wavelets
from tulle_runtime.result import RunResult


def first_token_cycles(program: Program, result: RunResult, chunking: Chunking | None) -> int:
    """The cycle by which the first chunk has arrived completely, on every port of every output (RAW: everything), of
    the first copy, which runs the first sequence; `chunking`: of its share.

    A chunk leaves the mesh feature by feature, so its first token is complete only with the chunk. 0 if the run
    ended before.
    """
    outputs = [stream for stream in program.streams if not stream.is_input]
    latest = 0
    for stream, ports in zip(outputs, result.outputs, strict=False):  # those of further copies come behind
        cut, _ = output_chunking(stream, program.protocol, chunking)
        for port, arrivals in zip(stream.ports, ports, strict=True):
            if port.turn:
                continue  # the first chunk comes out elsewhere
            needed = first_wavelets(stream, port, cut, program.tensors)
            if len(arrivals.cycles) < needed:
                return 0
            latest = max(latest, int(arrivals.cycles[needed - 1]) if needed else 0)
    return latest
