"""Placement: an origin and an orientation for every kernel, a host link for every net that touches the host."""

from tulle_compiler.place.place import Place

__all__ = ["Place"]
