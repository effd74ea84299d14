"""`tulle inspect`: stages, one PE, one net, a machine, or a summary with memory and a map."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from tulle.cli.output import show, show_json
from tulle.cli.sources import Source, open_source, open_stage
from tulle.cli.table import Table
from tulle.cli.views.net import find_net, net_json, net_parts
from tulle.cli.views.pe import find_pe, pe_json, pe_parts
from tulle.cli.views.region_map import legend, region_map
from tulle.cli.views.summary import summary_json, summary_parts
from tulle.cli.views.target import target_json, target_table
from tulle_ir.diagnostics import UsageError
from tulle_ir.replicas import written_out
from tulle_ir.target import load_target
from tulle_ir.text import Stage, level_of, print_stage


def run(arguments: Namespace) -> None:
    """Print what was asked for. Raises TulleError."""
    asked = [flag for flag in ("level", "pe", "net", "target") if getattr(arguments, flag) is not None]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} exclude each other", remedy="ask for one of them")
    if asked == ["target"]:
        _show_target(arguments)
        return
    if arguments.source is None:
        raise UsageError("there is nothing to inspect", remedy="give an OUT.tulle, a TEXT.tlir or --target NAME")
    stage = open_stage(arguments.source)
    if stage is not None:
        _show_stage(arguments, stage)
        return
    source = open_source(arguments.source)
    if arguments.level is not None:
        text = source.text(arguments.level)
        show_json({"level": arguments.level, "text": text}) if arguments.json else show(text.rstrip("\n"))
    elif arguments.json:
        show_json(_as_json(arguments, source))
    else:
        show(*_as_parts(arguments, source))


def _show_stage(arguments: Namespace, stage: Stage) -> None:
    """A stage that stands alone in a text, in canonical form."""
    text = print_stage(stage)
    level = level_of(text)
    if arguments.level not in (None, level) or arguments.pe is not None or arguments.net is not None:
        raise UsageError(f"the text holds the stage '{level}' only", remedy="leave the flags away")
    show_json({"level": level, "text": text}) if arguments.json else show(text.rstrip("\n"))


def _as_parts(arguments: Namespace, source: Source) -> list[Table | str]:
    program, whole = source.program, written_out(source.program)
    target = load_target(program.target)
    if arguments.pe is not None:
        return pe_parts(find_pe(whole, *arguments.pe), whole, target)
    if arguments.net is not None:
        return list(net_parts(find_net(whole, arguments.net), whole))
    parts = summary_parts(program, target, source.manifest)
    return [*parts, region_map(program), *([legend(program)] if program.symbols else [])]


def _as_json(arguments: Namespace, source: Source) -> dict[str, Any]:
    program, whole = source.program, written_out(source.program)
    if arguments.pe is not None:
        return pe_json(find_pe(whole, *arguments.pe), whole)
    if arguments.net is not None:
        return net_json(find_net(whole, arguments.net), whole)
    return summary_json(program, load_target(program.target), source.manifest)


def _show_target(arguments: Namespace) -> None:
    if arguments.source is not None:
        raise UsageError("--target stands alone", remedy="leave the file away, or --target")
    target = load_target(arguments.target)
    show_json(target_json(target)) if arguments.json else show(target_table(target))
