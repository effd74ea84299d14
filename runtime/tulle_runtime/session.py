"""Run a compiled model or a program text, as in onnxruntime: names and arrays in, arrays out, a report beside."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tulle_ir.artifact import Artifact
from tulle_ir.diagnostics import BadInput
from tulle_ir.program import HostStream, Program, StreamFormat
from tulle_ir.progress import tell
from tulle_ir.replicas import written_out
from tulle_ir.report import Report
from tulle_ir.routes import RouteEntries, expand_routes
from tulle_ir.target import Target, load_target
from tulle_ir.verify_program import require_valid
from tulle_runtime.engines import Progress, load_engine
from tulle_runtime.faults import raise_for_status
from tulle_runtime.host.dealing import Dealing, deal, decode_dealt, encode_dealt
from tulle_runtime.host.feeds import bind
from tulle_runtime.metrics import Run, predicted_cycles, run_report
from tulle_runtime.result import RunResult
from tulle_runtime.signature import Signature, Value, signature_of


class Session:
    """A program with an engine to run it.

    `source` is an artifact or a program (verified first, unless it is known to be `verified`); `target` replaces the
    target that the program names; `max_cycles` ends a run that is still going then; `progress` is called
    now and then with (cycle, crossings), and whoever listens (tulle_ir.progress) is told the cycle. After a run, also
    a failed one, `report` and `result` describe it.
    """

    def __init__(
        self,
        source: Artifact | Program,
        engine: str = "fast",
        *,
        target: Target | None = None,
        max_cycles: int | None = None,
        verified: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.program, self.manifest = _program_of(source)
        self.target = target or load_target(self.program.target)
        if isinstance(source, Program) and not verified:
            require_valid(self.program, self.target)
        self.signature: Signature = signature_of(self.program, self.manifest.get("io"))
        self.max_cycles = max_cycles
        self.report: Report | None = None
        self.result: RunResult | None = None
        self._progress = progress
        self._expected = 0  # cycles of the run under way, as predicted; 0: unknown
        self._simulate = load_engine(engine, lambda: self._entries, self._tell)
        self._whole = written_out(self.program)
        self._streams = {stream.name: stream for stream in self.program.streams}

    @cached_property
    def _entries(self) -> RouteEntries:
        """Of the whole program, for the engine and the report of every run."""
        return expand_routes(self._whole)[0]

    @property
    def inputs(self) -> tuple[Value, ...]:
        """Name, type and shape of each input."""
        return self.signature.inputs

    @property
    def outputs(self) -> tuple[Value, ...]:
        """Name, type and shape of each output."""
        return self.signature.outputs

    def run(self, output_names: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs named, or all of them, in the types and ranks of the model's ONNX file.

        Raises BadInput (feeds), MachineFault, LimitReached, and StreamError for a program that breaks its protocol.
        """
        self.report = self.result = None
        wanted = self._select(output_names)
        bound, chunking = bind(feeds, self.inputs, self.program)
        dealing = deal(chunking, self.program)
        self._simulate_and_report(bound, dealing)
        assert self.result is not None
        raise_for_status(self.result, self._whole, self.max_cycles)
        return [self._output(value, dealing, self.result) for value in wanted]

    def _select(self, names: Sequence[str] | None) -> tuple[Value, ...]:
        if names is None:
            return self.outputs
        by_name = {value.name: value for value in self.outputs}
        for name in names:
            if name not in by_name:
                raise BadInput(f"there is no output '{name}'", remedy=f"the outputs are {', '.join(by_name)}")
        return tuple(by_name[name] for name in names)

    def _simulate_and_report(self, bound: Mapping[str, np.ndarray], dealing: Dealing) -> None:
        inputs = encode_dealt(self.program, bound, dealing)
        facts = self.manifest.get("report", {})
        self._expected = predicted_cycles(facts, dealing.first) or 0
        began = time.perf_counter()
        self.result = self._simulate(self._whole, self.target, inputs, self.max_cycles)
        seconds = time.perf_counter() - began
        run = Run(self.result, self.program, self._whole, self._entries, self.target, dealing, inputs, facts, seconds)
        self.report = run_report(run)

    def _tell(self, cycle: int, crossings: int) -> None:
        """The engine has come so far."""
        tell("run", cycle, self._expected, "cycles")
        if self._progress is not None:
            self._progress(cycle, crossings)

    def _output(self, value: Value, dealing: Dealing, result: RunResult) -> np.ndarray:
        """The array of one output, from the arrivals at its ports."""
        stream = self._streams[value.stream]
        return _as_declared(decode_dealt(self.program, stream, result.outputs, dealing), value, stream)


def _program_of(source: Artifact | Program) -> tuple[Program, Mapping[str, Any]]:
    """The program to run and the manifest beside it (empty for a bare program)."""
    if isinstance(source, Program):
        return source, {}
    return source.program, source.manifest


def _as_declared(array: np.ndarray, value: Value, stream: HostStream) -> np.ndarray:
    """The array in the type and rank that the signature states."""
    if stream.format == StreamFormat.RAW:
        sizes = [n for n in value.shape if isinstance(n, int)]
        fits = len(sizes) == len(value.shape) and int(np.prod(sizes)) == array.size
        return array.astype(value.dtype, copy=False).reshape(sizes if fits else -1)
    if len(value.shape) == array.ndim - 1:
        array = array.reshape(-1, array.shape[-1])
    return array.astype(value.dtype, copy=False)
