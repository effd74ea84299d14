"""Tulle's front door: the public API and the `tulle` command."""

__version__ = "0.1.0"
