"""Tulle's front door: the public API and the `tulle` command.

    artifact = tulle.compile("model.onnx", mesh=(64, 64))
    logits, = tulle.Session(artifact).run(None, {"input_ids": ids})

Everything heavy (numpy, onnx, numba) is loaded on first use, so that `tulle --help` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tulle._compile import compile
    from tulle._load import load
    from tulle_runtime.session import Session

__version__ = "0.1.0"
__all__ = ["Session", "__version__", "compile", "load"]

_HOMES = {"compile": "tulle._compile", "load": "tulle._load", "Session": "tulle_runtime.session"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tulle' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
