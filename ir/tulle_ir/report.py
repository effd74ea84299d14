"""The report of a run or a compilation, schema 1. Cycles, bytes and wavelets are counts; shares lie in [0, 1].

A compilation has no `cycles`; where a key does not apply it is left out of the JSON (None here).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

REPORT_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class AxpyCounts:
    """executed: AXPYs of at least one element; macs: multiply-accumulates in them.

    skipped_zero_activations: those that would have been executed had zero activations been sent.
    """

    executed: int = 0
    macs: int = 0
    skipped_zero_activations: int = 0


@dataclass(frozen=True, slots=True)
class WaveletCounts:
    """sent: by compute engines; hops: over links; crossings: over links and ramps."""

    sent: int = 0
    hops: int = 0
    crossings: int = 0


@dataclass(frozen=True, slots=True)
class CategoryBytes:
    """Bytes over all PEs by what they hold."""

    weights: int = 0
    activations: int = 0
    cache: int = 0
    code: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """SRAM: the limit of one PE, the fullest PE, the mean over the PEs used, the sum."""

    limit_bytes: int = 0
    max_pe_bytes: int = 0
    mean_pe_bytes: int = 0
    total_bytes: int = 0
    by_category: CategoryBytes = CategoryBytes()


@dataclass(frozen=True, slots=True)
class Utilization:
    """datapath: used share of the PE-cycles; imbalance: slots of the busiest PE over the mean."""

    pes_used: int = 0
    datapath: float = 0.0
    imbalance: float = 1.0


@dataclass(frozen=True, slots=True)
class Accounting:
    """Parameters and FLOPs per token, dense and as compiled, in the convention of sparse GPT papers."""

    parameters_dense: int = 0
    parameters_stored: int = 0
    flops_per_token_dense: int = 0
    flops_per_token: int = 0


@dataclass(frozen=True, slots=True)
class PerChunk:
    """Cycles of a kernel per full chunk: as `predicted` by the plan, as `simulated` (what it needs by itself), datapath
    slots of its busiest PE (`bound`) and of the mean one (`ideal`), the `interval` at which it took chunks in the run;
    error: predicted / simulated - 1. `growth`: predicted cycles more per token of history (a compilation predicts for
    half the context). `chunks`: that it took, a shorter one by its tokens."""

    predicted: float | None = None
    simulated: float | None = None
    bound: float = 0.0
    ideal: float = 0.0
    interval: float | None = None
    error: float | None = None
    growth: float | None = None
    chunks: float | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where a kernel's cycles went: the terms add up to its `cycles`. docs/report.md defines each."""

    ideal: int
    skew: int
    vectors: int
    receiving: int
    reducing: int
    distance: int
    link_contention: int
    waiting_for_input: int
    blocked_by_output: int
    fill: int
    drain: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Straggler:
    """The PE with the most slots: where it is, which class it runs, and its block of the kernel's matrix: input and
    output features, as ranges of their numbers in the ONNX tensor ("" where the program does not say)."""

    pe: tuple[int, int]
    code: str
    slots: int
    inputs: str = ""
    outputs: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a run could not be faster than. kind: "kernel", "input links", "output links" or "latency"; `name`: of the
    kernel or the stream; `cycles` it takes by itself (a compilation: predicted, per full chunk), `predicted` by the
    plan where it says; error: predicted / cycles - 1."""

    kind: str
    name: str
    cycles: int
    predicted: int | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """One region; of several replicas the slowest one's (`replica`, from 0; None if there is but one). busy, waiting
    and blocked are shares of its PE-cycles; `own_cycles`: what it needs by itself for the whole run. A run that did not
    end well has no figures from there on. `turn` (t, g): it is one of g copies, and takes chunks t, t + g, ..."""

    name: str
    origin: str
    region: tuple[int, int, int, int]
    replica: int | None = None
    nonzeros: int = 0
    cycles: int = 0
    busy: float = 0.0
    waiting: float = 0.0
    blocked: float = 0.0
    bound_cycles: int = 0
    ideal_cycles: int = 0
    max_pe_bytes: int = 0
    own_cycles: int | None = None
    per_chunk: PerChunk | None = None
    attribution: Attribution | None = None
    straggler: Straggler | None = None
    turn: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Wall:
    """Time the simulation itself took."""

    seconds: float = 0.0
    crossings_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """`cycles`: of the run; `bound_cycles`: what this mapping cannot beat; `ideal_cycles`: what no mapping on these
    PEs beats; `predicted_cycles`: by the cost model, `prediction_error`: predicted / cycles - 1. `status`: "ok",
    "deadlock", "fault", "limit"; "compiled" for a compilation. `dtype` is "" for a hand-written program. `replicas`:
    copies of the pipeline on the mesh; `tokens_per_second`: of all of them (a compilation: predicted, of a long batch).
    """

    status: str
    target: str
    mesh: tuple[int, int]
    replicas: int = 1
    tokens: int = 0
    chunk: int = 0
    context: int = 0
    dtype: str = ""
    cycles: int | None = None
    time_us: float | None = None
    tokens_per_second: int | None = None
    first_token_cycles: int | None = None
    predicted_cycles: int | None = None
    prediction_error: float | None = None
    limit: Limit | None = None
    bound_cycles: int = 0
    ideal_cycles: int = 0
    axpy: AxpyCounts | None = None
    wavelets: WaveletCounts | None = None
    memory: Memory = Memory()
    utilization: Utilization = Utilization()
    accounting: Accounting = Accounting()
    kernels: tuple[Kernel, ...] = ()
    wall: Wall | None = None
    schema: int = field(default=REPORT_SCHEMA, init=False)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values with `schema` first; keys that do not apply are left out."""
        return {"schema": self.schema} | _plain(asdict(self))


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _plain(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value.item() if hasattr(value, "item") else value  # numpy's numbers are not JSON's
