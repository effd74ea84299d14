"""ONNX to Graph: bind at several lengths, recognise each, and require one and the same Graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tulle_compiler.frontend.bind import Bound, bind
from tulle_compiler.frontend.canonical import canonical_ops
from tulle_compiler.frontend.load import ModelFile, load_model_file
from tulle_compiler.frontend.masks import NotCausal
from tulle_compiler.frontend.prepare import Prepared, prepare
from tulle_ir.diagnostics import BadInput
from tulle_ir.graph import Attention, Axis, Embed, Graph, GraphInput, GraphOutput, Linear, Op
from tulle_ir.graph_check import check_graph

SHORT = 3  # tokens: enough to tell a mask's directions
MIDDLE = 5
MAX_CONTEXT = 8192


def import_onnx(path: Path) -> Graph:
    """The Graph of an ONNX file; raises BadInput, naming file or node, for anything not fully understood."""
    file = load_model_file(path)
    try:
        graph = _import(file)
    except BadInput as error:
        error.where = error.where or str(path)
        raise
    check_graph(graph)
    return graph


def _import(file: ModelFile) -> Graph:
    model = prepare(file)
    fixed = model.input.row_dims[-1]
    short = fixed or SHORT
    batch = _fixed_batch(model)
    first = _graph_at(model, batch or 1, short)
    lengths = [] if fixed else [MIDDLE]
    context, notes = _context(model, first, batch or 1)
    longest = first
    for tokens in sorted({n for n in (*lengths, context or 0) if n > short and (context is None or n <= context)}):
        longest = _graph_at(model, batch or 1, tokens)
        _require_same(first, longest)
    axes, two = _output_axes(model, first, batch, short)
    if two is not None:
        _require_same(first, two)
    return _finished(file, model, longest, axes, context, notes)


class _At:
    """A recognised model at one input shape."""

    def __init__(self, bound: Bound) -> None:
        self.batch, self.tokens = bound.binder.batch, bound.binder.tokens
        self.shape, self.last = bound.shape, bound.output.last
        self.ops, self.output = canonical_ops(bound)


def _graph_at(model: Prepared, batch: int, tokens: int) -> _At:
    return _At(bind(model, batch, tokens))


def _fixed_batch(model: Prepared) -> int | None:
    dims = model.input.row_dims
    return dims[0] if len(dims) == 2 else 1


def _require_same(a: _At, b: _At) -> None:
    """Two shapes must give the same operators, position rows being a prefix of longer ones."""
    tokens = min(a.tokens, b.tokens)
    same = len(a.ops) == len(b.ops) and a.output == b.output and a.last == b.last
    if same and all(_cut(x, tokens) == _cut(y, tokens) for x, y in zip(a.ops, b.ops, strict=True)):
        return
    shapes = f"{a.batch} x {a.tokens} and {b.batch} x {b.tokens}"
    raise BadInput(f"the model computes different things on inputs of {shapes} tokens")


def _cut(op: Op, tokens: int) -> Op:
    if isinstance(op, Embed) and op.positions is not None:
        return replace(op, positions=op.positions[:tokens])
    return op


def _context(model: Prepared, first: _At, batch: int) -> tuple[int | None, list[str]]:
    """The longest sequence, and a note why. None when rows do not depend on each other."""
    positions = any(isinstance(op, Embed) and op.positions is not None for op in first.ops)
    if not positions and not any(isinstance(op, Attention) for op in first.ops):
        return None, []
    if model.input.row_dims[-1]:
        return first.tokens, [f"the file fixes the length at {first.tokens} tokens"]
    return _search_context(model, batch, first.tokens)


def _search_context(model: Prepared, batch: int, low: int) -> tuple[int, list[str]]:
    """Bisection: first over the axis sizes of the file's tensors (one of them is the limit), then between."""
    reason = ""

    def works(tokens: int) -> bool:
        nonlocal reason
        try:
            bind(model, batch, tokens)
        except NotCausal:
            raise
        except BadInput as error:
            reason = f"{error.where}: {error.what}"
            return False
        return True

    sizes = [n for n in model.dimension_sizes() if low < n < MAX_CONTEXT]
    low, high = _bisect([low, *sizes, MAX_CONTEXT], works)
    if high is None:
        return MAX_CONTEXT, [f"the model sets no limit to its context; {MAX_CONTEXT} tokens are taken"]
    if works(low + 1):
        low, _ = _bisect(list(range(low + 1, high)), works)
    return low, [f"the model takes at most {low} tokens; beyond that, {reason}"]


def _bisect(lengths: list[int], works) -> tuple[int, int | None]:
    """The last length that works, given that the first does, and the one after it."""
    low, high = 0, len(lengths)
    while high - low > 1:
        middle = (low + high) // 2
        if works(lengths[middle]):
            low = middle
        else:
            high = middle
    return lengths[low], lengths[high] if high < len(lengths) else None


def _output_axes(model: Prepared, first: _At, batch: int | None, short: int) -> tuple[tuple[Axis, ...], _At | None]:
    """Meaning of each output axis, told apart by running two sequences where the file allows it."""
    two = None
    if len(model.input.row_dims) == 2 and batch is None:
        two = _graph_at(model, 2, short)
    at = two or first
    lead = at.shape[:-1]
    batched = len(model.input.row_dims) == 2
    tokens = 1 if at.last else at.tokens
    if batched and lead == (at.batch, tokens):
        return ("batch", "one" if at.last else "tokens", "features"), two
    if lead == (at.batch,) and at.last:
        return ("batch", "features"), two
    if lead == (at.batch * at.tokens,):
        return ("tokens", "features"), two
    raise BadInput(f"the output of shape {list(at.shape)} is not [batch, tokens, features]")


def _finished(
    file: ModelFile, model: Prepared, at: _At, axes: tuple[Axis, ...], context: int | None, notes: list[str]
) -> Graph:
    if not any(isinstance(op, Linear) for op in at.ops):
        raise BadInput("the model has no linear layer: there is nothing to compile")
    spec = model.input
    width = spec.dims[-1] if not spec.is_ids else next(op.table.shape[0] for op in at.ops if isinstance(op, Embed))
    assert width is not None
    row_axes: tuple[Axis, ...] = ("batch", "tokens") if len(spec.row_dims) == 2 else ("tokens",)
    graph_input = GraphInput(
        spec.name,
        "ids" if spec.is_ids else "features",
        width,
        row_axes if spec.is_ids else (*row_axes, "features"),
        batch=spec.row_dims[0] if len(spec.row_dims) == 2 else None,
    )
    pruned = sum(model.weights.pruned_nans.values())
    if pruned:
        notes = [*notes, f"{pruned} weights are NaN in the file and taken as pruned (zero)"]
    output = GraphOutput(model.output, at.output, axes, "last" if at.last else "all")
    metadata = {entry.key: entry.value for entry in file.proto.metadata_props}
    return Graph(graph_input, at.ops, output, context, metadata, (*model.notes, *notes), file.sha256())
