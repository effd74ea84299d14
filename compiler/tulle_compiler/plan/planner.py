"""The planning pass: Graph -> Plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from tulle_compiler.fold import fold_norms
from tulle_compiler.kernels.attention import Attention, plan_attention
from tulle_compiler.kernels.embed import Embed, plan_embed
from tulle_compiler.kernels.host_lanes import plan_host_lanes
from tulle_compiler.kernels.linear import Linear, filtering_pays, plan_linear
from tulle_compiler.kernels.strip import Strip, plan_strip
from tulle_compiler.options import CompileOptions, Precision
from tulle_compiler.partition import Partition
from tulle_compiler.plan.alone import Alone, best_layout, is_alone, plan_alone
from tulle_compiler.plan.cuts import cut_classes
from tulle_compiler.plan.lanes import lane_classes
from tulle_compiler.plan.lower import Stage, Wire, lower
from tulle_compiler.plan.search import score, search, spread
from tulle_compiler.plan.sizes import Limits, Problem, Sizes
from tulle_ir import graph as ops
from tulle_ir.code import DType
from tulle_ir.diagnostics import BadInput, DoesNotFit, UsageError
from tulle_ir.host_links import host_links
from tulle_ir.plan import End, HostNet, Kernel, Net, Plan
from tulle_ir.progress import steps
from tulle_ir.target import Target

CHUNKS = {"throughput": (4, 8, 16, 32), "latency": (1, 2, 4)}  # tokens per chunk that are tried
TOKENS = 512  # length of the sequence that is optimised for when the model sets no context
DENSE_ABOVE = 0.9  # density from which a matrix is stored without indices
FILLS = (0.55, 0.4, 0.28, 0.18)  # shares of a given mesh that regions may cover, tried in turn
FILL = FILLS[0]
LONGEST_CHUNK = 255  # tokens
HOST_PORTS = ("ids", "in", "out")  # how the names of terminals towards the host begin
RING_BYTES = 8192  # SRAM of a strip for waiting residual chunks


@dataclass(frozen=True)
class PlanModel:
    """Plan a Graph for a target. `fill`: share of the mesh that regions may cover; None gives a linear by itself all of
    it (see `fills_of`)."""

    options: CompileOptions
    target: Target
    fill: float | None = FILL

    def __call__(self, graph: ops.Graph) -> Plan:
        if self.fill is None:
            return _alone(graph, self.options, self.target)
        return _Planner(graph, self.options, self.target, self.fill).plan()


def fills_of(graph: ops.Graph, options: CompileOptions) -> tuple[float | None, ...]:
    """Shares of the mesh that regions may cover, in the order to try them."""
    return (None, *FILLS) if options.mesh is not None and is_alone(lower(graph)) else FILLS


def _alone(graph: ops.Graph, options: CompileOptions, target: Target) -> Plan:
    """The plan of a linear by itself on the mesh asked for."""
    stages, precision = lower(graph), Precision.of(options)
    op, mesh = stages[1].op, options.mesh
    assert isinstance(op, ops.Linear) and mesh is not None
    context_of(graph, options)
    dense = options.ignore_sparsity or bool(np.count_nonzero(op.weight) >= DENSE_ABOVE * op.weight.size)
    longest = max(CHUNKS["latency"]) if options.objective == "latency" else LONGEST_CHUNK
    tokens = longest if options.objective == "latency" else options.context or TOKENS
    alone = Alone(op, stages[1].activation, dense, precision, target, mesh, tokens)
    layout = best_layout(alone, options.chunk, longest)
    if layout is None:
        raise DoesNotFit(
            f"no tiles of {op.weight.shape[0]} x {op.weight.shape[1]} weights keep every PE within "
            f"{target.sram_bytes} bytes on a mesh of {mesh[0]} x {mesh[1]} PEs",
            where=stages[1].origin,
            remedy="a larger --mesh, a smaller --chunk, more pruning",
        )
    kernels, nets, host = plan_alone(alone, stages, layout, graph.input.name, graph.output.name)
    facts = plan_facts(graph, options, layout.chunk, 0)
    return Plan("model", mesh, target.name, kernels, nets, host, facts)


def plan_facts(graph: ops.Graph, options: CompileOptions, chunk: int, context: int) -> dict[str, int | float | str]:
    """What later passes need to know of the options."""
    precision = Precision.of(options)
    return {
        "chunk": chunk,
        "context": context,
        "dtype": options.dtype,
        "accumulate": precision.accumulate.value,
        "reduce": precision.reduce.value,
        "seed": options.seed,
        "objective": options.objective,
        "last_only": int(options.logits == "last" or graph.output.rows == "last"),
        "vocab": graph.input.width if graph.input.kind == "ids" else 0,
    }


class _Planner:
    """One planning: lowered stages, their sizes and cuts, then kernels and nets."""

    def __init__(self, graph: ops.Graph, options: CompileOptions, target: Target, fill: float) -> None:
        self.graph, self.options, self.target = fold_norms(graph), options, target
        self.precision = Precision.of(options)
        self.stages = lower(self.graph)
        self.classes = lane_classes(self.stages)
        self.context = context_of(graph, options)
        self.mesh = options.mesh or (target.width, target.height)
        self.last_only = options.logits == "last" or graph.output.rows == "last"
        self.density = {i: self._density(stage) for i, stage in enumerate(self.stages) if stage.kind == "linear"}
        self.dense = {i: options.ignore_sparsity or d >= DENSE_ABOVE for i, d in self.density.items()}
        self.chunk, self.sizes = self._search(fill)
        if options.mesh is None:
            self.mesh = self._own_mesh()
        self.links = len(host_links(target, self.mesh))
        self.cuts = cut_classes(self.stages, self.classes, self.sizes, self.dense)
        self.filtered: set[int] = set()
        self.filtered = self._filtered()

    def _density(self, stage: Stage) -> float:
        assert isinstance(stage.op, ops.Linear)
        if self.options.ignore_sparsity:
            return 1.0
        return np.count_nonzero(stage.op.weight) / max(1, stage.op.weight.size)

    def _search(self, fill: float) -> tuple[int, Sizes]:
        """The chunk and the sizes that run a sequence in the fewest cycles: as long as the context for throughput,
        a single chunk for latency."""
        longest = self.context or 255
        given = (self.options.chunk,) if self.options.chunk else CHUNKS[self.options.objective]
        best: tuple[tuple[float, float], int, Sizes] | None = None
        failure: DoesNotFit | None = None
        for chunk in sorted({min(chunk, longest) for chunk in given}):
            problem = self._problem(fill, chunk)
            try:
                sizes = search(problem)
            except DoesNotFit as error:
                failure = failure or error
                continue
            if best is None or score(problem, sizes) < best[0]:
                best = score(problem, sizes), chunk, sizes
        if best is None:
            assert failure is not None
            raise failure
        spread(self._problem(fill, best[1]), best[2])
        return best[1:]

    def _problem(self, fill: float, chunk: int) -> Problem:
        """What the search works on for one chunk length."""
        tokens = chunk if self.options.objective == "latency" else self.context or TOKENS
        return Problem(
            self.stages,
            self.classes,
            {i: 1.0 if self.dense[i] else d for i, d in self.density.items()},
            self.dense,
            self.precision,
            chunk,
            self.context or chunk,
            Limits(self.target, self.mesh, fill * self.mesh[0] * self.mesh[1], len(host_links(self.target, self.mesh))),
            tokens,
            self._once(),
            self._behind_relu(chunk),
        )

    def _own_mesh(self) -> tuple[int, int]:
        """A nearly square mesh for the chosen sizes when none was asked for; bundles have room beside every region."""
        rows = [rows for _, rows in self.sizes.attention.values()]
        longest = max([*self.sizes.lanes, *rows]) + max([0, *self.sizes.finishers.values()])
        widest = max(self.sizes.lanes[self.classes.output[i]] for i, s in enumerate(self.stages) if s.kind != "linear")
        side = max(int(np.ceil(np.sqrt(self.sizes.area / FILL))), longest + 2 * widest) + 4
        return min(side, self.target.width), min(side, self.target.height)

    def plan(self) -> Plan:
        """All kernels and nets."""
        numbers, once = steps("plan", range(len(self.stages)), "kernels"), self._once()
        kernels = tuple(self._kernel_once(i) if i in once else self._kernel(i, self.chunk) for i in numbers)
        nets, host = self._nets(kernels)
        return Plan(
            "model",
            self.mesh,
            self.target.name,
            kernels,
            nets,
            host,
            plan_facts(self.graph, self.options, self.chunk, self.context),
        )

    def _once(self) -> frozenset[int]:
        """Stages behind the strip that passes on the last token only."""
        if not self.last_only:
            return frozenset()
        stages = range(len(self.stages))
        last_strip = next((i for i in stages if self.stages[i].kind == "strip" and self._feeds_head(i)), len(stages))
        return frozenset(range(last_strip + 1, len(stages)))

    def _kernel_once(self, i: int) -> Kernel:
        """The kernel of a stage that sees single tokens, with the buffers of all others."""
        kernel = self._kernel(i, self.chunk)
        return replace(kernel, cost=replace(self._kernel(i, 1).cost, max_pe_bytes=kernel.cost.max_pe_bytes))

    def _kernel(self, i: int, chunk: int) -> Kernel:
        """The kernel of stage i for chunks of that length."""
        stage, cut = self.stages[i], self.cuts[self.classes.output[i]]
        args = (self.precision, self.target, chunk)
        match stage.kind:
            case "linear":
                return plan_linear(self._linear(i, stage), *args)
            case "strip":
                return plan_strip(self._strip(i, stage, cut), *args)
            case "attention":
                return plan_attention(self._attention(i, stage), *args)
            case "embed":
                assert isinstance(stage.op, ops.Embed)
                positions = stage.op.positions
                if positions is not None:
                    positions = positions[: self.context]
                rows = self.sizes.embed_rows[i]
                return plan_embed(Embed(stage.name, stage.origin, stage.op.table, positions, cut, rows), *args)
            case "scatter":
                return plan_host_lanes(stage.name, True, cut, self._links(cut), self.precision, chunk)
            case _:
                cut = self.cuts[self.classes.source[i]]
                return plan_host_lanes(stage.name, False, cut, self._links(cut), self.precision, chunk)

    def _links(self, cut: Partition) -> int:
        """Host links of a stream: as many as keep each busy for half of the period at most, if there are so many."""
        wavelets = len(cut.order) * self._wavelets
        return min(self.links, cut.lanes, ceil(2 * wavelets / self.sizes.period))

    def _linear(self, i: int, stage: Stage) -> Linear:
        op = stage.op
        assert isinstance(op, ops.Linear)
        inputs, stream = self.cuts[self.classes.source[i]], self.cuts[self.classes.output[i]]
        return Linear(
            stage.name,
            stage.origin,
            op.weight,
            op.bias,
            stage.activation,
            inputs,
            stream,
            self.sizes.finishers[i],
            self.dense[i] and i not in self.filtered,
            i in self.filtered,
            i in map(self._producer, self.filtered),
            scale=op.scale,
        )

    def _filtered(self) -> set[int]:
        """The linears whose input comes without its zeros: behind a ReLU, at chunk 1, where that pays."""
        room = Limits(self.target, self.mesh, 0, 1).bytes
        args = (self.precision, self.target, self.chunk)
        able = self._behind_relu(self.chunk)
        return {i for i in able if filtering_pays(self._linear(i, self.stages[i]), room, *args)}

    def _behind_relu(self, chunk: int) -> frozenset[int]:
        """The linears whose input's zeros can be filtered."""
        if chunk > 1 or self.precision.stream is not DType.F16 or self.options.ignore_sparsity:
            return frozenset()
        linears = (i for i, stage in enumerate(self.stages) if stage.kind == "linear")
        return frozenset(i for i in linears if self.stages[self._producer(i)].activation == "relu")

    def _producer(self, i: int) -> int:
        """The stage that a stage with one input takes it from."""
        ((_, wire),) = self.stages[i].inputs
        return wire.producer

    def _strip(self, i: int, stage: Stage, cut: Partition) -> Strip:
        norm = stage.norm
        room = RING_BYTES // max(1, cut.largest * self.chunk * self.precision.stream.size)
        before_gather = self._feeds_head(i)
        return Strip(
            stage.name,
            stage.origin,
            cut,
            stage.join,
            stage.keep,
            norm.kind if norm else "none",
            None if norm is None or np.all(norm.gamma == 1) else norm.gamma,
            norm.beta if norm else None,
            norm.eps if norm else 0.0,
            max(1, min(32, room)),
            self.last_only and before_gather,
        )

    def _feeds_head(self, i: int) -> bool:
        """Whether stage i is the last strip: everything behind it leads straight to the gather."""
        current = self.stages[-1].inputs[0][1].producer
        while self.stages[current].kind == "linear":
            current = self.stages[current].inputs[0][1].producer
        return current == i and not self.stages[i].keep

    def _attention(self, i: int, stage: Stage) -> Attention:
        op = stage.op
        assert isinstance(op, ops.Attention)
        columns, rows = self.sizes.attention[i]
        return Attention(
            stage.name, stage.origin, op.heads, op.head_dim, op.scale, columns, rows, self.context or self.chunk
        )

    def _nets(self, kernels: tuple[Kernel, ...]) -> tuple[tuple[Net, ...], tuple[HostNet, ...]]:
        """One net per wire, and one per host link used."""
        nets = [self._net(kernels, i, port, wire) for i, stage in enumerate(self.stages) for port, wire in stage.inputs]
        host: list[HostNet] = []
        gather = len(kernels) - 1
        first = next(i for i, stage in enumerate(self.stages) if stage.kind in ("scatter", "embed"))
        for k, is_input in ((first, True), (gather, False)):
            links = [t for t, terminal in enumerate(kernels[k].terminals) if terminal.name.startswith(HOST_PORTS)]
            name = (self.graph.input if is_input else self.graph.output).name
            host.append(HostNet(name, is_input, tuple(len(nets) + n for n in range(len(links)))))
            dtype, wavelets = self._host_wavelets(k, len(links))
            for t in links:
                ends = (End(-1), End(k, t)) if is_input else (End(k, t), End(-1))
                nets.append(Net(f"{self.stages[k].name}.{kernels[k].terminals[t].name}", *ends, 1, dtype, wavelets))
        return tuple(nets), tuple(host)

    def _net(self, kernels: tuple[Kernel, ...], i: int, port: str, wire: Wire) -> Net:
        """The net of a wire into stage i."""
        cut = self.cuts[self.classes.output[wire.producer]]
        return Net(
            f"{self.stages[i].name}.{port}",
            End(wire.producer, kernels[wire.producer].terminal(wire.port)),
            End(i, kernels[i].terminal(port)),
            cut.lanes,
            self.precision.stream,
            1 + cut.largest * self._wavelets + (i in self.filtered),
        )

    def _host_wavelets(self, i: int, links: int) -> tuple[DType, int]:
        """Element type, and wavelets per full chunk on each of the host links of stage i: ids, or rows of features."""
        if self.stages[i].kind == "embed":
            return DType.I32, 1 + self.chunk
        return self.precision.stream, 1 + -(-self.stages[i].width // links) * self._wavelets

    @property
    def _wavelets(self) -> int:
        """Wavelets of one feature of a full chunk."""
        return self.precision.stream.wavelets(self.chunk)


def context_of(graph: ops.Graph, options: CompileOptions) -> int:
    """Longest sequence in tokens (0: rows are independent). Raises for a context the model does not have."""
    if options.chunk is not None and not 1 <= options.chunk <= 255:
        raise UsageError(f"--chunk {options.chunk} is outside 1 .. 255")
    if options.context is None:
        return graph.context or 0
    if options.context < 1:
        raise UsageError(f"--context {options.context} must be at least 1")
    if graph.context is not None and options.context > graph.context:
        raise BadInput(
            f"a context of {options.context} tokens was asked for, the model has positions for {graph.context}",
            remedy=f"--context {graph.context} or less",
        )
    return options.context if graph.context is not None else 0
