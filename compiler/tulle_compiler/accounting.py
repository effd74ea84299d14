"""Parameters and FLOPs per token, dense and as compiled.

Forward FLOPs per token: 2 per stored weight of a linear, 4 S d per attention of width d at context S (full S x S, no
causal halving), 2 V d for the head (dense logits). Norms, biases, activations and lookups are not counted.
Parameters: every number of the model, a tied head counted once; stored: without the zeros of the linears.
For a GPT of L layers this is the field's L (24 d^2 (1 - s) + 4 S d) + 2 V d. Published figures leave biases and norms
(0.05 % of GPT-3 XL) out of the parameters, and count GPT-2 small at the 2048 tokens it was trained with as GPT-3 125M:
`account_gpt` follows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tulle_ir.graph import Attention, Graph, Linear
from tulle_ir.graph_check import op_arrays


@dataclass(frozen=True, slots=True)
class Accounting:
    """The `accounting` block of the report."""

    parameters_dense: int
    parameters_stored: int
    flops_per_token_dense: int
    flops_per_token: int

    @property
    def flops_ratio(self) -> float:
        """How many times fewer FLOPs than dense."""
        return self.flops_per_token_dense / self.flops_per_token

    @property
    def parameters_ratio(self) -> float:
        """How many times fewer parameters than dense."""
        return self.parameters_dense / self.parameters_stored


@dataclass(frozen=True, slots=True)
class GptShape:
    """A GPT-2 or GPT-3 by its numbers: FFN 4 d wide, learned positions, tied head."""

    layers: int
    width: int
    vocabulary: int
    context: int


GPT3_125M = GptShape(12, 768, 50257, 2048)
GPT3_XL = GptShape(24, 2048, 50257, 2048)


def account(graph: Graph, context: int | None = None, *, ignore_sparsity: bool = False) -> Accounting:
    """Count a Graph. `context` replaces the model's own; with `ignore_sparsity` zeros count as weights."""
    length = context or graph.context or 0
    dense = stored = flops_dense = flops = 0
    for op in graph.ops:
        size = sum(array.size for array in op_arrays(op).values())
        zeros = 0
        match op:
            case Linear():
                zeros = 0 if ignore_sparsity else op.weight.size - int(np.count_nonzero(op.weight))
                size -= op.weight.size if op.tied else 0
                flops_dense += 2 * op.weight.size
                flops += 2 * (op.weight.size - zeros)
            case Attention():
                flops_dense += 4 * length * op.heads * op.head_dim
                flops += 4 * length * op.heads * op.head_dim
            case _:
                pass
        dense += size
        stored += size - (0 if isinstance(op, Linear) and op.tied else zeros)
    return Accounting(dense, stored, flops_dense, flops)


def account_gpt(shape: GptShape, sparsity: float) -> Accounting:
    """Count a GPT from its shape alone; `sparsity` is that of every q, k, v, projection and FFN matrix."""
    d = shape.width
    matrices = shape.layers * 12 * d * d
    stored = round(matrices * (1 - sparsity))
    tables = (shape.vocabulary + shape.context) * d
    rest = shape.layers * 4 * shape.context * d + 2 * shape.vocabulary * d
    return Accounting(matrices + tables, stored + tables, 2 * matrices + rest, 2 * stored + rest)


def training_flops(accounting: Accounting, tokens: int) -> tuple[int, int]:
    """Dense and sparse training FLOPs over `tokens` tokens: forward, and backward at twice its cost."""
    return 3 * tokens * accounting.flops_per_token_dense, 3 * tokens * accounting.flops_per_token
