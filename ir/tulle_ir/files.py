"""Files that are whole or absent: written beside their place, then moved into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tulle_ir.diagnostics import BadInput


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its place when the block ends, and vanishes if it fails or is interrupted.

    Raises BadInput if it cannot be written there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise BadInput(f"the file cannot be written: {error.strerror or error}", where=str(path)) from None
    finally:
        beside.unlink(missing_ok=True)
