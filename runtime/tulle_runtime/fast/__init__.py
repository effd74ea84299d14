"""The fast engine: event-driven, compiled by numba, equal to the reference engine in every field of the result.

How it works: words.py says where everything lies; layout.py (network.py, chains.py, trees.py, records.py, ports.py;
code.py and rows.py) fills it; handle.py is how compiled code sees it; loop.py turns time with wheel.py; router.py and
pe.py (threads.py, fetch.py, main.py, steps.py) are what one router and one PE do in one cycle, and further ahead as far
as silence.py knows; prefetch.py has what they need in the caches by then; workers.py, mail.py and meeting.py let
threads share a mesh; first.py compiles on a first run; run.py is the door.
"""

from tulle_runtime.fast import cache  # first: it tells numba where to keep its cache
from tulle_runtime.fast.run import run_fast

__all__ = ["cache", "run_fast"]
