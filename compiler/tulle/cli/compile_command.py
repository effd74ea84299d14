"""`tulle compile`: an ONNX model to an artifact, or to the text of an earlier stage."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from tulle.cli.bar import progress_bar
from tulle.cli.output import json_text, log, show, show_json, write_text
from tulle.cli.paths import require_file, require_place
from tulle.cli.table import Table, plain
from tulle.cli.views.report import report_parts
from tulle_compiler.pipeline import Compiled, CompileOptions, compile_model
from tulle_ir.artifact import write_artifact, write_stage_text
from tulle_ir.text import print_stage


def run(arguments: Namespace) -> None:
    """Compile, write what was asked for, print the report. Raises TulleError."""
    require_file(arguments.model)
    require_place(arguments.output, arguments.report)
    watch = _Watch(arguments.print_ir_after, log if arguments.json else show)
    with progress_bar():
        compiled = compile_model(arguments.model, _options(arguments), on_pass=watch)
    for note in compiled.stages["graph"].notes:
        log(f"note: {note}")
    if arguments.time_passes:
        log_table(watch.times())
    with progress_bar():
        _write(arguments, compiled)
    report = compiled.report.to_json()
    if arguments.report:
        write_text(arguments.report, json_text(report))
        log(f"wrote {arguments.report}")
    if arguments.json:
        show_json(report)
        return
    show(*report_parts(report))


@dataclass
class _Watch:
    """Called after every pass: keeps its time, prints the stage it made if that was asked for."""

    wanted: str | None
    printer: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, name: str, stage: object, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        if name == self.wanted:
            made = stage[0] if isinstance(stage, tuple) else stage  # pruning gives its report, too
            self.printer(print_stage(cast(Any, made)).rstrip("\n"))

    def times(self) -> Table:
        """The seconds of each pass, in order."""
        rows = (*self.seconds.items(), ("all", sum(self.seconds.values())))
        return Table("", ("pass", "seconds"), tuple((name, round(seconds, 3)) for name, seconds in rows))


def log_table(table: Table) -> None:
    """A table for the reader of the terminal, on stderr."""
    log(plain(table))


def _options(arguments: Namespace) -> CompileOptions:
    """Every field of the options is a flag of the same name."""
    return CompileOptions(**{option.name: getattr(arguments, option.name) for option in fields(CompileOptions)})


def _write(arguments: Namespace, compiled: Compiled) -> None:
    """The artifact; or, when asked to stop earlier, the text of the last stage and its tensors beside it."""
    if arguments.level == "program":
        path = arguments.output or Path(f"{arguments.model.stem}.tulle")
        write_artifact(path, compiled.artifact)
    else:
        path = arguments.output or Path(f"{arguments.model.stem}.{arguments.level}.tlir")
        write_stage_text(path, compiled.stages[arguments.level])
    log(f"wrote {path}")
