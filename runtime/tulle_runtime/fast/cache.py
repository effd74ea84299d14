"""How numba compiles, and where compiled code is kept: the user's cache folder, one folder per version of the sources.

numba notices a change of the file a function is in, not of the files it calls into; hence the digest.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def folder() -> Path:
    """The folder for this version: $XDG_CACHE_HOME/tulle/numba/DIGEST, or below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tulle" / "numba" / _sources()


os.environ.setdefault("NUMBA_CACHE_DIR", str(folder()))
os.environ.setdefault("NUMBA_OPT", "1")  # compiles faster than the default, 3, and runs as fast
os.environ.setdefault("NUMBA_CPU_NAME", "generic")  # likewise; and the cache serves all machines of an architecture
