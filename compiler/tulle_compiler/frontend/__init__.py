"""The front end: ONNX files to Graphs. The only package of the compiler that imports `onnx`."""

from tulle_compiler.frontend.importer import import_onnx

__all__ = ["import_onnx"]
