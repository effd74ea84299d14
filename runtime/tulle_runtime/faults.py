"""From a run that did not end well to the error that says where: PE, task or microthread, color, kernel, origin."""

from __future__ import annotations

from tulle_ir.diagnostics import LimitReached, MachineFault
from tulle_ir.program import Program, Symbol
from tulle_runtime.circle import Link, waiting_circle
from tulle_runtime.result import Fault, RunResult, Wait

SHOWN = 12  # waits listed in a message


def raise_for_status(result: RunResult, program: Program, max_cycles: int | None) -> None:
    """Return if the run is ok; raise MachineFault or LimitReached if not."""
    match result.status:
        case "ok":
            return
        case "limit":
            raise _limit_error(max_cycles)
        case "deadlock":
            circle = waiting_circle(result.waits, program)
            raise MachineFault(deadlock_message(result, program, circle), remedy=deadlock_remedy(result.waits, circle))
        case "fault" if result.fault is not None:
            raise _fault_error(result.fault, program)
        case _:
            raise ValueError(f"the engine returned status {result.status!r}")


def symbol_at(program: Program, x: int, y: int) -> Symbol | None:
    """The symbol of the smallest region that holds PE (x, y); the last declared of equal ones."""
    found: Symbol | None = None
    for symbol in program.symbols:
        x0, y0, width, height = symbol.region
        if not (x0 <= x < x0 + width and y0 <= y < y0 + height):
            continue
        if found is None or width * height <= found.region[2] * found.region[3]:
            found = symbol
    return found


def deadlock_message(result: RunResult, program: Program, circle: list[Link]) -> str:
    """One sentence, a table of the oldest waits, one line each, and the circle of waits if there is one."""
    waits = sorted(result.waits, key=lambda w: (w.since, w.y, w.x, w.who, w.color))
    rows = [("PE", "what waits", "for", "color", "since cycle", "kernel")]
    rows += [_row(wait, program) for wait in waits[:SHOWN]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(waits) > SHOWN:
        lines.append(f"  ... and {len(waits) - SHOWN} more")
    last = max(result.cycles - 1, 0)
    head = f"deadlock: after cycle {last} nothing can happen any more, and {len(waits)} waits remain"
    return "\n".join([head, *lines, *_circle_lines(circle, program)])


def _circle_lines(circle: list[Link], program: Program) -> list[str]:
    """Who waits for whom; nothing if no circle was found."""
    return ["in a circle:"] * bool(circle) + [
        f"  ({link.wait.x}, {link.wait.y}) {link.wait.who} of {_kernel(program, link.wait.x, link.wait.y)} waits for "
        f"{link.wait.why} on color {link.wait.color}, so for ({link.on[0]}, {link.on[1]})"
        for link in circle
    ]


def deadlock_remedy(waits: list[Wait], circle: list[Link]) -> str:
    """What to look at, from the kinds of waits that remain."""
    if circle:
        return "let one PE of the circle go first: by another order, a buffer, or a microthread"
    if any(wait.why == "output space" for wait in waits):
        return "let the consumer of the full color take its wavelets, or give the color another route"
    if any(wait.who == "channel" for wait in waits):
        return "receive the wavelets that are left in the channels: as many must be taken as are sent"
    return "send the wavelets that are waited for: as many must be sent as are taken"


def _row(wait: Wait, program: Program) -> tuple[str, ...]:
    color = str(wait.color) if wait.color >= 0 else "-"
    return (f"({wait.x}, {wait.y})", wait.who, wait.why, color, str(wait.since), _kernel(program, wait.x, wait.y))


def _kernel(program: Program, x: int, y: int) -> str:
    symbol = symbol_at(program, x, y)
    if symbol is None:
        return "-"
    return f"{symbol.name} ({symbol.origin})" if symbol.origin else symbol.name


def _limit_error(max_cycles: int | None) -> LimitReached:
    if max_cycles is None:
        return LimitReached("the run was still going at cycle 2^31 - 2, the last that the engine counts")
    return LimitReached(
        f"the run was still going at cycle {max_cycles}, the limit that was set", remedy="raise --max-cycles"
    )


def _fault_error(fault: Fault, program: Program) -> MachineFault:
    detail = f": {fault.detail}" if fault.detail else ""
    where = f"PE ({fault.x}, {fault.y}) of {_kernel(program, fault.x, fault.y)}"
    if symbol_at(program, fault.x, fault.y) is None:
        where = f"PE ({fault.x}, {fault.y})"
    return MachineFault(f"{fault.kind} in cycle {fault.cycle}{detail}", where=where)
