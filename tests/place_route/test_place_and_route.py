"""Placements and routes of GPT-like plans: legal, complete, in order, equal every time, better than a shelf."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from plans import gpt, matmul
from walking import Walker, check_routed, no_overlap, walked, wires

from tulle_compiler.place import Place
from tulle_compiler.route import Route
from tulle_compiler.route.check import conflicts
from tulle_ir.diagnostics import DoesNotFit
from tulle_ir.target import load_target

MARGIN = 0.75  # of the shelf packing's cost, at most

PLANS = {
    "matmul": lambda: matmul((14, 14), 8, 6),
    "matmul-hosts": lambda: matmul((40, 40), 16, 12, 2, hosts=4),
    "matmul-one-lane": lambda: matmul((12, 12), 1, 1),
    "two-blocks": lambda: gpt((100, 100), 2),
    "odd": lambda: gpt((97, 89), 2, d=13, ffn=29, heads=5, g=2, rows=7, m=3, head=17, outs=3),
    "one-color": lambda: gpt((90, 90), 2, g=1, heads=8),
    "no-finishers": lambda: gpt((90, 90), 1, m=0),
    "generic": lambda: gpt((80, 80), 1, target="generic"),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("seed", [0, 1])
def test_routes_are_exact(name, seed):
    placed = Place(seed=seed, effort=0)(PLANS[name]())
    assert no_overlap(placed.frames, placed.plan.mesh)
    routed = Route()(placed)
    assert conflicts(routed) == []
    check_routed(routed)
    usable = load_target(placed.plan.target).usable_colors
    assert all(c < usable for route in routed.nets for c in route.colors)
    assert all(c < usable for colors in routed.internal for c in colors)


def test_dense_mesh():
    plan = gpt((110, 110), 4)  # regions fill 76 %
    placed = Place()(plan)
    assert no_overlap(placed.frames, plan.mesh)
    assert placed.cost < MARGIN * placed.shelf_cost
    check_routed(Route()(placed))


def test_beats_the_shelf():
    placed = Place()(gpt((100, 100), 3))
    assert placed.cost < MARGIN * placed.shelf_cost


def test_host_nets_have_links():
    placed = Place(effort=0)(matmul((40, 40), 16, 12, 2, hosts=4))
    for net, link in zip(placed.plan.nets, placed.links, strict=True):
        assert (link is not None) == (-1 in (net.source.kernel, net.sink.kernel))
    inputs = [link for net, link in zip(placed.plan.nets, placed.links, strict=True) if net.source.kernel == -1]
    assert len(inputs) == len(set(inputs)) == 4  # there are enough links for one each


def test_host_nets_share_links_evenly_where_there_are_few():
    placed = Place(effort=0)(matmul((40, 40), 16, 12, 2, hosts=4, target="generic"))
    inputs = [link for net, link in zip(placed.plan.nets, placed.links, strict=True) if net.source.kernel == -1]
    counts = [inputs.count(link) for link in set(inputs)]
    assert sum(counts) == 4 and max(counts) - min(counts) <= 1


def shared_wires(hosts: int) -> int:
    """How many links the streams to some host links share, each of which fills its link for the whole period."""
    plan = matmul((60, 60), 24, 24, 2, hosts=hosts)
    wavelets = max(net.wavelets for net in plan.nets if net.sink.kernel < 0)
    costs = [replace(kernel.cost, predicted=float(wavelets)) for kernel in plan.kernels]
    kernels = tuple(replace(kernel, cost=cost) for kernel, cost in zip(plan.kernels, costs, strict=True))
    routed = Route()(Place(effort=0)(replace(plan, kernels=kernels)))
    walker, nets = Walker(walked(routed)), plan.nets
    leaving = [index for index, net in enumerate(nets) if net.sink.kernel < 0]
    assert len(leaving) == hosts
    return sum(n > 1 for n in Counter(wire for index in leaving for wire in wires(routed, walker, index)).values())


@pytest.mark.parametrize("hosts", [4, 8, 16, 24])
def test_streams_that_fill_host_links_share_no_wire(hosts):
    assert shared_wires(hosts) == 0


def test_same_seed_same_result():
    plan = gpt((100, 100), 2)
    first, again = Place(seed=3, effort=1)(plan), Place(seed=3, effort=1)(plan)
    assert first.frames == again.frames and first.links == again.links and first.cost == again.cost
    assert Route()(first).nets == Route()(again).nets


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_hash_seed_changes_nothing(hash_seed):
    script = (
        "from plans import gpt; from tulle_compiler.place import Place; from tulle_compiler.route import Route;"
        "r = Route()(Place(effort=1)(gpt((100, 100), 1)));"
        "print(r.placed.frames, r.placed.links, r.nets, r.internal, [sorted(g) for g in r.reversed_groups])"
    )
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(here)}
    there = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    routed = Route()(Place(effort=1)(gpt((100, 100), 1)))
    placed = routed.placed
    here_ = (placed.frames, placed.links, routed.nets, routed.internal, [sorted(g) for g in routed.reversed_groups])
    assert there.strip() == " ".join(str(part) for part in here_)


def test_too_large_a_kernel():
    with pytest.raises(DoesNotFit) as caught:
        Place()(gpt((30, 30), 1))
    assert str(caught.value) == (
        "h.0.up: kernel 'h.0.up' takes 18x48 PEs, the mesh has 30x30, 18 too few along its long side\n"
        "  to change: a larger --mesh, fewer lanes or cache rows (smaller regions), --objective latency, "
        "a smaller --context"
    )


def test_too_many_pes():
    with pytest.raises(DoesNotFit, match=r"take 9,168 PEs, the mesh of 72x72 has 5,184, 3,984 too few; largest: h\.0"):
        Place()(gpt((72, 72), 4))


def test_no_room():
    with pytest.raises(DoesNotFit, match=r"\(96%\), but no arrangement of the rectangles was found"):
        Place(effort=0)(gpt((96, 99), 4))


def test_too_few_colors(tmp_path):
    text = (Path(__file__).parents[2] / "ir/tulle_ir/targets/generic.toml").read_text()
    few = tmp_path / "few.toml"
    few.write_text(re.sub(r"(?m)^colors = \{ value = \d+", "colors = { value = 8", text))
    plan = gpt((80, 80), 1, target=str(few))
    with pytest.raises(DoesNotFit, match=r"the routes need \d+ colors, \d+ more than the \d+ that target"):
        Route()(Place(effort=0)(plan))
