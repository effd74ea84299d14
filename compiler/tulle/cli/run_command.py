"""`tulle run`: feeds in, outputs and a report out; optionally compared with onnxruntime."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from tulle.cli.bar import progress_bar
from tulle.cli.inputs import Feeds, decode_tokens, encode_prompt, read_npz, seeded_feeds, token_feeds
from tulle.cli.output import json_text, log, show, show_json, write_npz, write_text
from tulle.cli.paths import require_place
from tulle.cli.sources import open_source
from tulle.cli.table import Table
from tulle.cli.verify import Comparison, oracle_for, verify
from tulle.cli.views.report import report_parts
from tulle_ir.diagnostics import UsageError
from tulle_runtime.session import Session


def run(arguments: Namespace) -> None:
    """Run, write what was asked for, print the report. Raises TulleError."""
    require_place(arguments.outputs, arguments.report)
    with progress_bar():
        source = open_source(arguments.source)
        oracle = oracle_for(arguments.verify, source.manifest) if arguments.verify else None
    session = Session(source.runnable, arguments.engine, max_cycles=arguments.max_cycles, verified=True)
    feeds = _feeds(arguments, session)
    outputs = _run_and_report(arguments, session, feeds)
    if arguments.outputs:
        write_npz(arguments.outputs, outputs)
        log(f"wrote {arguments.outputs}")
    with progress_bar():
        comparison = verify(oracle, feeds, outputs, arguments.engine) if oracle else None
    assert session.report is not None
    _show(arguments, session.report.to_json(), _prediction(arguments, session, outputs), comparison)


def _feeds(arguments: Namespace, session: Session) -> Feeds:
    given = [flag for flag in ("inputs", "tokens", "prompt") if getattr(arguments, flag) is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} exclude each other", remedy="give one of them")
    match given:
        case ["inputs"]:
            return read_npz(arguments.inputs)
        case ["tokens"]:
            return token_feeds(arguments.tokens, session)
        case ["prompt"]:
            return token_feeds(encode_prompt(arguments.prompt, session.manifest.get("tokenizer")), session)
    if arguments.verify:
        return seeded_feeds(session)
    if session.inputs:
        takes = "; ".join(map(str, session.inputs))
        raise UsageError(f"there is no input: the program takes {takes}", remedy="give --inputs, --tokens or --prompt")
    return {}


def _run_and_report(arguments: Namespace, session: Session, feeds: Feeds) -> Feeds:
    """The outputs by name; the report is written also when the run fails."""
    try:
        with progress_bar():
            outputs = session.run(None, feeds)
    finally:
        if arguments.report and session.report is not None:
            write_text(arguments.report, json_text(session.report.to_json()))
            log(f"wrote {arguments.report}")
    return {value.name: array for value, array in zip(session.outputs, outputs, strict=True)}


def _prediction(arguments: Namespace, session: Session, outputs: Feeds) -> dict[str, Any] | None:
    """The likeliest token after each token of a prompt, from the first output; the last one continues the prompt."""
    if arguments.prompt is None:
        return None
    logits = next(iter(outputs.values()))
    tokens = [int(token) for token in logits.reshape(-1, logits.shape[-1]).argmax(axis=-1)]
    text = decode_tokens(tokens, session.manifest.get("tokenizer"))
    return {"prompt": arguments.prompt, "predicted": text, "next": text[-1:], "next_token": tokens[-1]}


def _prediction_table(prediction: Mapping[str, Any]) -> Table:
    """The prompt, below each character the one predicted from there, and the prompt continued."""
    rows = (
        ("prompt", repr(prediction["prompt"])),
        ("predicted", repr(prediction["predicted"])),
        ("continued", repr(prediction["prompt"] + prediction["next"])),
    )
    return Table("", ("", ""), rows)


def _show(
    arguments: Namespace,
    report: Mapping[str, Any],
    prediction: Mapping[str, Any] | None,
    comparison: Comparison | None,
) -> None:
    if arguments.json:
        extra: dict[str, Any] = {"prediction": prediction} if prediction else {}
        if comparison:
            extra["verified"] = comparison.to_json()
        show_json({**report, **extra})
        return
    parts: list[Table | str] = []
    if prediction:
        parts.append(_prediction_table(prediction))
    show(*parts, *report_parts(report), *([str(comparison)] if comparison else []))
