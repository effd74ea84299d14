"""Builds arrays, from their values in the text or from the store beside it, while the text is parsed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from lark import Token, v_args

from tulle_ir.tensors import describe
from tulle_ir.text.fabric_reader import FabricReader
from tulle_ir.text.reader import error
from tulle_ir.text.tensor_text import array_of, dtype_name, numpy_dtype

Shape = tuple[int, ...]


class ArrayReader(FabricReader):
    """Methods are named after the grammar's rules. `beside` holds the tensors beside the text."""

    beside: Mapping[str, np.ndarray] = {}

    def array(self, dtype: Token, shape: Shape | None, given: Token | tuple[float, ...]) -> np.ndarray:
        try:
            kind = numpy_dtype(dtype)
            if isinstance(given, tuple):
                return array_of(given, kind, shape or ())
        except (ValueError, TypeError, OverflowError) as reason:
            raise error(str(reason), dtype) from None
        check_stored(self.beside, given, kind, shape or ())
        return self.beside[str(given)]

    def key(self, token: Token) -> Token:
        return token

    def named_array(self, _keyword: Token, name: Token, array: np.ndarray) -> tuple[Token, np.ndarray]:
        return name, array


v_args(inline=True)(ArrayReader)  # lark passes the children as arguments


def check_stored(store: Mapping[str, np.ndarray], name: Token, dtype: np.dtype, shape: Shape) -> None:
    """Raise TextError unless the store has a tensor of this name, type and shape."""
    if name not in store:
        remedy = "give its values here, or put it into the .safetensors file beside the text"
        raise error(f"tensor '{name}' has no values", name, remedy)
    stored = describe(store, str(name))
    if stored != (dtype, shape):
        kind = f"{dtype_name(stored[0])}{list(stored[1])}"
        raise error(f"tensor '{name}' is {kind} in the file beside the text", name)
