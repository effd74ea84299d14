"""Options of a compilation, as the `compile` command offers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tulle_ir.code import DType


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """See design section 9. chunk, context: tokens (None: the plan's choice); mesh: (width, height) in PEs; replicas:
    copies of the pipeline on the mesh (None: the plan's choice)."""

    target: str = "wse2"
    mesh: tuple[int, int] | None = None
    chunk: int | None = None
    context: int | None = None
    dtype: Literal["f16", "f32"] = "f16"
    accumulate: Literal["f32", "f16"] = "f32"
    reduce: Literal["f32", "f16"] = "f32"
    prune: str | None = None
    ignore_sparsity: bool = False
    objective: Literal["latency", "throughput"] = "throughput"
    replicas: int | None = None
    logits: Literal["all", "last"] = "all"
    seed: int = 0
    level: Literal["graph", "plan", "placed", "routed", "program"] = "program"


@dataclass(frozen=True, slots=True)
class Precision:
    """Element types: streams and stored weights, sums inside a tile, sums across tiles."""

    stream: DType
    accumulate: DType
    reduce: DType

    @classmethod
    def of(cls, options: CompileOptions) -> Precision:
        """f32 is fp32 throughout; f16 takes the two sum types from the options."""
        if options.dtype == "f32":
            return cls(DType.F32, DType.F32, DType.F32)
        return cls(DType.F16, DType(options.accumulate), DType(options.reduce))
