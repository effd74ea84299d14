"""Routing: a path of affine legs for every net, lane orders, and colors within the machine's limit."""

from tulle_compiler.route.route import Route

__all__ = ["Route"]
