"""`tulle.compile`: ONNX to an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tulle_compiler.pipeline import CompileOptions, compile_model
from tulle_ir.artifact import Artifact


def compile(
    model: str | Path,
    *,
    target: str = "wse2",
    mesh: tuple[int, int] | None = None,
    chunk: int | None = None,
    context: int | None = None,
    dtype: Literal["f16", "f32"] = "f16",
    accumulate: Literal["f16", "f32"] = "f32",
    reduce: Literal["f16", "f32"] = "f32",
    prune: str | None = None,
    ignore_sparsity: bool = False,
    objective: Literal["latency", "throughput"] = "throughput",
    replicas: int | None = None,
    logits: Literal["all", "last"] = "all",
    seed: int = 0,
) -> Artifact:
    """Compile the ONNX file `model`; the options are those of `tulle compile`.

    mesh: (width, height) in PEs; chunk and context: tokens; replicas: copies of the pipeline on the mesh; prune:
    "magnitude:0.75", "random:0.75" or "mask:FILE".
    Raises the errors of `tulle_ir.diagnostics`.
    """
    options = CompileOptions(
        target=target,
        mesh=mesh,
        chunk=chunk,
        context=context,
        dtype=dtype,
        accumulate=accumulate,
        reduce=reduce,
        prune=prune,
        ignore_sparsity=ignore_sparsity,
        objective=objective,
        replicas=replicas,
        logits=logits,
        seed=seed,
    )
    return compile_model(Path(model), options).artifact
