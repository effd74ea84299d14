"""Liveness of a plan: every chunk gets through, by induction over chunks and, within one, over the order of kernels.

A kernel works chunk by chunk: for chunk c it needs chunk c of its inputs and nothing later, and each PE takes its next
chunk when it has passed this one on. So two things are to be proved: no kernel waits for itself (the kernels and nets
have no cycle), and where two streams meet, the one that comes first can be put aside whole, for its other half passes
through further kernels before it arrives. And every kernel is fed.
"""

from __future__ import annotations

from tulle_ir.plan import HOST, Kernel, Plan
from tulle_ir.verify.findings import Findings


def check_flow(plan: Plan, findings: Findings) -> None:
    """The plan is live."""
    import networkx as nx  # noqa: PLC0415 - a tenth of what the command takes to start, and rarely needed

    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(plan.kernels)))
    graph.add_edges_from((net.source.kernel, net.sink.kernel) for net in plan.nets if net.sink.kernel != HOST)
    for circle in sorted(nx.strongly_connected_components(graph), key=min):
        if len(circle) > 1 or any(graph.has_edge(k, k) for k in circle):
            names = ", ".join(sorted(f"'{plan.kernels[k].name}'" for k in circle if k != HOST))
            findings.error(f"kernels wait for each other in a circle: {names}", plan, "plan")
    fed = set(nx.descendants(graph, HOST)) if HOST in graph else set()
    for index, kernel in enumerate(plan.kernels):
        if index not in fed:
            findings.error("nothing from the host reaches the kernel", kernel, f"kernel '{kernel.name}'")
        _check_store(kernel, findings)


def _check_store(kernel: Kernel, findings: Findings) -> None:
    """A kernel that joins two streams can hold a chunk of one until the other comes."""
    if kernel.kind == "strip" and int(kernel.params.get("join", 0)) and int(kernel.params.get("slots", 0)) < 1:
        findings.error(
            "the strip joins two streams but has no room for a waiting chunk", kernel, f"kernel '{kernel.name}'"
        )
