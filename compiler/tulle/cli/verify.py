"""`tulle run --verify`: the outputs of the mesh against onnxruntime, within the tolerance of the element type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tulle_ir.diagnostics import BadInput, Mismatch, UsageError
from tulle_runtime.session import Session

F32_TOLERANCE = 1e-4  # times the largest magnitude expected
F16_FACTOR = 2.0  # times the error of a numpy run that rounds at the same points


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output: the largest difference, what is allowed, and rows whose largest element is another one although
    the margin is above what is allowed."""

    name: str
    error: float
    allowed: float
    rows: int
    other_top: int

    @property
    def holds(self) -> bool:
        """Whether the output is within its tolerance."""
        return self.error <= self.allowed and self.other_top == 0

    def __str__(self) -> str:
        verdict = "agrees with onnxruntime" if self.holds else "DIFFERS from onnxruntime"
        top = f"another top-1 in {self.other_top} of {self.rows} rows" if self.other_top else "same top-1 everywhere"
        return f"output '{self.name}' {verdict}: largest error {self.error:.3g}, {self.allowed:.3g} allowed; {top}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "holds": self.holds}


def check_model(model: Path, manifest: Mapping[str, Any]) -> None:
    """Raise UsageError or BadInput unless `model` is the file that was compiled."""
    if not manifest:
        raise UsageError("a program text has no model to be compared with", remedy="give an OUT.tulle")
    if not model.is_file():
        raise BadInput("there is no such file", where=str(model))
    with model.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != manifest["model_sha256"]:
        raise BadInput(
            "this is not the model that was compiled: its SHA-256 is another one",
            where=str(model),
            remedy="give the model that was compiled, or compile this one",
        )


def verify(
    model: Path, session: Session, feeds: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> list[Comparison]:
    """Compare every output of a run with onnxruntime's. Raises Mismatch."""
    from tulle_compiler.check import expect  # noqa: PLC0415  brings onnx and onnxruntime, for this flag only

    expected = expect(model, session.manifest, feeds)
    half = session.report is not None and session.report.dtype == "f16"
    comparisons = [
        compare(name, array, expected.exact[name], expected.rounded[name] if half else None)
        for name, array in outputs.items()
    ]
    wrong = [comparison for comparison in comparisons if not comparison.holds]
    if wrong:
        raise Mismatch("\n".join(map(str, wrong)), where=str(model), remedy="this is a bug of Tulle: please report it")
    return comparisons


def compare(name: str, found: np.ndarray, exact: np.ndarray, rounded: np.ndarray | None) -> Comparison:
    """Hold `found` against `exact` (onnxruntime, f32); `rounded` is the numpy run of an f16 model, None for f32."""
    if found.shape != exact.shape:
        raise Mismatch(f"output '{name}' has shape {list(found.shape)}, onnxruntime's has {list(exact.shape)}")
    error = _distance(found, exact)
    scale = float(np.abs(exact).max())
    allowed = F32_TOLERANCE * scale if rounded is None else F16_FACTOR * _distance(rounded, exact)
    rows, wanted = (a.reshape(-1, a.shape[-1]).astype(np.float64) for a in (found, exact))
    return Comparison(name, error, allowed, len(rows), _other_top(rows, wanted, allowed))


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference; infinite if one has a NaN where the other has none."""
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    return float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))


def _other_top(rows: np.ndarray, wanted: np.ndarray, allowed: float) -> int:
    """Rows with another largest element, where the wanted one leads by more than `allowed`."""
    index = np.arange(len(rows))
    lead = wanted.max(axis=-1) - wanted[index, rows.argmax(axis=-1)]
    return int((lead > allowed).sum())
