"""Expanding bundles into route entries, and what is found wrong about them."""

from __future__ import annotations

import time

from tulle_ir.program import Affine, Bundle, Leg, Port, Program, Route
from tulle_ir.routes import MISSING, RouteProblem, check_links, expand_routes

RAMP, EAST, SOUTH, WEST, NORTH = Port.RAMP, Port.EAST, Port.SOUTH, Port.WEST, Port.NORTH


def program(*bundles: Bundle, mesh: tuple[int, int] = (4, 3)) -> Program:
    return Program("generic", mesh, routes=tuple(Route(f"net{k}", (one,)) for k, one in enumerate(bundles)))


def path(x: int, y: int, source: Port, *legs: Leg, color: int = 0, end: Port | None = RAMP) -> Bundle:
    return Bundle(color, (1, 1), Affine(x), Affine(y), source, legs, end)


def entries(given: Program) -> list[tuple[int, int, int, int]]:
    found, findings = expand_routes(given)
    assert findings == []
    columns = (found.router, found.color, found.port, found.mask)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_path_with_a_turn_and_deliveries_on_the_way() -> None:
    bent = path(0, 0, RAMP, Leg(EAST, Affine(2), ramp=True), Leg(SOUTH, Affine(1)))
    assert entries(program(bent)) == [(0, 0, 4, 0b00010), (1, 0, 3, 0b10010), (2, 0, 3, 0b10100), (6, 0, 0, 0b10000)]


def test_legs_of_no_length_are_absent_and_branches_are_merged() -> None:
    straight = path(0, 1, WEST, Leg(EAST, Affine(0)), Leg(EAST, Affine(1)), end=None)
    branch = path(1, 1, WEST, Leg(SOUTH, Affine(2)), end=SOUTH)
    assert entries(program(straight, branch)) == [(4, 0, 3, 0b00010), (5, 0, 3, 0b00100), (9, 0, 0, 0b00100)]


def test_lanes() -> None:
    columns = Bundle(3, (2, 2), Affine(0, per_i=1), Affine(0, per_j=2), RAMP, (Leg(EAST, Affine(2, per_i=1)),), RAMP)
    _, findings = expand_routes(program(columns))
    assert {one.problem for one in findings} == {RouteProblem.INPUTS}  # lane (1, j) starts on the path of lane (0, j)
    apart = Bundle(3, (2, 2), Affine(0, per_i=2), Affine(0, per_j=2), RAMP, (Leg(EAST, Affine(1, per_i=2)),), RAMP)
    senders = [(0, 3, 4, 2), (2, 3, 4, 2), (8, 3, 4, 2), (10, 3, 4, 2)]
    receivers = [(router + 1, 3, 3, 16) for router, *_ in senders]
    assert entries(program(apart)) == sorted(senders + receivers)


def problems(given: Program) -> list[tuple[RouteProblem, int, int, tuple[str, ...]]]:
    found, findings = expand_routes(given)
    return [(one.problem, one.x, one.y, one.nets) for one in (*findings, *check_links(given, found))]


def test_inputs_that_disagree() -> None:
    given = program(path(0, 0, RAMP, Leg(EAST, Affine(2))), path(2, 1, RAMP, Leg(NORTH, Affine(0))))
    assert (RouteProblem.INPUTS, 2, 0, ("net0", "net1")) in problems(given)


def test_off_the_mesh_and_backward() -> None:
    assert (RouteProblem.OFF_MESH, 4, 0, ("net0",)) in problems(program(path(0, 0, RAMP, Leg(EAST, Affine(9)))))
    assert (RouteProblem.BACKWARD, 2, 0, ("net0",)) in problems(program(path(2, 0, RAMP, Leg(EAST, Affine(1)))))


def test_ends_that_lead_nowhere() -> None:
    assert problems(program(path(0, 0, RAMP, Leg(EAST, Affine(1)), end=EAST))) == [
        (RouteProblem.NOT_EDGE, 1, 0, ("net0",)),
        (RouteProblem.DANGLING, 1, 0, ("net0",)),
    ]
    assert problems(program(path(1, 1, WEST))) == [(RouteProblem.UNFED, 1, 1, ("net0",))]
    assert problems(program(path(0, 0, RAMP))) == [(RouteProblem.LOOPS, 0, 0, ("net0",))]
    assert problems(program(path(0, 0, RAMP, end=None))) == [(RouteProblem.EMPTY, 0, 0, ("net0",))]


def test_a_single_entry_finds_no_neighbour() -> None:
    found, _ = expand_routes(program(path(1, 1, RAMP, end=EAST)))
    assert found.target(1).tolist() == [MISSING]


def test_the_whole_wafer_takes_seconds() -> None:
    width, height = 750, 994
    rows = [
        Bundle(color, (1, height), Affine(0), Affine(0, per_j=1), WEST, (Leg(EAST, Affine(width - 1), ramp=True),))
        for color in range(10)
    ]
    start = time.process_time()
    found, findings = expand_routes(program(*rows, mesh=(width, height)))
    assert findings == []
    assert len(found.router) == 10 * width * height
    assert time.process_time() - start < 20
