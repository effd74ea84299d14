"""The reference engine: plain Python, slow and obvious, the living definition of docs/machine.md.

Read `engine.py` (a cycle), `pe.py` and `main.py` (the compute engine), `router.py` and `channel.py` (the fabric).
"""

from tulle_runtime.reference.engine import run_reference

__all__ = ["run_reference"]
