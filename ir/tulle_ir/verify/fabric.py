"""Routes are consistent, and the queues of every PE match what its router delivers and takes."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from tulle_ir.code import DType
from tulle_ir.program import Bundle, Port, Program, ProgramClass, Queue, Route
from tulle_ir.routes import RAMP, RouteEntries, RouteFinding, check_links, expand_routes
from tulle_ir.target import Target
from tulle_ir.verify.findings import Findings, class_path
from tulle_ir.verify.grids import NOBODY, on_mesh, pe_at, pes_of


def check_fabric(program: Program, target: Target, owner: np.ndarray, findings: Findings) -> RouteEntries:
    """Routes, queues, and both together; `owner` is i32 [H, W]. Returns the route entries."""
    sound = _sound_bundles(program, target, findings)
    entries, problems = expand_routes(sound)
    for problem in (*problems, *check_links(sound, entries)):
        _report(problem, sound, findings)
    for of in program.classes:
        _check_queues(of, class_path(program, of), target, findings)
    for is_input in (True, False):
        _Ramps(program, target, entries, owner, is_input, findings).check()
    return entries


def _sound_bundles(program: Program, target: Target, findings: Findings) -> Program:
    """The program with only the bundles that can be followed; the others are findings."""
    routes: list[Route] = []
    for route in program.routes:
        complaints = [(bundle, _complaint(bundle, program, target)) for bundle in route.bundles]
        for bundle, complaint in complaints:
            if complaint:
                findings.error(complaint, bundle, f"route '{route.name}'")
        routes.append(Route(route.name, tuple(bundle for bundle, complaint in complaints if not complaint)))
    return replace(program, routes=tuple(routes))


def _complaint(bundle: Bundle, program: Program, target: Target) -> str:
    if not 0 <= bundle.color < target.usable_colors:
        return f"color {bundle.color} does not exist: a program has 0 to {target.usable_colors - 1}"
    if min(bundle.lanes) < 1 or prod(bundle.lanes) > prod(program.mesh):
        return f"{bundle.lanes[0]}x{bundle.lanes[1]} lanes: a bundle has at least one and at most as many as PEs"
    if any(leg.direction is Port.RAMP for leg in bundle.legs):
        return "a leg travels north, east, south or west"
    return ""


def _report(problem: RouteFinding, program: Program, findings: Findings) -> None:
    """At the first bundle of that color in the first net, the other nets being related."""
    routes = {route.name: route for route in program.routes}
    nodes = [
        next((bundle for bundle in routes[net].bundles if bundle.color == problem.color), routes[net])
        for net in problem.nets
    ]
    what = f"color {problem.color} at router ({problem.x}, {problem.y}): {problem.problem}"
    sites = [findings.site(node, f"route '{net}'") for net, node in zip(problem.nets, nodes, strict=True)]
    node, path = (nodes[0], sites[0]) if nodes else (program, "routes")
    findings.error(what, node, path, *sites[1:])


def _check_queues(of: ProgramClass, path: str, target: Target, findings: Findings) -> None:
    seen: dict[tuple[bool, str, int], Queue] = {}
    for queue in of.queues:
        depths = target.input_queues if queue.is_input else target.output_queues
        direction = "input" if queue.is_input else "output"
        if not 0 <= queue.index < len(depths):
            what = f"there is no {direction} queue {queue.index}: a PE has 0 to {len(depths) - 1}"
            findings.error(what, queue, f"{path}, queue '%{queue.name}'")
        if queue.dtype is DType.U16:
            findings.error("wavelets carry f16, f32 or i32, not u16", queue, f"{path}, queue '%{queue.name}'")
        for what, number in (("queue", queue.index), ("color", queue.color)):
            other = seen.setdefault((queue.is_input, what, number), queue)
            if other is not queue:
                text = f"'%{queue.name}' and '%{other.name}' are both {direction}s with {what} {number}"
                findings.error(text, queue, f"{path}, queue '%{queue.name}'", findings.site(other, path))


class _Ramps:
    """One direction of all ramps: `planes[color]` says, as bool [H, W], at which PEs the color uses the ramp."""

    def __init__(
        self,
        program: Program,
        target: Target,
        entries: RouteEntries,
        owner: np.ndarray,
        is_input: bool,
        findings: Findings,
    ) -> None:
        self.program, self.owner, self.is_input, self.findings = program, owner, is_input, findings
        self.limit = len(target.input_queues if is_input else target.output_queues)
        uses = (entries.mask >> RAMP & 1 != 0) if is_input else entries.port == RAMP
        self.router, self.color = entries.router[uses], entries.color[uses]
        self.planes = {int(color): self._plane(self.color == color) for color in np.unique(self.color)}
        self.bound = {color: np.zeros_like(plane) for color, plane in self.planes.items()}

    def _plane(self, of_color: np.ndarray) -> np.ndarray:
        plane = np.zeros(self.owner.size, bool)
        plane[self.router[of_color]] = True
        return plane.reshape(self.owner.shape)

    def check(self) -> None:
        """Limits, then the queues of each class, then what no queue takes or fills."""
        within = self._check_limit()
        for of in self.program.classes:
            if on_mesh(of.grid, self.program.mesh):
                for queue in of.queues:
                    if queue.is_input == self.is_input:
                        self._check_queue(of, queue)
        if within:  # otherwise there cannot be a queue for every color
            for color in sorted(self.planes):
                self._check_unbound(color)

    def _check_limit(self) -> bool:
        counts = np.bincount(self.router, minlength=1)
        router = int(np.argmax(counts))
        if counts[router] <= self.limit:
            return True
        x, y = router % self.program.mesh[0], router // self.program.mesh[0]
        does = "hears" if self.is_input else "sends"
        what = f"PE ({x}, {y}) {does} {counts[router]} colors, the limit is {self.limit}"
        self.findings.error(what, *self._owner(x, y))
        return False

    def _check_queue(self, of: ProgramClass, queue: Queue) -> None:
        path = f"{class_path(self.program, of)}, queue '%{queue.name}'"
        plane = self.planes.get(queue.color)
        missing = np.ones((of.grid.height, of.grid.width), bool) if plane is None else ~plane[pes_of(of.grid)]
        if missing.any():
            x, y = pe_at(of.grid, missing)
            does = "delivers color {} to" if self.is_input else "takes color {} from"
            self.findings.error(f"no route {does.format(queue.color)} PE ({x}, {y})", queue, path)
        if plane is not None:
            self.bound[queue.color][pes_of(of.grid)] = True

    def _check_unbound(self, color: int) -> None:
        left = self.planes[color] & ~self.bound[color]
        if left.any():
            y, x = np.unravel_index(int(np.argmax(left)), left.shape)
            what = f"color {color} reaches PE ({x}, {y})" if self.is_input else f"color {color} starts at PE ({x}, {y})"
            kind = "input" if self.is_input else "output"
            nets = [route for route in self.program.routes if color in {bundle.color for bundle in route.bundles}]
            related = [self.findings.site(route, f"route '{route.name}'") for route in nets]
            self.findings.error(f"{what}, which has no {kind} queue for it", *self._owner(int(x), int(y)), *related)

    def _owner(self, x: int, y: int) -> tuple[object, str]:
        index = int(self.owner[y, x])
        if index == NOBODY:
            return self.program, f"PE ({x}, {y}), which has no class"
        of = self.program.classes[index]
        return of, class_path(self.program, of)
