"""Graph operators fused into stages, one per kernel, and the tensors that travel between them.

A linear takes the activation behind it; a residual add takes the norm behind it; separate q, k, v linears become one.
A tensor with two consumers leaves its stage twice, or passes through a strip that only forks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Activation, Add, Attention, Embed, Graph, Linear, Norm, Op, View
from tulle_ir.graph_check import op_inputs


@dataclass(frozen=True)
class Wire:
    """A stream: the Graph tensor `tensor`, produced by stage `producer` at its output `port`."""

    tensor: str
    producer: int
    port: str


@dataclass
class Stage:
    """A kernel to be. inputs: (port, wire); `width`: features of its main output; `op`: what it computes."""

    kind: str  # scatter, embed, strip, linear, attention, gather
    name: str
    origin: str
    width: int
    inputs: list[tuple[str, Wire]]
    op: Op | None = None
    activation: str = "none"
    join: bool = False
    keep: bool = False
    norm: Norm | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)  # attention: k, v, q columns of its input
    features: np.ndarray | None = None  # which of the model's outputs these are, if not all


def lower(graph: Graph) -> list[Stage]:
    """Fuse a Graph into stages in topological order; the gather is the last. Raises BadInput for a structure that
    has no mapping."""
    return _Lowering(graph).run()


class _Lowering:
    """Walks the operators once; `free` holds, per tensor, the outputs not yet consumed."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.stages: list[Stage] = []
        self.free: dict[str, list[Wire]] = {}
        self.fused: set[int] = set()
        self.ops = merge_qkv(graph.ops)
        self.uses: dict[str, list[Op]] = {}
        for op in self.ops:
            for tensor in dict.fromkeys(op_inputs(op)):
                self.uses.setdefault(tensor, []).append(op)

    def run(self) -> list[Stage]:
        source = self.graph.input
        if source.kind == "features":
            self._add(Stage("scatter", "input", "", source.width, []), source.tensor)
        for op in self.ops:
            if id(op) not in self.fused:
                self._lower(op)
        wire = self._take(self.graph.output.tensor)
        self.stages.append(Stage("gather", "output", "", self.stages[wire.producer].width, [("x", wire)]))
        return self.stages

    def _lower(self, op: Op) -> None:
        match op:
            case Embed():
                self._add(Stage("embed", op.name, op.origin, op.table.shape[1], [], op), op.output)
            case Linear():
                self._linear(op)
            case Norm():
                self._norm(op)
            case Add():
                self._join(op)
            case Attention():
                columns = {n: head_columns(v, op) for n, v in (("k", op.k), ("v", op.v), ("q", op.q))}
                stage = Stage("attention", op.name, op.origin, op.heads * op.head_dim, [], op, columns=columns)
                stage.inputs.append(("qkv", self._take(op.q.tensor)))
                self._add(stage, op.output)
            case Activation():
                raise BadInput(
                    f"an activation ({op.kind}) that does not follow a linear operator has no kernel yet",
                    where=op.origin or op.name,
                )

    def _linear(self, op: Linear) -> None:
        """A linear with the activation behind it, if that is its only consumer."""
        stage = Stage("linear", op.name, op.origin, op.weight.shape[1], [("x", self._take(op.x))], op)
        users, output = self.uses.get(op.output, []), op.output
        if len(users) == 1 and isinstance(users[0], Activation) and output != self.graph.output.tensor:
            stage.activation, output = users[0].kind, users[0].output
            self.fused.add(id(users[0]))
        if stage.activation not in ("none", "gelu", "gelu_tanh", "relu"):
            raise BadInput(f"activation {stage.activation} has no kernel yet", where=op.origin or op.name)
        self._add(stage, output)

    def _norm(self, op: Norm) -> None:
        """A norm on its own; if its input has another consumer, that one gets it from the strip's `keep`."""
        taken = self._take(op.x)
        width = self.stages[taken.producer].width
        stage = Stage("strip", op.name, op.origin, width, [("x", taken)], norm=op, keep=self._feeds_norm(op.x))
        index = self._add(stage, op.output)
        if stage.keep:
            self.free[op.x] = [Wire(op.x, index, "keep")]

    def _join(self, op: Add) -> None:
        """A residual add, with the norm behind it if there is one."""
        wires = [("residual", self._take(op.a)), ("branch", self._take(op.b))]
        users = self.uses.get(op.output, [])
        norm = next((user for user in users if isinstance(user, Norm)), None) if self._count(op.output) <= 2 else None
        stage = Stage("strip", (norm or op).name, op.origin, self.stages[wires[0][1].producer].width, wires, join=True)
        if norm is None:
            self._add(stage, op.output)
            return
        self.fused.add(id(norm))
        stage.norm, stage.keep = norm, self._count(op.output) == 2
        index = self._add(stage, norm.output)
        if stage.keep:
            self.free[op.output] = [Wire(op.output, index, "keep")]

    def _count(self, tensor: str) -> int:
        """Consumers of a tensor, the model's output included."""
        return len(self.uses.get(tensor, [])) + (tensor == self.graph.output.tensor)

    def _feeds_norm(self, tensor: str) -> bool:
        """Whether a tensor has two consumers of which one is a norm, whose strip then serves the other."""
        return self._count(tensor) == 2 and any(isinstance(user, Norm) for user in self.uses[tensor])

    def _add(self, stage: Stage, tensor: str) -> int:
        """Append a stage that makes `tensor`, and forks if the tensor has more consumers than the stage has outputs."""
        self.stages.append(stage)
        index = len(self.stages) - 1
        self.free[tensor] = [Wire(tensor, index, "y")]
        needed = 1 if self._feeds_norm(tensor) else self._count(tensor)
        for copy in range(1, needed):
            fork = Stage("strip", f"{stage.name}.fork{copy}", stage.origin, stage.width, [("x", self._take(tensor))])
            fork.keep = True
            self.stages.append(fork)
            last = len(self.stages) - 1
            self.free[tensor] += [Wire(tensor, last, "y"), Wire(tensor, last, "keep")]
        return index

    def _take(self, tensor: str) -> Wire:
        """An output of a tensor that nothing consumes yet."""
        return self.free[tensor].pop(0)


