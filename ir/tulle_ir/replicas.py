"""A program that stands several times on its mesh: what that means, and how a batch is dealt to the copies.

The text and the passes know the first copy only; engines, reports and views see all of them, written out.
"""

from __future__ import annotations

from dataclasses import replace

from tulle_ir.geometry import Frame
from tulle_ir.program import HostStream, Program, ProgramClass, Replicas, Route, Symbol


def written_out(program: Program) -> Program:
    """The same program with all copies declared, those of the first copy first.

    What copy k > 0 declares is called `NAME@k`; its classes share code and tensors with the first copy's. Costs time by
    class and route, not by PE.
    """
    count = program.replicas.count
    if count == 1:
        return program
    copies = [_Copy(program, k) for k in range(1, count)]
    return replace(
        program,
        symbols=program.symbols + tuple(copy.symbol(symbol) for copy in copies for symbol in program.symbols),
        routes=program.routes + tuple(copy.route(route) for copy in copies for route in program.routes),
        classes=program.classes + tuple(copy.program_class(of) for copy in copies for of in program.classes),
        streams=program.streams + tuple(copy.stream(stream) for copy in copies for stream in program.streams),
        replicas=Replicas(),
    )


class _Copy:
    """Moves what the first copy declares to the place of another one."""

    def __init__(self, program: Program, copy: int) -> None:
        replicas = program.replicas
        self.copy, self.dx, self.dy = copy, copy * replicas.step_x, copy * replicas.step_y
        self.frame = Frame(self.dx, self.dy, *program.mesh)

    def name(self, name: str) -> str:
        return f"{name}@{self.copy}"

    def symbol(self, symbol: Symbol) -> Symbol:
        x, y, width, height = symbol.region
        return replace(symbol, name=self.name(symbol.name), region=(x + self.dx, y + self.dy, width, height))

    def route(self, route: Route) -> Route:
        return Route(self.name(route.name), tuple(self.frame.bundle(b, b.color) for b in route.bundles))

    def program_class(self, of: ProgramClass) -> ProgramClass:
        return replace(of, name=self.name(of.name), grid=self.frame.grid(of.grid))

    def stream(self, stream: HostStream) -> HostStream:
        ports = tuple(replace(port, x=port.x + self.dx, y=port.y + self.dy) for port in stream.ports)
        return replace(stream, name=self.name(stream.name), ports=ports)
