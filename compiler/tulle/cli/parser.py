"""The command line of `tulle`: verbs, flags, help and examples. Imports nothing heavy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tulle import __version__
from tulle.cli import values
from tulle_ir.diagnostics import UsageError

PASSES = ("import", "prune", "plan", "place", "route", "emit")
LEVELS = ("graph", "plan", "placed", "routed", "program")

EXAMPLES = """\
examples:
  tulle compile model.onnx -o model.tulle --mesh 64x64
  tulle inspect model.tulle
  tulle run model.tulle --tokens 1,2,3 --verify model.onnx

`tulle VERB --help` tells more. Exit codes: 0 ok, 1 internal error, 2 usage, 3 unsupported or bad input, 4 does not fit,
5 verification mismatch, 6 deadlock or machine fault, 7 limit reached, 130 interrupted.
"""
COMPILE_EXAMPLES = """\
examples:
  tulle compile model.onnx                                    to model.tulle, as many PEs of wse2 as are of use
  tulle compile model.onnx -o small.tulle --mesh 64x48        on a part of the mesh
  tulle compile model.onnx --prune magnitude:0.75 --dtype f32 prune the linear layers, compute in fp32
  tulle compile model.onnx --level plan --report plan.json    stop after planning; predicted cycles and bytes
"""
INSPECT_EXAMPLES = """\
examples:
  tulle inspect model.tulle                  a summary, the memory table and a map of the mesh
  tulle inspect model.tulle --level plan     the text of a stage
  tulle inspect model.tulle --pe 3,4         one PE's program, registers and AXPY table
  tulle inspect first.tlir --net x           one net's route
  tulle inspect --target wse2                every parameter of a machine with its source
"""
RUN_EXAMPLES = """\
examples:
  tulle run model.tulle --tokens 1,2,3 --outputs out.npz      token ids in, logits out
  tulle run model.tulle --prompt "The with statement"         text in, the likely continuation out
  tulle run model.tulle --inputs in.npz --report run.json     arrays by input name, metrics to a file
  tulle run model.tulle --verify model.onnx                   compare with onnxruntime
  tulle run first.tlir --inputs in.npz --engine reference     a program text on the slow, plain engine
"""


class Parser(ArgumentParser):
    """Raises UsageError where argparse would exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, remedy=f"`{self.prog} --help` lists what there is")


def parse(argv: Sequence[str]) -> Namespace:
    """The arguments of a command line; the chosen verb is in `verb`. Raises UsageError."""
    return build_parser().parse_args(_attach_negative_ids(argv))


def _attach_negative_ids(argv: Sequence[str]) -> list[str]:
    """`--tokens -1,2` as `--tokens=-1,2`, which argparse takes for a value: such ids deserve the session's answer."""
    attached: list[str] = []
    for argument in argv:
        if attached and attached[-1] == "--tokens" and argument[:1] == "-" and argument[1:2].isdigit():
            attached[-1] = f"--tokens={argument}"
        else:
            attached.append(argument)
    return attached


def build_parser() -> Parser:
    """The parser of the whole command; the chosen verb is in `verb`."""
    parser = Parser(
        prog="tulle",
        description="Compile sparse GPTs to a wafer-scale mesh and run them cycle by cycle.",
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tulle {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="compile | inspect | run")
    _compile(_verb(verbs, "compile", "compile an ONNX model to per-PE programs", COMPILE_EXAMPLES))
    _inspect(_verb(verbs, "inspect", "print stages, PEs, routes, memory and maps", INSPECT_EXAMPLES))
    _run(_verb(verbs, "run", "run a compiled model or a program text", RUN_EXAMPLES))
    return parser


def _verb(verbs: Any, name: str, summary: str, examples: str) -> ArgumentParser:
    return verbs.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _compile(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL.onnx", type=Path)
    add("-o", "--output", metavar="OUT.tulle", type=Path, help="default: MODEL.tulle in the working directory")
    add("--target", default="wse2", help="wse2, wse3, generic or a .toml file (default: wse2)")
    add("--mesh", metavar="WxH", type=values.mesh, help="PEs to use (default: as many as the objective can)")
    add("--chunk", metavar="T", type=values.positive, help="tokens that travel together (default: the plan's choice)")
    add("--context", metavar="N", type=values.positive, help="longest sequence the KV cache holds")
    add("--dtype", choices=("f16", "f32"), default="f16", help="storage and wavelets (default: f16)")
    add("--accumulate", choices=("f32", "f16"), default="f32", help="sums inside a tile (default: f32)")
    add("--reduce", choices=("f32", "f16"), default="f32", help="sums across tiles (default: f32)")
    add("--prune", metavar="HOW", type=values.pruning, help="magnitude:S, random:S (S: share of zeros) or mask:FILE")
    add("--ignore-sparsity", action="store_true", help="treat zeros as weights: the dense baseline")
    add("--objective", choices=("latency", "throughput"), default="throughput", help="(default: throughput)")
    add("--replicas", metavar="N", type=values.positive, help="copies on the mesh (default: as many of --mesh as pay)")
    add("--logits", choices=("all", "last"), default="all", help="of every token, or the last one (default: all)")
    add("--seed", metavar="S", type=values.integer, default=0, help="of placement and pruning (default: 0)")
    add("--level", choices=LEVELS, default="program", help="last stage to make (default: program)")
    add("--report", metavar="FILE.json", type=Path, help="write predicted cycles, bounds and memory")
    add("--print-ir-after", metavar="PASS", choices=PASSES, help=f"print the stage made by {', '.join(PASSES)}")
    add("--time-passes", action="store_true", help="print the seconds of each pass")
    add("--json", action="store_true", help="print the report as JSON")


def _inspect(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="OUT.tulle|TEXT.tlir", type=Path, nargs="?")
    add("--level", choices=LEVELS, help="print the text of this stage")
    add("--pe", metavar="X,Y", type=values.place, help="print one PE's program")
    add("--net", metavar="NAME", help="print one net's route")
    add("--target", metavar="NAME", help="print the parameters of a machine")
    add("--json", action="store_true", help="print JSON")


def _run(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="OUT.tulle|TEXT.tlir", type=Path)
    add("--inputs", metavar="IN.npz", type=Path, help="arrays by input name")
    add("--outputs", metavar="OUT.npz", type=Path, help="write the arrays by output name")
    add("--tokens", metavar="1,2,3", type=values.tokens, help="token ids of one sequence")
    add("--prompt", metavar="TEXT", help="text of one sequence; prints the likely continuation")
    add("--report", metavar="FILE.json", type=Path, help="write the metrics of the run")
    add("--engine", choices=("fast", "reference"), default="fast", help="(default: fast)")
    add("--verify", metavar="MODEL.onnx", type=Path, help="compare with onnxruntime; without inputs on seeded ids")
    add("--max-cycles", metavar="N", type=values.positive, help="end a run that is still going at cycle N (exit 7)")
    add("--json", action="store_true", help="print the report as JSON")