def merge_qkv(ops: tuple[Op, ...]) -> list[Op]:
    """Replace the separate q, k, v linears of an attention by one linear with concatenated columns."""
    made = {op.output: op for op in ops}
    users: dict[str, int] = {}
    for op in ops:
        for tensor in dict.fromkeys(op_inputs(op)):
            users[tensor] = users.get(tensor, 0) + 1
    merged: dict[str, Op] = {}
    dropped: set[str] = set()
    for op in ops:
        if isinstance(op, Attention):
            fused = _merge_one(op, made, users)
            if fused is not None:
                linear, attention, names = fused
                merged[names[-1]], merged[op.output] = linear, attention
                dropped.update(names[:-1])
    order = {op.output: i for i, op in enumerate(ops)}
    kept = [merged.get(op.output, op) for op in sorted(ops, key=lambda o: order[o.output]) if op.output not in dropped]
    return kept


def _merge_one(op: Attention, made: dict[str, Op], users: dict[str, int]):
    """(linear, attention, replaced tensors) if q, k and v come from different linears of one tensor, else None."""
    names = list(dict.fromkeys(view.tensor for view in (op.q, op.k, op.v)))
    if len(names) == 1:
        return None
    linears = [made.get(name) for name in names]
    where = op.origin or op.name
    if not all(isinstance(linear, Linear) and users[linear.output] == 1 for linear in linears):
        raise BadInput("q, k and v of an attention must come from linear operators of their own", where=where)
    found = [linear for linear in linears if isinstance(linear, Linear)]
    if len({linear.x for linear in found}) != 1:
        raise BadInput("q, k and v of an attention must read one tensor", where=where)
    starts = np.concatenate([[0], np.cumsum([linear.weight.shape[1] for linear in found])])
    offset = dict(zip(names, starts[:-1].tolist(), strict=True))
    last = max(found, key=lambda linear: list(made).index(linear.output))
    names.sort(key=lambda name: list(made).index(name))
    zeros = [np.zeros(linear.weight.shape[1], np.float32) for linear in found]
    biases = [zero if linear.bias is None else linear.bias for linear, zero in zip(found, zeros, strict=True)]
    linear = replace(
        last,
        weight=np.concatenate([linear.weight for linear in found], axis=1),
        bias=np.concatenate(biases) if any(linear.bias is not None for linear in found) else None,
        name=f"{op.name}.qkv",
        origin=" ".join(linear.origin for linear in found),
    )

    def moved(view: View) -> View:
        return View(last.output, view.offset + offset[view.tensor], view.head_stride)

    return linear, replace(op, q=moved(op.q), k=moved(op.k), v=moved(op.v)), names


def head_columns(view: View, op: Attention) -> np.ndarray:
    """Columns of a view by head: [heads, head_dim]."""
    return view.offset + view.head_stride * np.arange(op.heads)[:, None] + np.arange(op.head_dim)[None, :]
