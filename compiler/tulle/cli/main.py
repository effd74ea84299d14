"""The entry of the `tulle` command: parse, dispatch to a verb, turn every ending into an exit code.

0 ok; 1 internal error; 2 usage; 3 bad input; 4 does not fit; 5 mismatch; 6 machine fault; 7 limit; 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from tulle.cli.parser import parse
from tulle_ir.diagnostics import TulleError

INTERNAL = 1
BAD_INPUT = 3
INTERRUPTED = 130
OBJECTS = 1_000_000  # new ones before garbage is looked for: most stay, and the search took a tenth of the time


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's); the exit code."""
    gc.set_threshold(OBJECTS)
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        verb = import_module(f"tulle.cli.{arguments.verb}_command")
        verb.run(arguments)
        sys.stdout.flush()
    except TulleError as error:
        return _fail(describe(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _abandon_stdout()  # the reader has what it wanted
    except OSError as error:
        return _fail(f"error: {error}", BAD_INPUT)
    except Exception as error:
        return _fail(_describe_bug(error), INTERNAL)
    return 0


def describe(error: TulleError) -> str:
    """What went wrong, where, what to change: one line each (a deadlock's table between)."""
    lines = [f"error: {error.what}"]
    if error.where:
        lines.append(f"  where: {error.where}")
    if error.remedy:
        lines.append(f"  to change: {error.remedy}")
    return "\n".join(lines)


def _describe_bug(error: Exception) -> str:
    if os.environ.get("TULLE_DEBUG") == "1":
        traceback.print_exc()
    kind = type(error).__name__
    return (
        f"internal error (a bug): {kind}: {error}\n"
        "  please report it with the command line and, if you can share it, the model; "
        "TULLE_DEBUG=1 shows the traceback"
    )


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _abandon_stdout() -> None:
    """Keep the interpreter from writing to the closed pipe once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
