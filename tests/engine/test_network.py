"""Routers, channels and host ports: latency, order, multicast, back-pressure, shared links."""

from __future__ import annotations

from tiny import FIRST, Run, arrivals, words

from tulle_ir.program import Program
from tulle_ir.text import parse_program

HEAD = 'program "net" target "generic" mesh {mesh} {{ {body} }}'
READER = """
  class "{name}" at [{x}, {y}, 1, 1] sram 64 {{
    register r
    input %in : i32 color {heard} queue 0
    output %out : i32 color {sent} queue 0
    task echo on %in {{ pop r = %in push %out = r }}
  }}"""


def network(mesh: str, *parts: str) -> Program:
    return parse_program(HEAD.format(mesh=mesh, body="\n".join(parts)))


def source(name: str, x: int, y: int, side: str, color: int) -> str:
    return f'input "{name}" : raw i32[1] {{ port ({x}, {y}) {side} color {color} }}'


def sink(name: str, x: int, y: int, side: str, color: int) -> str:
    return f'output "{name}" : raw i32[1] {{ port ({x}, {y}) {side} color {color} }}'


def route(color: int, path: str) -> str:
    return f'route "{color} {path}" {{ color {color}: {path} }}'


def test_a_hop_takes_a_cycle_and_order_is_kept(run: Run) -> None:
    """The push in cycle t, then routers 0, 1, 2 in t + 1, t + 2, t + 3; it has arrived in t + 4."""
    program = network(
        "3x1", source("in", 0, 0, "west", 0), sink("out", 2, 0, "east", 0),
        route(0, "from west at (0, 0), east to 2, end east"),
    )  # fmt: skip
    result = run(program, [5, 6, 7])
    assert (words(result), arrivals(result)) == ([5, 6, 7], [4, 5, 6])
    assert (result.status, result.cycles, result.hops, result.crossings) == ("ok", 6, 3 * 4, 3 * 4)


def test_a_path_turns_corners(run: Run) -> None:
    program = network(
        "3x3", source("in", 0, 0, "west", 0), sink("out", 0, 2, "south", 0),
        route(0, "from west at (0, 0), east to 2, south to 2, west to 0, end south"),
    )  # fmt: skip
    assert arrivals(run(program, [5])) == [8]


def test_a_bundle_is_one_path_per_lane(run: Run) -> None:
    program = network(
        "3x2", source("a", 0, 0, "west", 0), source("b", 0, 1, "west", 0), sink("c", 1, 0, "north", 0),
        sink("d", 2, 1, "south", 0),
        'route "r" { color 0 lanes 1x1: from west at (0, 0), east to 1, end north }',
        'route "s" { color 0: from west at (0, 1), east to 2, end south }',
    )  # fmt: skip
    result = run(program, [1], [2])
    assert (words(result, 0), words(result, 1)) == ([1], [2])
    assert (arrivals(result, 0), arrivals(result, 1)) == ([3], [4])


def multicast(*readers: int) -> Program:
    """Color 0 enters in the west and is delivered to all three PEs of a row; `readers` send it on to the south."""
    classes = [READER.format(name=f"pe{x}", x=x, y=0, heard=0, sent=1) for x in readers]
    outs = [route(1, f"from ramp at ({x}, 0), end south") for x in readers]
    path = "from west at (0, 0) ramp, east to 2 ramp each"
    return network(
        "3x1", source("in", 0, 0, "west", 0), *[sink(f"out{x}", x, 0, "south", 1) for x in readers],
        route(0, path), *outs, *classes,
    )  # fmt: skip


def test_a_multicast_reaches_every_ramp_on_its_way(run: Run) -> None:
    """Visible to PE x in cycle 3 + x; dispatch, pop, push, and four cycles to the host."""
    result = run(multicast(0, 1, 2), [5])
    assert [words(result, x) for x in range(3)] == [[5]] * 3
    assert [arrivals(result, x) for x in range(3)] == [[18], [19], [20]]
    assert (result.status, result.hops, result.crossings) == ("ok", 3 + 3, 3 + 3 + 3 + 3)


def test_a_multicast_waits_for_all_its_outlets(run: Run) -> None:
    """PE 2 never reads: its ramp takes 2 (a queue of depth 0), the links before it 4 each."""
    result = run(multicast(0, 1), list(range(20)))
    assert result.status == "deadlock"
    assert [len(words(result, x)) for x in range(2)] == [2 + 4 + 4, 2 + 4]
    assert [wait.who for wait in result.waits] == ["channel", "host input", "channel", "channel", "channel"]


