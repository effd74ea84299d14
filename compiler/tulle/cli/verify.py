"""`tulle run --verify`: the outputs of the mesh against onnxruntime, within the tolerance of the element type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tulle.cli.paths import require_file
from tulle_ir.diagnostics import Mismatch, UsageError
from tulle_ir.progress import tell

if TYPE_CHECKING:
    from tulle.cli.oracle import Oracle

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
        """Whether the output is within its tolerance, if that says anything."""
        return self.error <= self.allowed < np.inf and self.other_top == 0

    def __str__(self) -> str:
        verdict = "agrees with onnxruntime" if self.holds else "DIFFERS from onnxruntime"
        top = f"another top-1 in {self.other_top} of {self.rows} rows" if self.other_top else "same top-1 everywhere"
        return f"output '{self.name}' {verdict}: largest error {self.error:.3g}, {self.allowed:.3g} allowed; {top}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "holds": self.holds}


def oracle_for(model: Path, manifest: Mapping[str, Any]) -> Oracle:
    """Opens the model to compare with. Raises UsageError or BadInput unless it is the one that was compiled."""
    if not manifest:
        raise UsageError("a program text has no model to be compared with", remedy="give an OUT.tulle")
    require_file(model)
    from tulle.cli.oracle import open_oracle  # noqa: PLC0415  brings onnx, for this flag only

    return open_oracle(model, manifest)


def verify(
    oracle: Oracle, feeds: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], engine: str
) -> Comparison:
    """Compare the output of a run with onnxruntime's. Raises Mismatch, naming the first kernel that differs."""
    (feed,), ((name, found),) = feeds.values(), outputs.items()
    tell("verify", 0, 2, "runs")
    exact = oracle.exact(feed)
    tell("verify", 1, 2, "runs")
    rounded = oracle.rounded(feed)
    allowed = tolerance(exact, rounded)  # of all rows: one alone may have come out of the rounding by chance
    if found.ndim > 1 and found.shape[-2] == 1:  # the model was compiled for its last logits only
        exact = exact[..., -1:, :]
    comparison = compare(name, found, exact, allowed)
    if not comparison.holds:
        what = f"{comparison}\n{oracle.blame(feed, engine)}"
        raise Mismatch(what, where=str(oracle.path), remedy="this is a bug of Tulle: please report it")
    return comparison


def tolerance(exact: np.ndarray, rounded: np.ndarray | None) -> float:
    """The largest error allowed where `exact` is the model's output (f32) and `rounded` that of the numpy run of an f16
    model, None for f32."""
    if rounded is None:
        return F32_TOLERANCE * float(np.abs(exact).max())
    return F16_FACTOR * _distance(rounded, exact)


def compare(name: str, found: np.ndarray, exact: np.ndarray, allowed: float) -> Comparison:
    """Hold `found` against `exact` (onnxruntime, f32)."""
    if found.shape != exact.shape:
        raise Mismatch(f"output '{name}' has shape {list(found.shape)}, onnxruntime's has {list(exact.shape)}")
    error = _distance(found, exact)
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
