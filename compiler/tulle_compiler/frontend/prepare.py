"""What an import at any input shape starts from: sorted live nodes, known tensors, the one input and output."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from tulle_compiler.frontend.constants import Const, Folded, Folder
from tulle_compiler.frontend.external import ExternalData
from tulle_compiler.frontend.functions import inline_functions
from tulle_compiler.frontend.load import ModelFile
from tulle_compiler.frontend.nodes import Node, sort_live_nodes
from tulle_compiler.frontend.tensors import dense_array, sparse_array
from tulle_compiler.frontend.weights import WeightStore
from tulle_ir.diagnostics import BadInput

_IDS = frozenset({TensorProto.INT64, TensorProto.INT32})
_FEATURES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16})


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The model's input: token ids or features, with its dims (None where free)."""

    name: str
    is_ids: bool
    dims: tuple[int | None, ...]

    @property
    def row_dims(self) -> tuple[int | None, ...]:
        """Dims without the features: (tokens,) or (batch, tokens)."""
        return self.dims if self.is_ids else self.dims[:-1]


@dataclass(slots=True, eq=False)
class Prepared:
    """A model ready to be bound. `static` holds values that no input shape changes, filled as they are needed."""

    nodes: list[Node]
    static_nodes: set[int]
    static: dict[str, Folded]
    input: InputSpec
    output: str
    result: str  # the value that is the output, past identities
    weights: WeightStore = field(default_factory=WeightStore)
    folder: Folder = field(default_factory=Folder)
    notes: list[str] = field(default_factory=list)

    def dimension_sizes(self) -> list[int]:
        """Sizes of all axes of all known tensors, sorted: one of them bounds the context."""
        return sorted({n for value in self.static.values() if isinstance(value, Const) for n in value.array.shape})


def prepare(file: ModelFile) -> Prepared:
    """Inline functions, sort nodes, read constants; raises BadInput."""
    graph = file.proto.graph
    tensors = _initializers(graph)
    inputs = [value for value in graph.input if value.name not in tensors]
    if len(graph.output) != 1:
        names = ", ".join(value.name for value in graph.output)
        raise BadInput(
            f"the model has {len(graph.output)} outputs ({names})", remedy="export one output only: the logits"
        )
    nodes = inline_functions(file.proto)
    output = graph.output[0].name
    live = sort_live_nodes(nodes, [*tensors, *(value.name for value in inputs)], output)
    used = {name for node in live for name in node.inputs} | {output}
    spec, unused = _one_input([v for v in inputs if v.name in used], inputs)
    static: dict[str, Folded] = {"": None}
    static |= {name: _known(tensors[name], file.external, name) for name in tensors if name in used}
    for node in live:
        if node.op == "Constant":
            static[node.outputs[0]] = _constant(node, file.external)
    _share_masks(static)
    rest, alias = _without_identities([node for node in live if node.op != "Constant"])
    prepared = Prepared(rest, _static_nodes(rest, static), static, spec, output, alias.get(output, output))
    prepared.notes.extend(f"the input {name!r} is not used by the model" for name in unused)
    return prepared


def _initializers(graph: onnx.GraphProto) -> dict[str, TensorProto | onnx.SparseTensorProto]:
    found: dict[str, TensorProto | onnx.SparseTensorProto] = {}
    pairs = [(t.name, t) for t in graph.initializer] + [(t.values.name, t) for t in graph.sparse_initializer]
    for name, tensor in pairs:
        if name in found:
            raise BadInput(f"two initializers are named {name!r}")
        found[name] = tensor
    return found


def _known(tensor: TensorProto | onnx.SparseTensorProto, external: ExternalData, name: str) -> Const:
    if isinstance(tensor, onnx.SparseTensorProto):
        return Const(sparse_array(tensor, external), name)
    return Const(dense_array(tensor, external), name)


def _constant(node: Node, external: ExternalData) -> Const:
    """The value of a Constant node in any of its forms."""
    if len(node.proto.attribute) != 1:
        raise node.fail("a constant must have exactly one value")
    attribute = node.proto.attribute[0]
    value = helper.get_attribute_value(attribute)
    match attribute.name:
        case "value":
            return Const(dense_array(value, external))
        case "sparse_value":
            return Const(sparse_array(value, external), node.outputs[0])
        case "value_float" | "value_floats":
            return Const(np.array(value, np.float32))
        case "value_int" | "value_ints":
            return Const(np.array(value, np.int64))
        case _:
            raise node.fail(f"a constant of the form {attribute.name!r} is not a number")


def _share_masks(static: dict[str, Folded]) -> None:
    """Let equal boolean and integer constants be one object: exporters store a mask per layer."""
    seen: dict[tuple[str, tuple[int, ...], bytes], Const] = {}
    for name, value in static.items():
        if isinstance(value, Const) and value.array.dtype.kind in "biu" and value.array.size > 1:
            digest = hashlib.sha256(np.ascontiguousarray(value.array).data).digest()
            static[name] = seen.setdefault((value.array.dtype.str, value.array.shape, digest), value)


def _without_identities(nodes: list[Node]) -> tuple[list[Node], dict[str, str]]:
    """The nodes with identities taken out, and which value stands for each of their results."""
    alias: dict[str, str] = {}
    kept = []
    for node in nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if node.op == "Identity" and len(inputs) == 1:
            alias[node.outputs[0]] = inputs[0]
        else:
            kept.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    return kept, alias


def _static_nodes(nodes: list[Node], static: dict[str, Folded]) -> set[int]:
    """Nodes (by id) that depend on initializers and constants alone."""
    names = set(static)
    found: set[int] = set()
    for node in nodes:
        if all(name in names for name in node.inputs):
            found.add(id(node))
            names.update(node.outputs)
    return found


def _one_input(used: list[onnx.ValueInfoProto], every: list[onnx.ValueInfoProto]) -> tuple[InputSpec, list[str]]:
    if len(used) != 1:
        names = ", ".join(repr(value.name) for value in used) or "none"
        remedy = "export with one input only: token ids, or features for a plain MatMul or MLP"
        raise BadInput(f"the result depends on {len(used)} inputs ({names}); one is supported", remedy=remedy)
    value = used[0]
    tensor = value.type.tensor_type
    where = f"input {value.name!r}"
    if tensor.elem_type not in _IDS | _FEATURES:
        raise BadInput("the input is neither token ids (int64, int32) nor float features", where=where)
    is_ids = tensor.elem_type in _IDS
    dims = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
    if not tensor.HasField("shape"):
        dims = (None, None)
    if len(dims) not in ((1, 2) if is_ids else (2, 3)):
        shapes = "[tokens] or [batch, tokens]" if is_ids else "[tokens, features] or [batch, tokens, features]"
        raise BadInput(f"the input has {len(dims)} axes, expected {shapes}", where=where)
    if not is_ids and dims[-1] is None:
        raise BadInput("the number of features is not fixed", where=where, remedy="export with a static last axis")
    return InputSpec(value.name, is_ids, dims), [v.name for v in every if v.name != value.name]