def crossing() -> Program:
    """Colors 0 (from the west) and 1 (from the north) leave router (0, 0) over the same link."""
    return network(
        "2x1", source("a", 0, 0, "west", 0), source("b", 0, 0, "north", 1),
        sink("c", 1, 0, "east", 0), sink("d", 1, 0, "east", 1),
        route(0, "from west at (0, 0), east to 1, end east"), route(1, "from north at (0, 0), east to 1, end east"),
    )  # fmt: skip


def test_colors_that_share_a_link_take_turns_beginning_with_the_lower(run: Run) -> None:
    result = run(crossing(), [1, 2, 3], [4, 5, 6])
    assert (arrivals(result, 0), arrivals(result, 1)) == ([3, 5, 7], [4, 6, 8])


def test_an_idle_color_leaves_the_link_to_the_other(run: Run) -> None:
    result = run(crossing(), [1, 2, 3], [4])
    assert (arrivals(result, 0), arrivals(result, 1)) == ([3, 5, 6], [4])


def test_host_ports_of_one_edge_link_take_turns(run: Run) -> None:
    program = network(
        "1x1", source("a", 0, 0, "west", 3), source("b", 0, 0, "west", 2),
        sink("c", 0, 0, "east", 3), sink("d", 0, 0, "south", 2),
        route(3, "from west at (0, 0), end east"), route(2, "from west at (0, 0), end south"),
    )  # fmt: skip
    result = run(program, [1, 2], [3, 4])
    assert (arrivals(result, 0), arrivals(result, 1)) == ([3, 5], [2, 4])


def test_a_blocked_color_does_not_block_another_on_its_link(run: Run) -> None:
    program = network(
        "2x1", source("a", 0, 0, "west", 0), source("b", 0, 0, "west", 1), sink("d", 1, 0, "east", 1),
        route(0, "from west at (0, 0), east to 1, end ramp"), route(1, "from west at (0, 0), east to 1, end east"),
    )  # fmt: skip
    result = run(program, list(range(20)), list(range(20)))
    assert (result.status, words(result)) == ("deadlock", list(range(20)))
    assert result.counts.slots.sum() == 0


def test_the_ramp_takes_one_wavelet_per_cycle(run: Run) -> None:
    """Colors 0 and 1 arrive at one PE together: color 1 is a cycle later."""
    program = network(
        "1x1", source("a", 0, 0, "west", 0), source("b", 0, 0, "north", 1), sink("c", 0, 0, "east", 2),
        route(0, "from west at (0, 0), end ramp"), route(1, "from north at (0, 0), end ramp"),
        route(2, "from ramp at (0, 0), end east"),
        """class "pe" at [0, 0, 1, 1] sram 64 {
          input %a : i32 color 0 queue 0
          input %b : i32 color 1 queue 1
          output %c : i32 color 2 queue 0
          register r
          task b on %b { pop r = %b push %c = r }
          task a on %a { pop r = %a push %c = r }
        }""",
    )  # fmt: skip
    assert words(run(program, [7], [8])) == [7, 8]


CONTENDERS = """
  class "sender" at [0, 0, 1, 1] sram 64 {
    register k, j
    output %late : i32 color 0 queue 0
    task go on start { loop k < 5 { j = k } loop k < 3 { push %late = k } }
  }
  class "worker" at [1, 0, 1, 1] sram 256 {
    buffer a : i32[12] at 0
    buffer b : i32[12] at 64
    input %in : i32 color 0 queue 0
    output %out : i32 color 1 queue 0
    task go on start { async THREAD mov b, %in over 3 async t3 mov %out, a over 12 }
  }"""


def contenders(thread: str) -> Program:
    """Thread 3 sends 12 wavelets in a row; `thread` receives 3 of them in the middle of it."""
    return network(
        "2x1", sink("out", 1, 0, "east", 1), route(0, "from ramp at (0, 0), east to 1, end ramp"),
        route(1, "from ramp at (1, 0), end east"), CONTENDERS.replace("THREAD", thread),
    )  # fmt: skip


def test_the_lowest_ready_microthread_has_the_datapath(run: Run) -> None:
    """Two launches, then sends from FIRST + 2 on. The first late push, after two loop starts and five turns, is in
    FIRST + 7 and visible to the worker six cycles later: three receives take the slots after the 11th send."""
    first = FIRST + 2 + 4
    assert arrivals(run(contenders("t2"))) == [*range(first, first + 11), first + 11 + 3]
    assert arrivals(run(contenders("t4"))) == list(range(first, first + 12))
