"""`python -m tulle` and the `tulle` command."""

from __future__ import annotations

import sys

from tulle.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
